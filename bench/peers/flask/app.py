"""A login and a protected route as the documentation of flask-jwt-extended shows them.

One account, in memory. The same Argon2id parameters as Countersign's defaults. No blocklist: a
logout would change nothing here before the token expires.
"""

import os
from datetime import timedelta

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError
from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = os.environ["BENCH_SECRET"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(minutes=15)
JWTManager(app)

hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)
accounts = {"holder0": hasher.hash(os.environ["BENCH_PASSWORD"])}


@app.post("/login")
def login():
    body = request.get_json()
    known = accounts.get(body.get("username"))
    try:
        if known is None or not hasher.verify(known, body.get("password")):
            return jsonify(message="Invalid credentials"), 401
    except VerifyMismatchError:
        return jsonify(message="Invalid credentials"), 401
    return jsonify(access_token=create_access_token(identity=body["username"]))


@app.get("/protected")
@jwt_required()
def protected():
    return jsonify(logged_in_as=get_jwt_identity())
