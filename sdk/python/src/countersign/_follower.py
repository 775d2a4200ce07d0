"""Following the revocation log."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Callable, NamedTuple, Optional

from ._errors import Refused, Stale
from ._floors import SCOPES, Floors, subjects
from ._link import Answer, Answered, Link

log = logging.getLogger("countersign")

#: For how many seconds without an answer a follower goes on; None: until the tokens expire.
POLICIES: Mapping[str, Optional[float]] = {"strict": 3.0, "bounded": 30.0, "lenient": None}

#: The longest lease that the feed knows.
_LONGEST = 30.0
#: How long a check waits for a log that a token is ahead of, and how many may wait at once.
_CATCH_UP, _CATCHING_UP = 1.0, 32
#: Between two looks for a key that nobody has heard of, in seconds.
_KEY_LOOKS = 10.0
_PRUNE_EVERY = 60.0


def monotonic() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Status(NamedTuple):
    """What a follower knows, for metrics."""

    #: The position in the log.
    seq: int
    #: Subjects that have a floor.
    floors: int
    #: Seconds since the last answered question was sent; None before the first.
    age: Optional[float]
    #: Whether checks are answered, rather than refused as :class:`Stale`.
    fresh: bool


class Follower:
    """Follows the revocation log of one issuer in a thread of its own, and judges tokens by it.

    ``url``
        Where the issuer is. What its tokens have as ``iss`` is discovered there.
    ``audience``
        What ``aud`` of a token must contain.
    ``credentials``
        Name and secret of a service (``countersign client add NAME --kind service``): needed
        unless the issuer listens on loopback only.
    ``policy``
        How long to go on without word from the issuer: ``strict`` 3 s, ``bounded`` 30 s,
        ``lenient`` until the tokens expire. Afterwards every check raises :class:`Stale`.
    ``secret``
        The shared secret of an issuer that signs with HS256.
    ``leeway``
        Seconds of grace for ``exp``, ``nbf`` and ``iat``. All times are judged on the issuer's
        clock; this machine's wall clock is never looked at.
    ``max_floors``
        A log with more subjects than that is not followed any further: better stale than out of
        memory. A million take about 270 MB.

    Safe to share between threads. A process that forks (``gunicorn --preload``) has a follower of
    its own in each child.
    """

    def __init__(
        self,
        url: str,
        audience: str = "countersign",
        credentials: Optional[tuple[str, str]] = None,
        policy: str = "bounded",
        *,
        secret: Optional[str] = None,
        leeway: float = 30.0,
        max_floors: int = 2_000_000,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"policy is one of {', '.join(POLICIES)}")
        if not 0 <= leeway <= 30:
            # A floor is kept for the life of a token and a minute more.
            raise ValueError("leeway is 0 to 30 seconds")
        self.audience = audience
        self.secret = secret
        self._url, self._credentials = url, credentials
        self._lease = POLICIES[policy]
        self._leeway = leeway
        self._max_floors = max_floors
        self._monotonic = monotonic
        self._started = False
        self._reset()

    def __repr__(self) -> str:
        return f"Follower({self._url!r})"

    def _reset(self) -> None:
        """Everything that belongs to this process."""
        lease = self._lease or _LONGEST
        #: A third of the lease, since it must not lapse between two answers.
        self._wait = int(lease / 3)
        self._patience = max(1.0, min(5.0, lease / 3))
        self._query = f"follower={secrets.token_hex(8)}&lease={int(lease)}"
        self._link = Link(self._url, self._credentials)
        self._closing = threading.Event()
        self._thread: Optional[threading.Thread] = None
        #: Guards what follows, and tells of changes to it.
        self._changed = threading.Condition()
        self._floors = Floors()
        self._keys: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
        self._keys_version: Optional[int] = None
        self._issuer: Optional[str] = None
        self._life = 0
        self._issuer_now: Optional[tuple[int, float]] = None
        self._pruned = 0.0
        #: When the question was sent after whose answer nothing was missing.
        self._current_as_of: Optional[float] = None
        #: One load of keys at a time: an older set must not replace a newer one.
        self._loading = threading.Lock()
        self._looked: Optional[float] = None
        self._catching_up = threading.BoundedSemaphore(_CATCHING_UP)

    # ---- its life ----

    def start(self) -> Follower:
        """Begins to follow; at once, whether the issuer can be reached yet or not."""
        if not self._started:
            self._started = True
            self._spawn()
            _running.add(self)
        return self

    def _spawn(self) -> None:
        self._thread = threading.Thread(target=self._run, name="countersign", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops following; every check is :class:`Stale` from now on."""
        _running.discard(self)
        self._closing.set()
        self._link.close()
        with self._changed:
            self._current_as_of = None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def __enter__(self) -> Follower:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self, timeout: float = 0) -> bool:
        """Whether the whole log was read and checks are answered; waits so many seconds for it."""
        with self._changed:
            return self._changed.wait_for(self._fresh, timeout)

    # ---- what it knows ----

    @property
    def issuer(self) -> str:
        """What tokens have as ``iss``."""
        if self._issuer is None:
            raise Stale("the issuer has not been reached yet")
        return self._issuer

    def now(self) -> float:
        """The issuer's time, in seconds since the Unix epoch."""
        base = self._issuer_now
        if base is None:
            raise Stale("the issuer has not been reached yet")
        return base[0] + (self._monotonic() - base[1])

    def signing_keys(self) -> Mapping[str, Mapping[str, Any]]:
        """The issuer's public keys by ``kid``, each a JWK; empty with HS256. Ask anew for every
        token: a key that was revoked is gone from one moment to the next."""
        return self._keys

    def signing_key(self, kid: str) -> Optional[Mapping[str, Any]]:
        """One key, after looking once whether there are newer ones; at most every 10 s."""
        key = self._keys.get(kid)
        if key is not None or self._closing.is_set():
            return key
        with self._loading:
            now = self._monotonic()
            if kid not in self._keys and (self._looked is None or now - self._looked >= _KEY_LOOKS):
                self._looked = now
                try:
                    self._load_keys(secrets.token_hex(4))
                except Exception as why:
                    log.warning("cannot look for newer keys of %s: %s", self._url, why)
        key = self._keys.get(kid)
        if key is None and not self._fresh():
            raise Stale("whether there are newer keys cannot be known now")
        return key

    def status(self) -> Status:
        """For metrics."""
        with self._changed:
            as_of = self._current_as_of
            age = None if as_of is None else self._monotonic() - as_of
            return Status(self._floors.seq, len(self._floors), age, self._fresh())

    def _fresh(self) -> bool:
        as_of = self._current_as_of
        if as_of is None:
            return False
        return self._lease is None or self._monotonic() - as_of < self._lease

    # ---- the check ----

    def check(self, claims: Mapping[str, Any]) -> None:
        """All that is asked of a token whose signature holds: its claims, its times, its floors.

        Raises :class:`Refused`, or :class:`Stale` where that cannot be known.
        """
        _sound(claims)
        if claims["type"] != "access":
            raise Refused("token_wrong_type")
        if claims["iss"] != self.issuer:
            raise Refused("token_wrong_issuer")
        audiences = claims["aud"]
        if self.audience not in ([audiences] if isinstance(audiences, str) else audiences):
            raise Refused("token_wrong_audience")
        self.check_times(claims)
        verdict = self.is_revoked(claims)
        if verdict == "ahead":
            self._catch_up(claims["rev"])
            verdict = self.is_revoked(claims)
        if verdict is not None:
            raise Refused("token_superseded" if verdict == "superseded" else "token_revoked")
        # Again: while this check was held up, its floor may have been forgotten, which happens
        # after every token below it has expired.
        self.check_times(claims)

    def check_times(self, claims: Mapping[str, Any]) -> None:
        """The times of a token, on the issuer's clock; raises :class:`Refused`."""
        iat, nbf, exp = (_date(claims, name) for name in ("iat", "nbf", "exp"))
        now = self.now()
        if nbf > now + self._leeway:
            raise Refused("token_not_yet_valid")
        if exp <= now - self._leeway or exp - iat > self._life or iat > now + self._leeway:
            raise Refused("token_expired")

    def is_revoked(self, claims: Mapping[str, Any]) -> Optional[str]:
        """``revoked``; ``superseded``: the login lives, refresh; ``ahead``: minted after what we
        have read of the log, look again shortly (:meth:`check` does) or take it as revoked; or
        None. Raises :class:`Stale` where that cannot be known."""
        _sound(claims)
        keys, rev = subjects(claims), claims["rev"]
        with self._changed:
            if not self._fresh():
                raise Stale("the revocation log cannot be followed")
            return self._floors.judge(keys, rev)

    def _catch_up(self, rev: int) -> None:
        """Waits for a question that is under way: the issuer answers it as soon as it knows more."""
        if not self._catching_up.acquire(blocking=False):
            return
        try:
            with self._changed:
                reached = lambda: self._floors.seq >= rev or self._closing.is_set()  # noqa: E731
                self._changed.wait_for(reached, _CATCH_UP)
        finally:
            self._catching_up.release()

    # ---- the thread ----

    def _run(self) -> None:
        closing, failures = self._closing, 0
        while not closing.is_set():
            pause = 0.0
            try:
                if not self.ask():
                    # Answered at once with nothing new, as by a server that is about to stop.
                    pause = 0.2
                if failures:
                    log.info("following %s again", self._url)
                failures = 0
            except Exception as why:
                if closing.is_set():
                    return
                log.log(
                    logging.DEBUG if failures else logging.WARNING,
                    "cannot follow %s: %s: %s", self._url, type(why).__name__, why,
                )  # fmt: skip
                # Never longer than a third of the lease, unless the issuer asks for it.
                pause = min(0.1 * 2 ** min(failures, 6), self._patience)
                if isinstance(why, Answered):
                    pause = max(pause, why.retry_after)
                failures += 1
            if pause:
                # Jitter, or all who lost the issuer together would come back together.
                closing.wait(pause * random.uniform(0.5, 1.0))

    def ask(self) -> bool:
        """Asks once, and applies the answer. False where it came early and brought nothing.

        The thread does this; it is public for tests and for programs with a loop of their own.
        """
        after, behind = self._floors.seq, self._current_as_of is None
        wait = 0 if behind else self._wait
        # The lease counts from here: an answer that was long under way proves nothing later.
        sent = self._monotonic()
        body = self._link.get(
            f"/revocations?after={after}&wait={wait}&{self._query}", wait + self._patience
        )
        arrived = self._monotonic()
        answer = Answer(body)
        rekeyed = answer.keys != self._keys_version
        if rekeyed:
            # Before anything of the answer counts, and read after it came.
            with self._loading:
                self._load_keys(str(answer.keys))
        self._apply(answer, sent, arrived)
        idle = answer.seq == after and not (rekeyed or behind or answer.more)
        return not idle or arrived - sent >= wait / 2

    def _apply(self, answer: Answer, sent: float, arrived: float) -> None:
        with self._changed:
            if self._closing.is_set():
                return
            if len(self._floors) + len(answer.floors) > self._max_floors:
                raise ValueError(f"the log has more than {self._max_floors} floors")
            self._floors.apply(answer.floors, answer.seq)
            self._keys_version = answer.keys
            self._life = answer.life
            self._issuer_now = answer.now, arrived
            if not answer.more:
                self._current_as_of = sent
            self._changed.notify_all()
        if not -_PRUNE_EVERY < arrived - self._pruned < _PRUNE_EVERY:
            self._pruned = arrived
            # Not under the lock: nobody else writes, and readers keep the table that they began with.
            self._floors.prune(self.now())

    def _load_keys(self, version: str) -> None:
        """Keys and issuer. The version in the query keeps caches on the way from answering."""
        link = Link(self._url, None)
        try:
            found = link.get(f"/.well-known/jwks.json?v={version}", self._patience)["keys"]
            metadata = link.get("/.well-known/oauth-authorization-server", self._patience)
        finally:
            link.close()
        issuer = metadata["issuer"]
        if not isinstance(found, list) or len(found) > 64 or not isinstance(issuer, str):
            raise ValueError("no key set, or no issuer")
        keys = {
            key["kid"]: MappingProxyType(key)
            for key in found
            if isinstance(key.get("kid"), str) and key.get("use", "sig") == "sig"
        }
        self._keys, self._issuer = MappingProxyType(keys), issuer


def _date(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= 253_402_300_799:
        raise Refused("token_malformed")
    return value


def _sound(claims: Mapping[str, Any]) -> None:
    """A token without these could not be judged: what is missing must not read as innocent."""
    audiences, rev = claims.get("aud"), claims.get("rev")
    several = isinstance(audiences, list) and all(isinstance(one, str) for one in audiences)
    ids = all(isinstance(claims.get(id), str) and claims[id] for id in SCOPES.values())
    whole = type(rev) is int and 0 <= rev < 1 << 63
    if not (ids and whole and (several or isinstance(audiences, str)) and "type" in claims):
        raise Refused("token_malformed")


_running: weakref.WeakSet[Follower] = weakref.WeakSet()


def _after_fork() -> None:
    # The thread, and whatever lock it held, stayed behind in the parent: begin anew.
    for follower in list(_running):
        follower._link.abandon()
        follower._reset()
        follower._spawn()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
