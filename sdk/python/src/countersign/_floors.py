"""The rule: a token is refused if any of its scopes has a floor above its ``rev``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

#: Which claim names the subject of which scope.
SCOPES = {"token": "jti", "session": "sid", "user": "sub", "client": "client_id", "issuer": "iss"}


def _digest(scope: str, id: str) -> bytes:
    # A lone surrogate, which JSON can smuggle in, has no UTF-8: it must be a value that no floor
    # has, not an exception.
    return hashlib.sha256(f"{scope}:{id}".encode("utf-8", "surrogatepass")).digest()[:16]


def subject(scope: str, id: str) -> str:
    """Whom a floor concerns, as the feed writes it; to compare with the published vectors."""
    if scope not in SCOPES:
        raise ValueError(f"no scope is called {scope!r}")
    return base64.urlsafe_b64encode(_digest(scope, id)).rstrip(b"=").decode()


def subjects(claims: Mapping[str, Any]) -> list[bytes]:
    """The five subjects of a token."""
    return [_digest(scope, claims[claim]) for scope, claim in SCOPES.items()]


class Floor(NamedTuple):
    """One entry of the log."""

    seq: int
    subject: bytes
    revoked: bool
    expires: int

    @classmethod
    def read(cls, entry: Any) -> Floor:
        """From the feed. Raises ValueError for what it does not understand: an entry that is
        skipped is a logout that is ignored."""
        digest, reason, scope = entry["subject"], entry["reason"], entry["scope"]
        if scope not in SCOPES or reason not in ("revoked", "superseded"):
            raise ValueError("a floor of an unknown kind")
        raw = base64.b64decode(digest + "==", altchars=b"-_", validate=True)
        if len(raw) != 16:
            raise ValueError("a subject has 16 bytes")
        return cls(whole(entry["seq"]), raw, reason == "revoked", whole(entry["exp"]))


def whole(value: Any) -> int:
    """A number of the wire: whole and not negative."""
    if type(value) is not int or value < 0:
        raise ValueError("not a whole number")
    return value


class Floors:
    """The floors in force and how far in the log they reach. Not locked: the follower does that."""

    def __init__(self) -> None:
        #: The highest floor of either reason, so that none masks another, and until when to keep it.
        self._marks: dict[bytes, tuple[int, int, int]] = {}
        self.seq = 0

    def __len__(self) -> int:
        return len(self._marks)

    def apply(self, floors: Iterable[Floor], seq: int) -> None:
        """Adds what an answer brought and takes its ``seq``, even where that is lower: a database
        that went back in time leads, and its followers follow."""
        marks = self._marks
        for floor in floors:
            revoked, superseded, expires = marks.get(floor.subject, (0, 0, 0))
            if floor.revoked:
                revoked = max(revoked, floor.seq)
            else:
                superseded = max(superseded, floor.seq)
            marks[floor.subject] = revoked, superseded, max(expires, floor.expires)
        self.seq = seq

    def prune(self, now: float) -> None:
        """Forgets what concerns expired tokens only. A new table: an emptied one keeps its size."""
        self._marks = {key: mark for key, mark in self._marks.items() if mark[2] > now}

    def judge(self, subjects: Iterable[bytes], rev: int) -> Optional[str]:
        """``revoked`` if any matching floor says so, ``ahead`` if ``rev`` is not yet in the log as
        we know it, ``superseded``, or None."""
        verdict = "ahead" if rev > self.seq else None
        for key in subjects:
            mark = self._marks.get(key)
            if mark is None:
                continue
            if mark[0] > rev:
                return "revoked"
            if mark[1] > rev and verdict is None:
                verdict = "superseded"
        return verdict
