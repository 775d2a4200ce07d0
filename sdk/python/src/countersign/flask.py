"""A flask-jwt-extended program on Countersign's tokens (the extra ``flask``).

The library stays as it is; only its public configuration and callbacks are used::

    jwt = JWTManager(app)
    use_countersign(app, jwt, Follower("http://127.0.0.1:5000"))
"""

from __future__ import annotations

from typing import Any, NoReturn

import jwt as pyjwt
from flask import Flask, Response, current_app, g, jsonify
from flask_jwt_extended import JWTManager

from ._errors import MESSAGES, Refused, Stale
from ._follower import Follower
from .pyjwt import algorithms, key_for

#: The library would judge times by this machine's clock. They are judged on the issuer's, in the
#: key loader, which nothing skips; so the library is told not to mind: a century, in seconds.
_NEVER_MIND = 100 * 365 * 86_400


def use_countersign(app: Flask, manager: JWTManager, follower: Follower) -> Follower:
    """Has ``@jwt_required()`` accept this issuer's access tokens and refuse those that are over.

    Refusals are 401 with ``{"msg": …}``; while the log cannot be followed, 503 with
    ``Retry-After``. Starts the follower. Loaders that are set afterwards win, as always.
    """
    app.config.update(
        JWT_ALGORITHM=algorithms(follower)[0],
        JWT_DECODE_ALGORITHMS=algorithms(follower),
        JWT_DECODE_AUDIENCE=follower.audience,
        JWT_DECODE_LEEWAY=_NEVER_MIND,
    )

    @manager.decode_key_loader
    def key(header: dict[str, Any], claims: dict[str, Any]) -> Any:
        try:
            found = key_for(follower, header)
            follower.check_times(claims)
        except Refused as refused:
            _refuse(refused, header, claims)
        # Known once the issuer was reached; read by the library after this.
        current_app.config["JWT_DECODE_ISSUER"] = follower.issuer
        return found

    @manager.token_in_blocklist_loader
    def over(header: dict[str, Any], claims: dict[str, Any]) -> bool:
        try:
            follower.check(claims)
        except Refused as refused:
            g.countersign_refused = refused
            if refused.code in ("token_revoked", "token_superseded"):
                return True
            _refuse(refused, header, claims)
        return False

    @manager.revoked_token_loader
    def revoked(header: dict[str, Any], claims: dict[str, Any]) -> Response:
        refused = g.get("countersign_refused")
        return _unauthorized(refused.message if refused else MESSAGES["token_revoked"])

    @manager.invalid_token_loader
    def invalid(why: str) -> Response:
        return _unauthorized(why)

    @app.errorhandler(Stale)
    def stale(why: Stale) -> Response:
        return _answer(503, "Try again shortly", "Retry-After", str(why.retry_after))

    return follower.start()


def _refuse(refused: Refused, header: dict[str, Any], claims: dict[str, Any]) -> NoReturn:
    """In the words of the library, so that the program's own loaders are asked."""
    if refused.code == "token_expired":
        expired = pyjwt.ExpiredSignatureError(refused.message)
        expired.jwt_header, expired.jwt_data = header, claims  # type: ignore[attr-defined]
        raise expired from None
    raise pyjwt.InvalidTokenError(refused.message) from None


def _unauthorized(message: str) -> Response:
    return _answer(401, message, "WWW-Authenticate", 'Bearer error="invalid_token"')


def _answer(status: int, message: str, name: str, value: str) -> Response:
    response = jsonify({current_app.config["JWT_ERROR_MESSAGE_KEY"]: message})
    response.status_code = status
    response.headers[name] = value
    return response
