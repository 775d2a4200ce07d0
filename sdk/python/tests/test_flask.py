"""flask-jwt-extended against a scripted issuer: clocks, and what the program may override."""

import jwt as pyjwt
import pytest
from countersign import Follower
from countersign.flask import use_countersign
from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, decode_token, jwt_required

from .conftest import NOW, answer

SECRET = "a shared secret of forty-odd characters.."


def token(headers=(("typ", "at+jwt"),), **claims):
    base = {
        "iss": "https://issuer.example", "sub": "42", "aud": "countersign", "rev": 100,
        "client_id": "countersign", "iat": NOW, "nbf": NOW, "exp": NOW + 900, "jti": "jti-1",
        "sid": "sid-1", "type": "access", "roles": [], "fresh": False, **claims,
    }  # fmt: skip
    return pyjwt.encode(base, SECRET, "HS256", headers=dict(headers))


@pytest.fixture
def app(feed):
    app = Flask(__name__)
    manager = JWTManager(app)
    follower = use_countersign(
        app, manager, Follower(feed.url, secret=SECRET, monotonic=lambda: feed.clock)
    )

    @app.get("/open")
    @jwt_required(optional=True)
    def either():
        return jsonify(ok=True)

    @app.get("/unasked")
    @jwt_required(skip_revocation_check=True)
    def unasked():
        return jsonify(ok=True)

    @app.get("/fresh")
    @jwt_required(fresh=True)
    def fresh():
        return jsonify(ok=True)

    feed.says(answer(200))
    app.follower, app.manager = follower, manager
    assert follower.ready(timeout=5)
    yield app
    follower.close()


def ask(app, path, token):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


# NOW lies years from this machine's wall clock in any case; an hour more changes nothing.
@pytest.mark.parametrize("path", ["/open", "/unasked"])
def test_no_route_asks_this_machines_clock_and_none_forgets_the_time(app, feed, path):
    for token_, status in [
        (token(), 200),
        (token(iat=NOW - 900, exp=NOW - 30), 401),
        (token(nbf=NOW + 31), 401),
        (token(exp=NOW + 901), 401),
        (token(exp=None), 401),
        (token(iss="https://other.example"), 401),
        (token(aud="other"), 401),
        (token(headers=()), 401),
    ]:
        assert ask(app, path, token_).status_code == status, pyjwt.decode(
            token_, options={"verify_signature": False}
        )


def test_the_programs_own_loaders_win(app):
    @app.manager.expired_token_loader
    def expired(header, claims):
        return jsonify(who=claims["sub"], typ=header["typ"]), 418

    expired_answer = ask(app, "/open", token(iat=NOW - 900, exp=NOW - 30))
    assert (expired_answer.status_code, expired_answer.json["who"]) == (418, "42")


def test_the_library_goes_on_doing_its_own_part(app):
    assert ask(app, "/fresh", token()).json == {"msg": "Fresh token required"}
    assert ask(app, "/fresh", token(fresh=True)).status_code == 200
    assert app.test_client().get("/open").status_code == 200
    with app.test_request_context():
        assert decode_token(token())["sub"] == "42"


def test_stale_is_503_also_where_login_is_optional(app, feed):
    app.follower.close()
    answer_ = ask(app, "/open", token())
    assert (answer_.status_code, answer_.headers["Retry-After"]) == (503, "1")
    assert app.test_client().get("/open").status_code == 200
