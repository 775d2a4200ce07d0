"""A plain flask-jwt-extended program on Countersign's logins."""

import os
from functools import wraps

from countersign import Follower
from countersign.flask import use_countersign
from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, get_jwt, get_jwt_identity, jwt_required


def create_app(follower):
    app = Flask(__name__)
    jwt = JWTManager(app)
    use_countersign(app, jwt, follower)

    @app.get("/profile")
    @jwt_required()
    def profile():
        return jsonify(id=get_jwt_identity(), username=get_jwt().get("username"))

    @app.get("/reports")
    @role_required("admin")
    def reports():
        return jsonify(reports=["the secret one"])

    return app


def role_required(role):
    def decorate(view):
        @wraps(view)
        @jwt_required()
        def guarded(*args, **kwargs):
            if role not in get_jwt().get("roles", []):
                return jsonify(msg=f"Only for {role}"), 403
            return view(*args, **kwargs)

        return guarded

    return decorate


if __name__ == "__main__":
    issuer = os.environ.get("COUNTERSIGN", "http://127.0.0.1:5000")
    create_app(Follower(issuer)).run(port=8000)
