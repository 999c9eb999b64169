#!/usr/bin/env python3
"""The API by its own description: schemathesis asks every operation what its schema allows, and
what it does not, and holds each answer against the description.

    python3 tests/interop/api_fuzz.py --binary target/debug/telegraphone --schemathesis st

The service is a real one with a company, a neighbour, and calls of which some are recorded. An
admin of the company asks, then an operator.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from service import Service  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
COMPANY = """
[[company]]
key = "acme"
domains = ["acme.example", "127.0.0.1"]
realm = "acme.example"
default_number = "+15550100"
[company.settings]
record_inbound = true
record_outbound = true
record_internal = true
agent_pause = true
[[user]]
company = "acme"
extension = "201"
name = "Alice"
password = "alice-secret"
[[user]]
company = "acme"
extension = "202"
name = "Bob"
password = "bob-secret"
role = "supervisor"
[[user]]
company = "acme"
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
[[group]]
company = "acme"
name = "sales"
members = ["201", "202"]
[[number]]
company = "acme"
number = "+15550100"
route = "group:sales"
[[number]]
company = "acme"
number = "+15550101"
[[inbox]]
company = "acme"
name = "support"
numbers = ["+15550100"]
members = ["201"]
"""
NEIGHBOUR = """
[[company]]
key = "other"
domains = ["other.example"]
[[user]]
company = "other"
extension = "204"
name = "Eve"
password = "eve-secret"
role = "admin"
"""
# Answers of these run on: schemathesis would wait for their end.
STREAMS = ["/api/v1/events", "/api/v1/events/ws", "/api/v1/calls/live/levels", "/api/websocketd", "/api/websocketd/"]
# These would end the log-in that everything is asked with.
SUICIDE = "^(DELETE /api/v1/session|PUT /api/v1/me/password|POST /api/v1/me/provisioning|PUT /api/v1/staff/.*)$"
# A sound is no JSON: prompts and greetings have tests of their own.
SOUNDS = "^(PUT /api/v1/prompts/.*|(PUT|POST) /api/.*/greetings/[^/]*)$"
# Not asked of the answers: a body that a schema cannot describe whole (names that have to exist)
# may be refused although it fits, and an id that nobody has is a 404.
UNASKED = ["positive_data_acceptance", "negative_data_rejection", "unsupported_method", "ignored_auth",
           "use_after_free", "ensure_resource_availability"]


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def config(sip: int, http: int) -> str:
    return f"""
[sip]
listen = [{{ transport = "udp", address = "127.0.0.1:{sip}" }}]
[http]
listen = ["127.0.0.1:{http}"]
[log]
filter = "info"
"""


def post(url: str, body: dict, headers: dict[str, str]) -> tuple[dict, str]:
    """The answer and its cookie."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=20) as answer:
        cookie = (answer.headers["Set-Cookie"] or "").split(";")[0]
        return json.load(answer), cookie


def token(base: str, credentials: dict, scopes: list[str]) -> str:
    opened, cookie = post(f"{base}/session", credentials, {})
    headers = {"Cookie": cookie, "X-CSRF-Token": opened["csrf_token"]}
    made, _ = post(f"{base}/tokens", {"name": "fuzz", "scopes": scopes, "days": 1}, headers)
    return made["secret"]


def call(service: Service, sip: int) -> None:
    """A captured call, placed for real: a recording is there afterwards."""
    capture = ROOT / "fixtures" / "captures" / "plain-pcmu.pcap"
    out = service.folder / "placed"
    service.run("replay", str(capture), "--out", str(out), "--live", f"127.0.0.1:{sip}", check=False)
    service.finished(1, 20)


def fuzz(program: str, folder: Path, base: str, secret: str, examples: int, seed: int, more: list[str]) -> int:
    argv = [program, "run", f"{base}/openapi.json", "--header", f"Authorization: Bearer {secret}", *more,
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(seed),
            "--checks", "all", "--exclude-checks", ",".join(UNASKED), "--request-timeout", "20",
            "--exclude-name-regex", f"{SUICIDE}|{SOUNDS}", "--continue-on-failure", "--warnings", "off", "--no-color"]
    for path in STREAMS:
        argv += ["--exclude-path", path]
    # It keeps what it found where it runs.
    return subprocess.run(argv, check=False, cwd=folder).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--schemathesis", default="st", help="the program")
    parser.add_argument("--examples", type=int, default=25, help="of each operation")
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--keep", type=Path, help="folder that stays")
    arguments = parser.parse_args()
    program = str(Path(arguments.schemathesis).absolute()) if "/" in arguments.schemathesis else arguments.schemathesis
    sip, http = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    base = f"http://127.0.0.1:{http}/api/v1"
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.keep or Path(folder)
        with Service(arguments.binary, place, config(sip, http), COMPANY + NEIGHBOUR) as service:
            call(service, sip)
            service.run("staff", "add", "root", "--password", "root-secret")
            with urllib.request.urlopen(f"{base}/openapi.json", timeout=20) as answer:
                description = json.load(answer)
            scopes = description["components"]["schemas"]["NewToken"]["properties"]["scopes"]["items"]["enum"]
            admin = token(base, {"company": "acme", "user": "204", "password": "ada-secret"}, scopes)
            operator = token(base, {"user": "root", "password": "root-secret"}, scopes)
            worst = 0
            for who, secret, more in [
                ("an operator", operator, ["--header", "Telegraphone-Company: other"]),
                ("an admin", admin, []),
            ]:
                print(f"--- asked by {who}", flush=True)
                worst = max(worst, fuzz(program, place, base, secret, arguments.examples, arguments.seed, more))
            if not service.alive():
                print("the service has died:\n" + service.log_tail(), file=sys.stderr)
                return 1
            panics = [line for line in service.log().splitlines() if "panicked" in line]
            errors = [line for line in service.log().splitlines() if " ERROR " in line]
            print("\n".join((panics + errors)[:20]))
            return 1 if panics or errors else worst


if __name__ == "__main__":
    sys.exit(main())
