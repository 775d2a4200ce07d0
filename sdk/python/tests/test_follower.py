"""The follower against a scripted feed: what counts, when, and for how long."""

import http.client
import threading

import countersign._follower as module
import pytest
from countersign import Follower, Refused, Stale, subject
from countersign._link import Answered

from .conftest import NOW, answer, eventually

CLAIMS = {
    "iss": "https://issuer.example", "sub": "42", "aud": "countersign", "client_id": "countersign",
    "iat": NOW, "nbf": NOW, "exp": NOW + 900, "jti": "jti-1", "sid": "sid-1", "rev": 100,
    "type": "access", "roles": [], "fresh": True,
}  # fmt: skip
USER = subject("user", "42")


@pytest.fixture
def follow(feed, monkeypatch):
    """A follower that asks when the test says so."""
    monkeypatch.setattr(module, "_CATCH_UP", 0.0)
    made = []

    def make(**options):
        made.append(Follower(feed.url, monotonic=lambda: feed.clock, **options))
        return made[-1]

    yield make
    for follower in made:
        follower.close()


def refusal(follower, claims):
    try:
        follower.check(claims)
    except Refused as refused:
        return refused.code
    except Stale:
        return "stale"
    return None


def test_whoever_has_read_nothing_says_so(follow):
    follower = follow()
    assert refusal(follower, CLAIMS) == "stale"
    assert not follower.ready()
    for question in (follower.now, lambda: follower.issuer, lambda: follower.is_revoked(CLAIMS)):
        with pytest.raises(Stale) as stale:
            question()
        assert stale.value.retry_after >= 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        *[({missing: None}, "token_malformed") for missing in ("iss", "sub", "aud", "client_id")],
        *[({missing: None}, "token_malformed") for missing in ("jti", "sid", "rev", "exp", "iat")],
        ({"jti": ""}, "token_malformed"),
        ({"jti": 7}, "token_malformed"),
        ({"rev": "100"}, "token_malformed"),
        ({"rev": True}, "token_malformed"),
        ({"rev": -1}, "token_malformed"),
        ({"exp": float(NOW + 9)}, "token_malformed"),
        ({"aud": [1]}, "token_malformed"),
        ({"type": "refresh"}, "token_wrong_type"),
        ({"iss": "https://other.example"}, "token_wrong_issuer"),
        ({"aud": "countersign-other"}, "token_wrong_audience"),
        ({"aud": ["other"]}, "token_wrong_audience"),
        ({"nbf": NOW + 31}, "token_not_yet_valid"),
        ({"iat": NOW + 31, "exp": NOW + 40}, "token_expired"),
        ({"iat": NOW - 900, "exp": NOW - 30}, "token_expired"),
        ({"exp": NOW + 901}, "token_expired"),
        ({"rev": 99}, "token_revoked"),
        ({"rev": 201}, "token_revoked"),
        ({}, None),
        ({"aud": ["other", "countersign"]}, None),
        ({"iat": NOW - 900, "exp": NOW - 29}, None),
        ({"sub": "\ud800"}, None),
    ],
)
def test_what_is_asked_of_claims(feed, follow, changed, code):
    feed.says(answer(200, (100, "user", USER, "revoked")))
    follower = follow()
    follower.ask()
    assert refusal(follower, {**CLAIMS, **changed}) == code


@pytest.mark.parametrize("claim", ["jti", "sid", "sub", "client_id", "iss"])
@pytest.mark.parametrize("reason", ["revoked", "superseded"])
def test_a_floor_on_any_of_the_five_refuses(feed, follow, claim, reason):
    scopes = {"jti": "token", "sid": "session", "sub": "user", "client_id": "client"}
    scope = scopes.get(claim, "issuer")
    feed.says(answer(200, (101, scope, subject(scope, CLAIMS[claim]), reason)))
    follower = follow()
    follower.ask()
    assert refusal(follower, CLAIMS) == f"token_{reason}"
    assert refusal(follower, {**CLAIMS, "rev": 101}) is None


def test_a_lower_position_is_taken_and_floors_stay(feed, follow):
    feed.says(answer(200, (150, "user", USER, "revoked")), answer(120), answer(130))
    follower = follow()
    for _ in range(3):
        follower.ask()
    assert [question["after"] for question in feed.asked] == ["0", "200", "120"]
    assert follower.status().seq == 130
    assert refusal(follower, {**CLAIMS, "rev": 120}) == "token_revoked"
    other = {**CLAIMS, "sub": "43"}
    assert refusal(follower, other) is None
    assert follower.is_revoked({**other, "rev": 131}) == "ahead"


def test_pages_are_read_to_the_end_before_anything_is_answered(feed, follow):
    page = answer(150, (150, "user", USER, "revoked"), more=True)
    feed.says(page, answer(200), page, answer(300))
    follower = follow()
    follower.ask()
    assert refusal(follower, CLAIMS) == "stale"
    follower.ask()
    assert refusal(follower, CLAIMS) == "token_revoked"
    assert [(q["after"], q["wait"]) for q in feed.asked] == [("0", "0"), ("150", "0")]
    # Far behind later on: a page renews no lease, since it is not all that there is.
    feed.clock += 29
    follower.ask()
    feed.clock += 2
    assert refusal(follower, CLAIMS) == "stale"
    follower.ask()
    assert refusal(follower, CLAIMS) == "token_revoked"


