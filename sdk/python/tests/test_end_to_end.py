"""A flask-jwt-extended program and the real server: the example, as it stands in examples/flask."""

import base64
import json
import runpy
import statistics
import subprocess
import sys
import time

import pytest
from countersign import Follower, Refused, Stale
from countersign.pyjwt import verify

from .conftest import ROOT, Server, claims_of, eventually

create_app = runpy.run_path(str(ROOT / "examples/flask/app.py"))["create_app"]


class Program:
    """The example with a follower of its own."""

    def __init__(self, url, **options):
        self.follower = Follower(url, **options)
        self.client = create_app(self.follower).test_client()

    def get(self, path, token):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.get(path, headers=headers)

    def status(self, path, token):
        return self.get(path, token).status_code

    def __enter__(self):
        assert self.follower.start().ready(timeout=10)
        return self

    def __exit__(self, *_):
        self.follower.close()


@pytest.fixture(scope="module")
def program(server):
    with Program(server.url) as program:
        yield program


@pytest.fixture(scope="module")
def ada(server):
    return server.user("ada", "admin")["access_token"]


def forged(token, header=None, **claims):
    """The token with another header or other claims under the signature that it had."""
    head, payload, signature = token.split(".")
    if header:
        head = b64(header)
    if claims:
        payload = b64({**claims_of(token), **claims})
    return f"{head}.{payload}.{signature}"


def b64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_whatever_is_no_good_token_is_401_and_never_422(server, program, ada):
    kid = next(iter(program.follower.signing_keys()))
    good = {"alg": "ES256", "kid": kid, "typ": "at+jwt"}
    changed = "A" if ada[-20] != "A" else "B"
    refresh = server.post("/login", {"username": "ada", "password": "plum-harbour-41"})
    for name, token, message in [
        ("nothing", None, "Missing Authorization Header"),
        ("signature", ada[:-20] + changed + ada[-19:], "Signature verification failed"),
        ("claims", forged(ada, roles=["admin"], sub="1"), "Signature verification failed"),
        ("none", forged(ada, {**good, "alg": "none"}), "Signature verification failed"),
        ("secret", forged(ada, {**good, "alg": "HS256"}), "Signature verification failed"),
        ("other", forged(ada, {**good, "alg": "RS256"}), "Signature verification failed"),
        ("kid", forged(ada, {**good, "kid": "nobody"}), "Signature verification failed"),
        ("no kid", forged(ada, {"alg": "ES256", "typ": "at+jwt"}), "Signature verification"),
        ("typ", forged(ada, {**good, "typ": "JWT"}), "Only access tokens are allowed"),
        ("jku", forged(ada, {**good, "jku": "http://a"}), "Signature verification failed"),
        ("long", forged(ada, exp=claims_of(ada)["exp"] + 1), "Token has expired"),
        ("no times", forged(ada, exp=None), "Token is malformed"),
        ("refresh", refresh["refresh_token"], "segments"),
        ("noise", "a.b.c", ""),
    ]:
        answer = program.get("/profile", token)
        assert answer.status_code == 401, (name, answer.json)
        assert message in answer.json["msg"], (name, answer.json)
    assert program.get("/profile", "a.b.c").headers["WWW-Authenticate"].startswith("Bearer")


def test_a_logout_is_honoured_within_a_hundred_milliseconds(server, program, capsys):
    name, took = "bob", []
    server.user(name)
    for _ in range(10):
        login = server.post("/login", {"username": name, "password": "plum-harbour-41"})
        token = login["access_token"]
        answer = program.get("/profile", token)
        assert (answer.status_code, answer.json["username"]) == (200, name)
        server.post("/logout", token=token)
        took.append(eventually(lambda: program.status("/profile", token) == 401))  # noqa: B023
        assert program.get("/profile", token).json == {"msg": "Token has been revoked"}
    with capsys.disabled():
        print(
            f"\nlogout answered to Flask refusing, {len(took)} times: "
            f"median {statistics.median(took) * 1e3:.1f} ms, longest {max(took) * 1e3:.1f} ms"
        )
    assert max(took) < 0.1


def test_a_role_lets_in_and_a_new_one_asks_for_a_refresh(server, program, ada):
    assert program.get("/reports", ada).json == {"reports": ["the secret one"]}
    login = server.user("carol")
    token = login["access_token"]
    assert (program.status("/reports", token), program.status("/reports", None)) == (403, 401)
    server.cli("user", "roles", "carol", "--add", "admin")
    eventually(lambda: program.status("/profile", token) == 401)
    answer = program.get("/profile", token)
    assert answer.json == {"msg": "Token has been superseded, refresh it"}
    refreshed = server.post("/refresh", {"refresh_token": login["refresh_token"]})
    assert program.status("/reports", refreshed["access_token"]) == 200


