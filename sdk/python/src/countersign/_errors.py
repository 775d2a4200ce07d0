"""What a check may say instead of yes."""

from __future__ import annotations

MESSAGES = {
    "token_malformed": "Token is malformed",
    "token_signature_invalid": "Signature verification failed",
    "token_wrong_type": "Only access tokens are allowed",
    "token_wrong_issuer": "Token is from another issuer",
    "token_wrong_audience": "Token is for another audience",
    "token_not_yet_valid": "Token is not yet valid",
    "token_expired": "Token has expired",
    "token_revoked": "Token has been revoked",
    "token_superseded": "Token has been superseded, refresh it",
}


class Refused(Exception):
    """The token is not accepted: answer 401. ``code`` is stable, ``message`` is for people."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
        self.message = MESSAGES[code]


class Stale(Exception):
    """Whether the token was revoked cannot be known now: answer 503 with ``Retry-After``.

    Never 401, upon which every client would throw its login away.
    """

    def __init__(self, why: str, retry_after: int = 1) -> None:
        super().__init__(why)
        #: Seconds, for the header ``Retry-After``.
        self.retry_after = retry_after