@pytest.mark.parametrize(
    ("policy", "lease", "wait"), [("strict", 3, 1), ("bounded", 30, 10), ("lenient", 880, 10)]
)
def test_the_lease_counts_from_when_the_question_was_sent(feed, follow, policy, lease, wait):
    feed.says(answer(200))
    follower = follow(policy=policy)

    def slowly():
        feed.clock += 2

    feed.before_answer = slowly
    follower.ask()
    assert follower.now() == NOW, "the time goes on from the answer's arrival, the lease does not"
    feed.clock += lease - 2.5
    assert refusal(follower, CLAIMS) is None
    feed.clock += 1
    assert refusal(follower, CLAIMS) == (None if policy == "lenient" else "stale")
    feed.clock += 100
    assert refusal(follower, CLAIMS) == ("token_expired" if policy == "lenient" else "stale")
    follower.ask()
    assert (feed.asked[1]["wait"], feed.asked[1]["lease"]) == (str(wait), str(min(lease, 30)))


@pytest.mark.parametrize("skew", [-3600, 0, 3600, -NOW + 10_000])
def test_times_are_the_issuers_and_go_on_from_the_answers_arrival(feed, follow, skew):
    # The wall clock of this machine is years from NOW in any case.
    feed.says(answer(200, now=NOW + skew))
    follower = follow(policy="lenient")
    follower.ask()
    claims = {**CLAIMS, **{date: CLAIMS[date] + skew for date in ("iat", "nbf", "exp")}}
    for passed, code in [(0, None), (929, None), (1, "token_expired")]:
        feed.clock += passed
        assert refusal(follower, claims) == code
    assert follower.now() == NOW + skew + 930


def test_floors_are_forgotten_on_the_issuers_time_and_not_before(feed, follow):
    feed.says(answer(200, (150, "user", USER, "revoked")))
    follower = follow()
    follower.ask()
    feed.says(answer(200, now=NOW + 959))
    feed.clock += 61
    follower.ask()
    assert follower.status().floors == 1
    feed.says(answer(200, now=NOW + 960))
    feed.clock += 61
    follower.ask()
    assert follower.status().floors == 0


def test_a_check_that_is_held_up_while_its_floor_is_forgotten_refuses(feed, follow, monkeypatch):
    feed.says(answer(200, (150, "user", USER, "revoked")), answer(200, now=NOW + 960))
    follower = follow()
    follower.ask()
    floors_asked = follower.is_revoked

    def held_up(claims):
        if follower.status().floors:
            feed.clock += 61
            follower.ask()
        return floors_asked(claims)

    monkeypatch.setattr(follower, "is_revoked", held_up)
    assert refusal(follower, CLAIMS) == "token_expired"
    assert follower.status().floors == 0


def test_other_keys_are_loaded_before_the_answer_counts(feed, follow):
    feed.jwks = {"keys": [{"kid": "old", "kty": "EC"}]}
    feed.says(answer(200))
    follower = follow()
    follower.ask()
    assert list(follower.signing_keys()) == ["old"]

    feed.says(answer(300, (250, "user", USER, "revoked"), keys=2))
    feed.jwks = None
    feed.clock += 29
    with pytest.raises(Answered, match="500"):
        follower.ask()
    assert (follower.status().seq, follower.is_revoked(CLAIMS)) == (200, None)
    feed.clock += 2
    assert refusal(follower, CLAIMS) == "stale"

    feed.jwks = {"keys": [{"kid": "new", "kty": "EC"}, {"kid": 7}, {"kid": "x", "use": "enc"}]}
    follower.ask()
    assert list(follower.signing_keys()) == ["new"]
    assert refusal(follower, CLAIMS) == "token_revoked"
    loaded = feed.jwks_asked
    follower.ask()
    assert feed.jwks_asked == loaded