def test_logging_out_everywhere_ends_every_token_of_the_user_and_no_other(server, program, ada):
    logins = [server.user("dora")]
    logins.append(server.post("/login", {"username": "dora", "password": "plum-harbour-41"}))
    tokens = [login["access_token"] for login in logins]
    assert [program.status("/profile", token) for token in tokens] == [200, 200]
    server.post("/logout", {"all": True}, token=tokens[0])
    eventually(lambda: [program.status("/profile", token) for token in tokens] == [401, 401])
    assert program.status("/profile", ada) == 200


def test_pyjwt_alone_says_the_same(server, program):
    token = server.user("erin")["access_token"]
    follower = program.follower
    assert verify(follower, token)["username"] == "erin"
    for bad, code in [
        (forged(token, roles=["admin"]), "token_signature_invalid"),
        (forged(token, {"alg": "ES256", "typ": "JWT"}), "token_wrong_type"),
        ("a.b", "token_malformed"),
        ("", "token_malformed"),
    ]:
        with pytest.raises(Refused) as refused:
            verify(follower, bad)
        assert refused.value.code == code
    server.post("/logout", token=token)
    eventually(lambda: follower.is_revoked(claims_of(token)) == "revoked")
    with pytest.raises(Refused, match="revoked"):
        verify(follower, token)


def test_a_logout_waits_for_those_who_follow(server, program):
    token = server.user("frank")["access_token"]
    answer = server.post("/logout", token=token, Prefer="wait=5")
    assert answer["propagated"] is True
    assert program.status("/profile", token) == 401


def test_a_child_of_a_fork_follows_by_itself(server):
    script = """if True:
        import os, sys
        from countersign import Follower, Stale
        with Follower(sys.argv[1]) as follower:
            assert follower.ready(timeout=10)
            parent = follower._query
            child = os.fork()
            if not child:
                assert follower._query != parent and follower.ready(timeout=10)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0 and follower.ready()
    """
    command = [sys.executable, "-W", "ignore", "-c", script, server.url]
    assert subprocess.run(command, timeout=30).returncode == 0


def test_a_revoked_key_and_a_server_that_is_gone(tmp_path):
    server = Server(tmp_path)
    try:
        with Program(server.url, policy="strict") as program:
            login = server.user("gina")
            token = login["access_token"]
            assert program.status("/profile", token) == 200
            kid = next(iter(program.follower.signing_keys()))
            server.cli("key", "revoke", kid)
            eventually(lambda: program.status("/profile", token) == 401)
            assert program.get("/profile", token).json == {"msg": "Signature verification failed"}
            assert kid not in program.follower.signing_keys()
            # Another key signs at once.
            login = server.post("/refresh", {"refresh_token": login["refresh_token"]})
            token = login["access_token"]
            assert program.status("/profile", token) == 200

            server.stop()
            stopped = time.monotonic()
            assert program.status("/profile", token) == 200
            eventually(lambda: program.status("/profile", token) != 200)
            assert 1.5 < time.monotonic() - stopped < 3.1
            answer = program.get("/profile", token)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            # A token that could be under newer keys is not refused for good either.
            with pytest.raises(Stale):
                program.follower.signing_key("newer")

            server.start(listen=server.address)
            eventually(lambda: program.status("/profile", token) == 200)
    finally:
        server.stop()


def test_a_shared_secret_is_enough(tmp_path):
    secret = "correct-gravel-lantern-9173-umbrella"
    server = Server(tmp_path, JWT_SECRET_KEY=secret)
    try:
        with Program(server.url, secret=secret) as program:
            token = server.user("hana")["access_token"]
            assert program.status("/profile", token) == 200
            server.post("/logout", token=token)
            eventually(lambda: program.status("/profile", token) == 401)
        with Program(server.url) as program:
            assert program.status("/profile", token) == 401
    finally:
        server.stop()


def test_a_service_shows_its_credentials_where_they_are_asked_for(tmp_path):
    (tmp_path / "countersign.toml").write_text('[revocation]\nrequire_auth = "always"\n')
    server = Server(tmp_path)
    try:
        told = json.loads(server.cli("client", "add", "reports", "--kind", "service", "--json"))
        with Follower(server.url) as stranger:
            with Program(server.url, credentials=(told["id"], told["secret"])) as program:
                token = server.user("ivan")["access_token"]
                assert program.status("/profile", token) == 200
            assert not stranger.ready()
    finally:
        server.stop()
