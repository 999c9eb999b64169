"""Kills, stops and full disks with calls up."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import sound
from clients import Event
from service import Service, eventually
from stage import DOMAIN, Stage, connect, hang_up, heard, talk_for

RATE = 8000


def restarted(service: Service) -> None:
    service.restart()


def killed_in_mid_call(s: Stage) -> None:
    """kill -9: at the next start the recording is there, but for the last second at most."""
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    up_at = connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()["record"]["id"]
    talk_for(4)
    lived = time.monotonic() - up_at
    service.kill()
    assert [p for p in service.files() if p.suffix == ".part"], "there was no unfinished file to repair"
    restarted(service)
    recording = service.finished(1)[0]
    assert recording["state"] == "recovered", recording["state"]
    length = recording["samples"] / RATE
    assert lived - 1 <= length <= lived + 0.3, f"{length} s of {lived} s were recovered"
    wav = sound.read(service.wav(recording))
    sound.only(wav.track(0), "4", at_least_s=2.5)
    sound.only(wav.track(1), "6", at_least_s=2.5)
    service.run("recording", "verify")
    record = service.call_record(call)
    assert record["ended"] and record["end_reason"] == {"reason": "crashed"}, record
    assert [e["kind"] for e in service.events()] == ["recording.finished"], service.events()
    assert not [p for p in service.files() if p.suffix == ".part"], "an unfinished file is left"
    # It is a service again. The phones do not know that their call is over.
    for phone in (alice, bob):
        phone.hangup()
    eventually(lambda: not service.calls(), 5, "a call is up")


def killed_and_called_at_once(s: Stage) -> None:
    """kill -9, and a call that comes before any phone has registered anew: it rings and is recorded.

    Who registered over TCP cannot be called before they register anew: the connection died with the service.
    """
    service = s.service()
    bob, alice, carol = s.baresip("202"), s.baresip("201"), s.baresip("203", transport="tcp")
    eventually(lambda: service.ask("status")["status"]["devices"] == 3, 5, "not all are registered")
    # What changed in the last second may be lost.
    eventually(lambda: service.stored_devices() == 2, 10, "the two phones over UDP are not stored")
    talk_for(1.5)  # baresip has more to do after it registered
    service.kill()
    restarted(service)
    before = [len(phone.events(Event.REGISTERED)) for phone in (alice, bob)]
    assert "restored=2" in service.log(), "not the two phones over UDP were restored"
    # baresip 1.0 does not notice that its connection has gone before its registration is due.
    alice.dial(f"sip:203@{DOMAIN}")
    closed = alice.wait_for(Event.CLOSED, 5)
    assert "480" in closed.text and not carol.events(Event.INCOMING), closed.text
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    assert [len(phone.events(Event.REGISTERED)) for phone in (alice, bob)] == before, "they registered anew"
    hang_up(alice, bob)
    assert service.finished(1)[0]["state"] == "complete"


def killed_while_paused(s: Stage) -> None:
    """The pause stands in the recovered file, and is flagged."""
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()["record"]["id"]
    talk_for(2)
    service.run("call", "pause", call)
    talk_for(2)
    service.kill()
    restarted(service)
    recording = service.finished(1)[0]
    assert recording["state"] == "recovered", recording["state"]
    wav = sound.read(service.wav(recording))
    for channel, tone in ((0, "4"), (1, "6")):
        track = wav.track(channel)
        assert track.rstrip("?.").count(tone) < sound.windows(2.6), f"the pause was recorded: {sound.short(track)}"
        sound.only(track, tone, share=0.8)
    assert service.call_record(call)["ended_paused"], "the pause at the end is not flagged"


def killed_after_a_start_by_command(s: Stage) -> None:
    """The command that began the recording is the reason that it exists: it survives the crash."""
    service = s.service(extra="record_internal = false")
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()["record"]["id"]
    service.run("call", "resume", call)
    talk_for(2)
    service.kill()
    restarted(service)
    recording = service.finished(1)[0]
    assert recording["state"] == "recovered", recording["state"]
    for changes in (recording["sidecar"]["changes"], service.call_record(call)["changes"]):
        assert [(c["how"], c["wanted"]) for c in changes] == [("cli", True)], changes


def stopped_with_a_call_up(s: Stage) -> None:
    """SIGTERM: the call gets its grace, then BYE; the recording is finished; exit 0."""
    service = s.service(grace_s=1)
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    status = service.terminate(10)
    assert status == 0, f"exit status {status}"
    alice.wait_for(Event.CLOSED, 5)
    bob.wait_for(Event.CLOSED, 5)
    assert not [p for p in service.files() if p.suffix == ".part"], "an unfinished file is left"
    restarted(service)
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["state"]
    assert recording["sidecar"]["end_reason"] == {"reason": "shutdown"}, recording["sidecar"]["end_reason"]
    length = recording["samples"] / RATE
    assert 2.5 < length < 5, f"{length} s"
    service.run("recording", "verify")


def no_new_call_while_stopping(s: Stage) -> None:
    service = s.service(grace_s=4)
    bob, alice, carol = s.baresip("202"), s.baresip("201"), s.baresip("203", microphone=s.low)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    service.process.terminate()
    eventually(lambda: "stopping" in service.log(), 5, "it does not stop")
    carol.dial(f"sip:202@{DOMAIN}")
    closed = carol.wait_for(Event.CLOSED, 5)
    assert "503" in closed.text, closed.text
    hang_up(alice, bob)
    # The last call is over: nothing is waited for any more.
    assert service.process.wait(3) == 0


def small_disk(s: Stage, service: Service, size: str) -> Path:
    """A file system of its own for the recordings."""
    folder = service.data / "recordings"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)
    s.stack.callback(lambda: subprocess.run(["umount", "-l", str(folder)], check=True))
    return folder


def fill(folder: Path) -> None:
    """Writes until there is no room."""
    with open(folder / "filler", "wb", buffering=0) as filler:
        for block in (1 << 16, 1 << 12, 1):
            try:
                while filler.write(bytes(block)) == block:
                    pass
            except OSError:
                continue


def full_disk_in_mid_call(s: Stage) -> None:
    """The call goes on; the recording is closed as it stands, and says so."""
    service = s.service(start=False)
    small_disk(s, service, "8m")
    s.stack.enter_context(service)
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()["record"]["id"]
    talk_for(2)
    reserve = service.data / "recordings" / "reserve"
    eventually(reserve.exists, 3, "nothing is kept back for a full disk")
    fill(service.data / "recordings")
    eventually(lambda: service.call()["recording_failed"], 8, "the full disk is not seen")
    talk_for(2)
    assert service.call()["record"]["id"] == call, "the call did not go on"
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    assert recording["state"] == "incomplete", f"{recording['state']}: {recording['problem']}"
    assert recording["problem"], "the recording does not say what went wrong"
    assert "ERROR" in service.log(), "no error was logged"
    assert [e["kind"] for e in service.events()] == ["recording.finished"], service.events()
    wav = sound.read(service.wav(recording))
    assert 1 < wav.seconds < 5, wav.seconds
    service.run("recording", "verify")
    alice.quit()
    bob.quit()
    assert heard(bob).count("4") > sound.windows(3), "the call suffered"


def no_room_at_the_start(s: Stage) -> None:
    """Below the refusal threshold no recording is begun; the call is connected, the failure visible."""
    service = s.service(start=False, refuse_mib=64, warn_mib=65)
    small_disk(s, service, "8m")
    s.stack.enter_context(service)
    eventually(lambda: service.ask("status")["status"]["no_recording"], 5, "the low disk is not seen")
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    assert recording["state"] == "failed" and recording["problem"], recording
    assert [e["kind"] for e in service.events()] == ["recording.failed"], service.events()


def no_room_and_refuse(s: Stage) -> None:
    """`on_recording_failure = "refuse"`: a call that cannot be recorded is not connected."""
    service = s.service(start=False, refuse_mib=64, warn_mib=65, extra='on_recording_failure = "refuse"')
    small_disk(s, service, "8m")
    s.stack.enter_context(service)
    eventually(lambda: service.ask("status")["status"]["no_recording"], 5, "the low disk is not seen")
    bob, alice = s.baresip("202"), s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    closed = alice.wait_for(Event.CLOSED, 5)
    assert "503" in closed.text, closed.text
    assert not bob.events(Event.INCOMING), "the callee was rung"


SCENARIOS = [
    killed_in_mid_call, killed_and_called_at_once, killed_while_paused, killed_after_a_start_by_command,
    stopped_with_a_call_up, no_new_call_while_stopping,
    full_disk_in_mid_call, no_room_at_the_start, no_room_and_refuse,
]  # fmt: skip
