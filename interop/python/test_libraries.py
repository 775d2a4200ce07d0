"""PyJWT, Authlib's joserfc and flask-jwt-extended check our tokens, by public key and by secret."""

import base64
import datetime
import json

import flask
import flask_jwt_extended
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet, OctKey

SECRET = "9f2c-shared-by-old-services-4471-b0e8-tests-only"


def pyjwt(server, token, algorithm, secret):
    key = secret or jwt.PyJWKClient(f"{server.url}/.well-known/jwks.json").get_signing_key_from_jwt(token).key
    return jwt.decode(token, key, algorithms=[algorithm], audience="countersign", issuer=server.url)


def joserfc(server, token, algorithm, secret):
    key = OctKey.import_key(secret) if secret else KeySet.import_key_set(server.jwks())
    decoded = joserfc_jwt.decode(token, key, algorithms=[algorithm])
    wanted = {"essential": True}
    joserfc_jwt.JWTClaimsRegistry(
        iss={**wanted, "value": server.url}, aud={**wanted, "value": "countersign"}, exp=wanted
    ).validate(decoded.claims)
    return decoded.claims


def flask_jwt(server, token, algorithm, secret):
    app = flask.Flask(__name__)
    app.config.update(
        JWT_ALGORITHM=algorithm,
        JWT_SECRET_KEY=secret,
        JWT_DECODE_AUDIENCE="countersign",
        JWT_DECODE_ISSUER=server.url,
    )
    if not secret:
        kid = jwt.get_unverified_header(token)["kid"]
        keys = jwt.PyJWKSet.from_dict(server.jwks())
        app.config["JWT_PUBLIC_KEY"] = keys[kid].key
    flask_jwt_extended.JWTManager(app)
    with app.app_context():
        return flask_jwt_extended.decode_token(token)


LIBRARIES = [pyjwt, joserfc, flask_jwt]


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forgeries(token):
    """The same token with other claims, without a signature, with another's, with one bit more."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    yield ".".join([head, part({**claims, "roles": ["root"]}), signature])
    yield ".".join([part({**header, "alg": "none"}), body, ""])
    yield ".".join([head, body, signature[4:] + signature[:4]])
    yield jwt.encode(claims, "another secret, which is long enough", "HS256", {"kid": header.get("kid"), "typ": "at+jwt"})


def refuses(check, *args):
    with pytest.raises(Exception) as refusal:
        check(*args)
    # The library's own refusal, not a mistake of this test.
    module = type(refusal.value).__module__
    assert module.split(".")[0] in {"jwt", "joserfc", "flask_jwt_extended"} or isinstance(refusal.value, KeyError), (
        refusal.value
    )


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256"])
def test_tokens_are_good_for_who_has_the_key_and_nothing_else_is(start, library, algorithm):
    shared = algorithm == "HS256"
    server = start(**({"JWT_SECRET_KEY": SECRET} if shared else {"COUNTERSIGN_TOKEN__ALGORITHM": algorithm}))
    secret = SECRET if shared else None
    token = server.token()
    for forged in forgeries(token):
        refuses(library, server, forged, algorithm, secret)
    claims = library(server, token, algorithm, secret)
    assert (claims["username"], claims["type"], claims["fresh"]) == ("ada", "access", True)
    if shared:
        refuses(library, server, token, algorithm, SECRET[::-1])
        assert server.jwks() == {"keys": []}
        return
    server.cli("key", "revoke", server.kid)
    refuses(library, server, token, algorithm, None)
    assert library(server, server.token(), algorithm, None)["sub"] == claims["sub"]


@pytest.mark.parametrize("identity", ["17", "bea", "bea@example.com"])
def test_tokens_of_a_flask_program_are_accepted_until_an_end(start, identity):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
    accept = "COUNTERSIGN_TOKEN__ACCEPT_HS256__"
    server = start(**{
        accept + "SECRET": SECRET,
        accept + "UNTIL": until.strftime("%Y-%m-%d"),
        accept + "SUBJECT": "id" if identity == "17" else "name",
    })  # fmt: skip
    app = flask.Flask(__name__)
    app.config["JWT_SECRET_KEY"] = SECRET
    flask_jwt_extended.JWTManager(app)
    with app.app_context():
        token = flask_jwt_extended.create_access_token(identity, fresh=True)
        refresh = flask_jwt_extended.create_refresh_token(identity)
        expired = flask_jwt_extended.create_access_token(identity, expires_delta=datetime.timedelta(seconds=-1))
        endless = flask_jwt_extended.create_access_token(identity, expires_delta=False)
    # Not before the account is here, and not for whoever only took its name.
    assert server.get("/protected", token)[0] == 401
    people = server.directory / "people.csv"
    people.write_text("id,username,email\n17,bea,bea@example.com\n")
    server.cli("import", str(people), "--without-password")
    for refused in [refresh, expired, endless]:
        assert server.get("/protected", refused)[0] == 401
    assert server.get("/protected", token) == (200, {"logged_in_as": "bea"})
    assert server.get("/profile", token)[1]["email"] == "bea@example.com"
    assert server.get("/sessions", token)[0] == 401