def test_an_unknown_key_is_looked_for_once_in_ten_seconds(feed, follow):
    feed.says(answer(200))
    follower = follow()
    follower.ask()
    loaded = feed.jwks_asked
    for _ in range(3):
        assert follower.signing_key("new") is None
    assert feed.jwks_asked == loaded + 1
    feed.jwks = {"keys": [{"kid": "new", "kty": "EC"}]}
    feed.clock += 9.9
    assert follower.signing_key("new") is None
    feed.clock += 0.2
    assert follower.signing_key("new") == {"kid": "new", "kty": "EC"}
    feed.clock += 30
    with pytest.raises(Stale):
        follower.signing_key("newer")


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{", [], {}, answer(-1), answer("9"), answer(True), answer(9, now=None),
        answer(9, life=-1), answer(9, keys="1"), answer(9, floors=None), answer(9, floors=[7]),
        answer(9, (9, "group", USER, "revoked")), b" " * (5 << 20),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_understood_changes_nothing(feed, follow, bad):
    feed.says(answer(200), (200, bad, {}))
    follower = follow()
    follower.ask()
    feed.clock += 5
    with pytest.raises((ValueError, KeyError, TypeError, RecursionError)):
        follower.ask()
    assert follower.status() == (200, 0, 5.0, True)


def test_a_log_beyond_all_bounds_ends_in_staleness_rather_than_memory(feed, follow):
    floors = [(n, "user", subject("user", str(n)), "revoked") for n in range(1, 12)]
    feed.says(answer(5, *floors[:10]), answer(20, *floors))
    follower = follow(max_floors=10)
    follower.ask()
    with pytest.raises(ValueError, match="more than 10"):
        follower.ask()
    feed.clock += 30
    assert refusal(follower, CLAIMS) == "stale"


def test_a_closed_connection_is_opened_again_without_a_fault(feed, follow):
    feed.says((200, answer(200), {"Connection": "close"}))
    follower = follow()
    for _ in range(3):
        follower.ask()
    follower._link._connection = Dropped(follower._link._connection)
    follower.ask()


class Dropped:
    """A connection that the other end had closed while it was idle."""

    sock = None

    def __init__(self, connection):
        self.close = connection.close

    def connect(self):
        """Nothing shows yet that the other end is gone."""

    def request(self, *_, **__):
        raise http.client.RemoteDisconnected


def test_failures_are_paused_after_longer_and_longer_with_jitter(feed, follow):
    feed.says((503, {}, {"Retry-After": "7"}), (500, {}, {}))
    pauses = []

    class Closing(threading.Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            if len(pauses) == 12:
                self.set()
            return self.is_set()

    follower = follow()
    follower._closing = Closing()
    follower._run()
    assert 3.5 <= pauses[0] <= 7
    for n, pause in enumerate(pauses[1:], start=1):
        expected = min(0.1 * 2**n, 5.0)
        assert expected / 2 <= pause <= expected
    assert len(set(pauses)) == 12


def test_answers_that_come_at_once_with_nothing_do_not_spin(feed, follow):
    feed.says(answer(200))
    follower = follow()
    assert [follower.ask() for _ in range(3)] == [True, False, False]


def test_credentials_are_shown_to_the_feed_and_in_no_representation(feed, follow):
    feed.says(answer(200))
    follower = follow(credentials=("reports", "s3cret"))
    follower.ask()
    assert feed.headers[0]["Authorization"] == "Basic cmVwb3J0czpzM2NyZXQ="
    assert "s3cret" not in repr(follower)


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", "http://a?b", "http://user:secret@host", "127.0.0.1:5000"]
)
def test_a_url_that_is_none_is_refused_at_once(url):
    with pytest.raises(ValueError) as why:
        Follower(url)
    assert "secret" not in str(why.value)


@pytest.mark.parametrize("options", [{"policy": "loose"}, {"leeway": -1}, {"leeway": 31}])
def test_options_that_would_let_dead_tokens_live_are_refused(options):
    with pytest.raises(ValueError):
        Follower("http://127.0.0.1", **options)


def test_a_token_from_ahead_waits_for_the_log_to_come(feed, follow, monkeypatch):
    feed.says(answer(200), answer(300))
    follower = follow()
    follower.ask()
    ahead = {**CLAIMS, "rev": 250}
    monkeypatch.setattr(module, "_CATCH_UP", 5.0)
    codes = []
    waiting = threading.Thread(target=lambda: codes.append(refusal(follower, ahead)))
    waiting.start()
    eventually(lambda: follower._changed._waiters)
    assert not codes
    follower.ask()
    waiting.join(timeout=2)
    assert codes == [None]


def test_the_thread_follows_and_ends_when_it_is_closed(feed):
    gate = threading.Event()
    feed.says(answer(200))
    feed.before_answer = lambda: len(feed.asked) > 1 and gate.wait(5)
    with Follower(feed.url) as follower:
        assert follower.start() is follower
        assert follower.ready(timeout=5)
        eventually(lambda: len(feed.asked) == 2)
        thread = follower._thread
        # It waits for an answer that does not come; closing does not.
        assert eventually(lambda: follower.close() or not thread.is_alive()) < 1
        assert not follower.ready()
    gate.set()


def test_a_frozen_link_ends_the_lease_in_time_and_is_given_up(feed):
    gate = threading.Event()
    feed.says(answer(200))
    feed.before_answer = lambda: len(feed.asked) == 2 and gate.wait(10)
    with Follower(feed.url, policy="strict", monotonic=lambda: feed.clock) as follower:
        assert follower.ready(timeout=5)
        eventually(lambda: len(feed.asked) == 2)
        feed.clock += 3
        assert refusal(follower, CLAIMS) == "stale"
        # Asked again on another connection, while the first still says nothing.
        assert eventually(lambda: follower.ready()) < 4
        assert len(feed.asked) >= 3
    gate.set()
