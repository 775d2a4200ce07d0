"""Every answer is one that `/openapi.json` describes, whatever is asked, and none is a 5xx."""

import os
import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)


def test_schemathesis_finds_no_answer_that_the_document_does_not_describe(start):
    server = start(COUNTERSIGN_LIMITS__LOGIN_FAILURES="1000000")
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(Path(__file__).parent),
        "ISSUER": server.url,
        "SERVICE": "shop",
        "SECRET": server.cli("client", "add", "shop", "--kind", "service", "--quiet"),
    }
    # The seed is fixed, so that what is found today is found tomorrow.
    arguments = f"run {server.url}/openapi.json --seed 1 --max-examples 10 --workers 1 --no-color --checks {CHECKS}"
    ran = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *arguments.split(), "--phases", "examples,coverage,fuzzing"],
        cwd=server.directory, env=environment, text=True, capture_output=True, timeout=900,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
    # It got past the credentials, or it has tested nothing.
    for operation in ("GET /admin/users", "PATCH /profile", "POST /oauth2/introspect"):
        assert f"- {operation}\n" not in ran.stdout.split("401 Unauthorized")[-1].split("Missing test data")[0]
