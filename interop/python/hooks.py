"""What schemathesis sends with each request: a fresh administrator, or a service."""

import base64
import os

import requests
import schemathesis

URL, SERVICE, SECRET = (os.environ[name] for name in ("ISSUER", "SERVICE", "SECRET"))


@schemathesis.auth(refresh_interval=None).apply_to(path="/oauth2/introspect")
class Service:
    def get(self, case, context):
        return base64.b64encode(f"{SERVICE}:{SECRET}".encode()).decode()

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Basic {data}"}


# Anew for each request: the one before may have been a logout.
@schemathesis.auth(refresh_interval=None).skip_for(path="/oauth2/introspect").skip_for(path="/revocations")
class Administrator:
    def get(self, case, context):
        login = {"username": "ada", "password": "plum-harbour-41"}
        return requests.post(f"{URL}/login", json=login, timeout=10).json()["access_token"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
