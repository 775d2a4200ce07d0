"""Whole tokens, with PyJWT (the extra ``pyjwt``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Union

import jwt

from ._errors import Refused
from ._follower import Follower

#: What an issuer may sign with, besides HS256 where a secret is shared.
ALGORITHMS = ("ES256", "EdDSA", "RS256")


def algorithms(follower: Follower) -> list[str]:
    """What this issuer's tokens may be signed with: never a public key's and a secret's together."""
    return ["HS256"] if follower.secret is not None else list(ALGORITHMS)


def key_for(follower: Follower, header: Mapping[str, Any]) -> Any:
    """The key that must have signed a token with this (unverified) header.

    Raises :class:`Refused`. The algorithm is the key's, whatever the header would like.
    """
    if header.get("typ") not in ("at+jwt", "application/at+jwt"):
        raise Refused("token_wrong_type")
    if not {"alg", "typ", "kid"}.issuperset(header):
        raise Refused("token_signature_invalid")
    alg, kid = header.get("alg"), header.get("kid")
    if follower.secret is not None:
        if alg == "HS256":
            return follower.secret.encode()
    elif isinstance(kid, str):
        jwk = follower.signing_key(kid)
        if jwk is not None and alg in ALGORITHMS and alg == jwk.get("alg"):
            return _prepared(json.dumps(dict(jwk), sort_keys=True))
    raise Refused("token_signature_invalid")


@lru_cache(maxsize=64)
def _prepared(jwk: str) -> Union[Any, bytes]:
    return jwt.PyJWK.from_json(jwk).key


def verify(follower: Follower, token: str) -> dict[str, Any]:
    """The claims of a token that is good now. Raises :class:`Refused` or :class:`Stale`."""
    # The times are the follower's to judge, on the issuer's clock.
    unchecked = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss")}
    try:
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key_for(follower, header),
            algorithms=algorithms(follower),
            options=unchecked,  # type: ignore[arg-type]
        )
    except jwt.InvalidSignatureError:
        raise Refused("token_signature_invalid") from None
    except jwt.PyJWTError:
        raise Refused("token_malformed") from None
    follower.check(claims)
    return claims
