"""The real server, in a directory and an environment of its own."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("COUNTERSIGN_BIN", str(ROOT / "target/debug/countersign"))
PASSWORD = "plum-harbour-41"
CHEAP = {
    "COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB": "8",
    "COUNTERSIGN_PASSWORD__ARGON2__ITERATIONS": "1",
}


class Server:
    def __init__(self, directory, **environment):
        self.directory = directory
        self.environment = {"HOME": str(directory), "PATH": os.defpath, **CHEAP, **environment}
        self.log = (directory / "log").open("w")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--json"],
            cwd=directory, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
        )  # fmt: skip
        started = json.loads(self.process.stdout.readline())
        self.url, self.kid = started["url"].rstrip("/"), started["kid"]
        self.cli("user", "add", "--username", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)

    def cli(self, *args, stdin=""):
        environment = {**self.environment, "COUNTERSIGN_SERVER__PUBLIC_URL": self.url}
        ran = subprocess.run(
            [PROGRAM, *args], cwd=self.directory, env=environment,
            input=stdin, text=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def token(self):
        body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/login", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["access_token"]

    def get(self, path, token):
        """Status and body, whatever the status is."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def jwks(self):
        with urllib.request.urlopen(f"{self.url}/.well-known/jwks.json", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.close()
        return code


@pytest.fixture
def start(tmp_path):
    running = []

    def start(**environment):
        running.append(Server(tmp_path, **environment))
        return running[-1]

    yield start
    for server in running:
        assert server.stop() == 0
