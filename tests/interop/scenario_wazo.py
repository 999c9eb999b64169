"""Wazo's own client, `@wazo/sdk` as npm has it, against the compatible API over HTTPS."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import sound
from scenario_voicemail import BOB, leave_for_bob, messages
from stage import DOMAIN, HOSTS, PASSWORDS, SERVER, Stage

PORT = 8443
# A folder like `node_modules`, with `@wazo/sdk` and `ws` in it.
MODULES = os.environ.get("TELEGRAPHONE_WAZO_SDK", "")


def wazo_client_reads_hears_and_deletes(s: Stage) -> None:
    """A message left by telephone, as a user of Wazo's client has it: new, heard, read, deleted."""
    service = secure(s)
    left = leave_for_bob(s, service, 20)

    assert sdk(s, "201", "who")["told"] == [{"name": "Alice", "box": None, "exten": "201"}]
    bob = sdk(s, "202", "who,list,hear,list,read,list,delete,list", left["id"])
    log_in = {"valid": True, "same": True, "tenant": True, "version": True, "ended": True, "over": False}
    assert bob["session"] == log_in, bob["session"]
    who, [message], heard, then, read, now, deleted, last = bob["told"]
    assert who == {"name": "Bob", "box": "Bob", "exten": "202"}, who
    assert message["id"] == left["id"] and message["unread"] is True, message
    assert message["caller"] == {"name": "Alice", "number": "201"}, message
    assert abs(message["left"] - left["left_at"] / 1e6) < 2, (message, left)
    assert then == [message], "listening marks nothing"
    assert read == {"moved": True} and [one["unread"] for one in now] == [False], now
    assert deleted == {"deleted": True} and last == [], last
    assert len(messages(service)) == 1, "thrown away for oneself"

    wav = s.folder / "heard.wav"
    wav.write_bytes(base64.b64decode(heard["sound"]))
    assert (heard["status"], heard["type"]) == (200, "audio/wav"), (heard["status"], heard["type"])
    assert wav.stat().st_size == left["bytes"], "all of it"
    sound.only(sound.read(wav).track(), "4")
    assert run(s, "202", "wrong-password", "who").returncode == 1, "not with a wrong password"


def wazo_client_hears_of_a_message_at_once(s: Stage) -> None:
    """Wazo's own WebSocket client subscribes, keeps its heartbeat, and is told of the message that is left."""
    service = secure(s)
    with command(s, "202", PASSWORDS["202"], "wait", subprocess.Popen, stdout=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout.readline() == "waiting\n"
            left = leave_for_bob(s, service, 20)
            [event] = json.loads(client.communicate(timeout=60)[0].splitlines()[-1])["told"]
        finally:
            client.kill()
    assert event["name"] == "user_voicemail_message_created", event
    assert event["data"]["message_id"] == left["id"], (event, left)
    assert event["data"]["message"]["folder"]["type"] == "new", event


def secure(s: Stage):
    """The service with HTTPS, and a box of Bob's."""
    service = s.service(start=False)
    s.certificate("web")
    lines = f'[http]\nlisten = ["{SERVER}:{PORT}"]\ntls = true\n'
    lines += f'[tls]\ncertificate = "{s.folder}/web.crt"\nkey = "{s.folder}/web.key"\n'
    service.config.write_text(service.config.read_text() + lines)
    s.stack.enter_context(service)
    boxes = service.folder / "boxes.toml"
    boxes.write_text(BOB)
    service.run("apply", str(boxes))
    return service


def sdk(s: Stage, user: str, steps: str, *message: str) -> dict:
    done = run(s, user, PASSWORDS[user], steps, *message)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run(s: Stage, user: str, password: str, steps: str, *message: str) -> subprocess.CompletedProcess:
    return command(s, user, password, steps, subprocess.run, *message, capture_output=True, text=True, timeout=60)


def command(s: Stage, user: str, password: str, steps: str, start, *message: str, **how):
    """In a host of its own, which trusts who signed the service's certificate."""
    argv = ["node", str(Path(__file__).resolve().parent / "wazo.js"), f"{SERVER}:{PORT}"]
    argv += [f"{user}@{DOMAIN}", password, steps, *message]
    trust = {"NODE_EXTRA_CA_CERTS": str(s.folder / "ca.crt"), "NODE_PATH": MODULES}
    place = s.host(HOSTS["203"])
    return start(place.command(argv), env={**os.environ, **trust}, **how)


SCENARIOS = [wazo_client_reads_hears_and_deletes, wazo_client_hears_of_a_message_at_once]
