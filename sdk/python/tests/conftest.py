"""A scripted feed with a clock that is moved by hand, and the real server."""

import base64
import http.client
import json
import os
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("COUNTERSIGN_BIN", ROOT / "target/debug/countersign")
NOW = 1_795_220_000


class Feed:
    """Says what it was told to say: ``answers`` in turn, the last one for ever."""

    def __init__(self):
        self.clock = 1_000.0
        self.answers, self.asked, self.headers = [], [], []
        self.jwks = {"keys": []}
        self.jwks_asked = 0
        self.before_answer = lambda: None
        feed = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body, headers = feed.respond(self)
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A follower that hangs up on a bad answer is not worth a word.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def respond(self, request):
        parts = urlsplit(request.path)
        if parts.path == "/.well-known/jwks.json":
            self.jwks_asked += 1
            if self.jwks is None:
                return 500, {}, {}
            return 200, self.jwks, {}
        if parts.path == "/.well-known/oauth-authorization-server":
            return 200, {"issuer": "https://issuer.example"}, {}
        assert parts.path == "/revocations"
        self.asked.append({name: values[0] for name, values in parse_qs(parts.query).items()})
        self.headers.append(dict(request.headers))
        self.before_answer()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, tuple):
            return answer
        return 200, answer, {}

    def says(self, *answers):
        self.answers = list(answers)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def feed():
    feed = Feed()
    yield feed
    feed.close()


def answer(seq, *floors, **other):
    floors = [
        {"seq": at, "scope": scope, "subject": subject, "reason": reason, "exp": NOW + 960}
        for at, scope, subject, reason in floors
    ]
    base = {"seq": seq, "now": NOW, "life": 900, "keys": 1, "more": False, "floors": floors}
    return {**base, **other}


class Server:
    """The real program, in a directory and an environment of its own."""

    def __init__(self, directory, **environment):
        self.directory = directory
        self.environment = {"HOME": str(directory), "PATH": os.defpath, **environment}
        self.start()

    def start(self, listen="127.0.0.1:0"):
        command = [PROGRAM, "serve", "--listen", listen, "--data", "data"]
        self.process = subprocess.Popen(
            command, cwd=self.directory, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for line in self.process.stdout:
            if found := re.match(r"Running on (http://([0-9.]+:\d+))/", line):
                self.url, self.address = found.groups()
                return
        raise AssertionError(f"did not start: {self.process.wait()}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def cli(self, *args, stdin=""):
        ran = subprocess.run(
            [PROGRAM, "--data", "data", *args],
            cwd=self.directory, input=stdin, text=True, capture_output=True, timeout=60,
            env={**self.environment, "COUNTERSIGN_SERVER__LISTEN": self.address},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def post(self, path, body=None, token=None, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        headers["Content-Type"] = "application/json"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request("POST", path, json.dumps(body or {}), headers)
        response = connection.getresponse()
        read = json.loads(response.read())
        connection.close()
        assert response.status < 300, (path, response.status, read)
        return read

    def user(self, name, *roles):
        """A fresh account, and its first login."""
        flags = [flag for role in roles for flag in ("--role", role)]
        password = "plum-harbour-41"
        self.cli("user", "add", "--username", name, "--password-stdin", *flags, stdin=password)
        return self.post("/login", {"username": name, "password": password})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("issuer"))
    yield server
    server.stop()


def eventually(check, within=5.0):
    """Seconds until it holds."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < within, "it never came"
        time.sleep(0.0005)
    return time.monotonic() - began


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
