"""Voicemail by telephone: messages are left, and boxes listened to, by real clients."""

from __future__ import annotations

import sqlite3

import sound
from clients import Event, Sipp
from service import Service, eventually
from stage import DOMAIN, HOSTS, NUMBER, PASSWORDS, SERVER, Stage, heard, talk_for
from web import LISTEN, Web

OUTSIDE = "+442079460000"
BOXES = f"""
[[company]]
key = "acme"
[company.settings.voicemail]
max_silence_s = 2
[[voicemail]]
number = "202"
name = "Bob"
owner = "user:202"
password = "4711"
review = false
[[voicemail]]
number = "8000"
name = "Everybody"
access = "global"
password = "2580"
review = false
[[flow]]
name = "box"
[[flow.step]]
name = "leave"
do = "voicemail"
box = "8000"
[[number]]
number = "{NUMBER}"
route = "flow:box"
"""


def lay(service: Service) -> None:
    path = service.folder / "boxes.toml"
    path.write_text(BOXES)
    service.run("apply", str(path))


def messages(service: Service) -> list[dict]:
    """Rows of the messages that are there, the oldest first."""
    database = next(service.folder.rglob("telegraphone.db"))
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM messages ORDER BY left_at")]


def audio(service: Service, message: dict) -> sound.Wav:
    return sound.read(next(path for path in service.files((".wav",)) if str(path).endswith(message["path"])))


def one(service: Service, seconds: float = 20) -> dict:
    return eventually(lambda: messages(service), seconds, "no message was left")[0]


def message_is_left_and_its_owner_listens(s: Stage) -> None:
    service = s.service()
    lay(service)
    # Bob has no device: the call goes to his box. Alice knows the greeting.
    alice = s.baresip("201", microphone=s.low)
    alice.dial(f"sip:202@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 8)
    alice.digits("#")
    talk_for(6)
    alice.hangup()
    message = one(service)
    wav = audio(service, message)
    assert len(wav.channels) == 1 and 3 < wav.seconds < 7, wav.seconds
    sound.only(wav.track(), "4")
    assert message["caller_address"] == "201", message
    assert not service.recordings(), "no recording of the call is made besides"
    bob = s.baresip("202")
    bob.dial(f"sip:*98@{DOMAIN}")
    bob.wait_for(Event.ESTABLISHED, 8)
    bob.digits("4711#1")
    talk_for(24)
    bob.hangup()
    bob.quit()
    assert heard(bob).count("4") >= sound.windows(3), sound.short(heard(bob))
    outcomes = {call["outcome"] for call in calls(service)}
    assert outcomes == {"voicemail", "completed"}, outcomes


def calls(service: Service) -> list[dict]:
    database = next(service.folder.rglob("telegraphone.db"))
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT outcome FROM calls WHERE ended IS NOT NULL")]


def caller_from_outside_ends_a_message_by_silence(s: Stage) -> None:
    service = s.service()
    lay(service)
    carrier = s.carrier(OUTSIDE, microphone=s.low)
    carrier.dial(f"sip:{NUMBER}@{SERVER}")
    carrier.wait_for(Event.ESTABLISHED, 8)
    carrier.digits("#")
    talk_for(5)
    carrier.digits("#")
    carrier.wait_for(Event.CLOSED, 20)  # it was sent, and goodbye was said
    message = one(service)
    wav = audio(service, message)
    track = wav.track()
    sound.only(track, "4")
    assert message["caller_address"] == OUTSIDE and message["number_id"], message


def wrong_passwords_end_the_call(s: Stage) -> None:
    service = s.service()
    lay(service)
    alice = s.baresip("201")
    alice.dial(f"sip:*99202@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 8)
    alice.digits("1111#2222#3333#")
    alice.wait_for(Event.CLOSED, 20)
    assert "too many wrong passwords at a voicemail box" in service.log()
    for typed in ("1111", "2222", "3333"):
        assert f"{typed}#" not in service.log()


def sipp_leaves_a_message_that_silence_ends(s: Stage) -> None:
    service = s.service()
    lay(service)
    # It speaks through the greeting, and is silent after twenty seconds.
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, 20)
    alice = s.sipp(
        "user-call", "201", HOSTS["201"], f"{SERVER}:5060",
        keys={"callee": "202", "domain": DOMAIN, "more": "Supported: replaces", "speech_pcap": str(speech)},
        options=("-auth_uri", f"202@{DOMAIN}"),
    )  # fmt: skip
    alice.run(60)  # it ends with the BYE of the service
    wav = audio(service, one(service))
    assert len(wav.channels) == 1 and 2 < wav.seconds < 20, wav.seconds
    sound.only(wav.track(), "4")


# The number of the company leads to the box, so that no phone rings for a message.
BOB = BOXES.replace('box = "8000"', 'box = "202"')


def with_lamps(s: Stage) -> tuple[Service, Web]:
    """Bob's box with a short greeting, where a call to the company's number gets to; and Bob on the API."""
    service = s.service(start=False)
    service.config.write_text(service.config.read_text() + LISTEN)
    s.stack.enter_context(service)
    path = service.folder / "boxes.toml"
    path.write_text(BOB)
    service.run("apply", str(path))
    bob = Web(s.lan.hub, "acme", "202", PASSWORDS["202"])
    greeting = sound.write_tone(s.folder / "greeting.wav", sound.THIRD_HZ, 1)
    bob.ask("PUT", "/voicemails/202/greetings/unavailable", greeting.read_bytes())
    return service, bob


def bobs_phone(s: Stage, scenario: str, **options) -> Sipp:
    """It hears beside its own calls what it did not ask for."""
    return s.sipp(scenario, "202", HOSTS["202"], f"{SERVER}:5060", outside="lamp-told", **options)


def leave_for_bob(s: Stage, service: Service, seconds: float = 6) -> dict:
    """Alice speaks, from the greeting on, into Bob's box until silence ends her message."""
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, seconds)
    alice = s.sipp(
        "user-call", "201", HOSTS["201"], f"{SERVER}:5060",
        keys={"callee": NUMBER, "domain": DOMAIN, "more": "Supported: replaces", "speech_pcap": str(speech)},
        options=("-auth_uri", f"{NUMBER}@{DOMAIN}"),
    )  # fmt: skip
    alice.run(40)
    return one(service)


def shows(phone: Sipp, lines: list[str], word: str = "told", seconds: float = 20) -> None:
    """Until the phone has been told these, and nothing else; `word` is how it got to know."""

    def told() -> list[str]:
        return [line for line in phone.logged() if line.startswith(word)]

    try:
        eventually(lambda: len(told()) >= len(lines), seconds, f"it was not told {lines[-1]}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {told()}\n{phone.story()}") from None
    assert told() == lines, f"{told()} instead of {lines}\n{phone.story()}"


def lamp_of_a_phone_that_asked(s: Stage) -> None:
    """It is told of a message that comes, is heard and is deleted, in its subscription and not beside it."""
    service, bob = with_lamps(s)
    bobs_phone(s, "lamp-device", keys={"stays_ms": "0"}).run(15)
    phone = bobs_phone(s, "lamp-subscriber", options=("-auth_uri", f"202@{DOMAIN}"))
    shows(phone, ["active no 0/0"], "active")
    message = leave_for_bob(s, service)["id"]
    shows(phone, ["active no 0/0", "active yes 1/0"], "active")
    bob.ask("PATCH", f"/messages/{message}", {"folder": "old"})
    shows(phone, ["active no 0/0", "active yes 1/0", "active no 0/1"], "active")
    bob.ask("DELETE", f"/messages/{message}")
    phone.run(20)
    told = ["active no 0/0", "active yes 1/0", "active no 0/1", "active no 0/0", "terminated no 0/0"]
    beside = [line for line in phone.logged() if line not in told]
    assert phone.logged()[-1] == told[-1] and set(beside) <= {"told no 0/0"}, phone.logged()


def lamp_of_a_phone_that_did_not_ask(s: Stage) -> None:
    """It is told as well; after a restart it is told what is so then."""
    service, bob = with_lamps(s)
    phone = bobs_phone(s, "lamp-device", keys={"stays_ms": "80000"})
    told = ["told no 0/0"]
    shows(phone, told)
    message = leave_for_bob(s, service)["id"]
    told += ["told yes 1/0"]
    shows(phone, told)
    bob.ask("PATCH", f"/messages/{message}", {"folder": "old"})
    told += ["told no 0/1"]
    shows(phone, told)
    assert service.terminate(10) == 0
    service.run("message", "delete", message)
    service.restart()
    told += ["told no 0/0"]
    shows(phone, told)


SCENARIOS = [
    message_is_left_and_its_owner_listens,
    caller_from_outside_ends_a_message_by_silence,
    wrong_passwords_end_the_call,
    sipp_leaves_a_message_that_silence_ends,
    lamp_of_a_phone_that_asked,
    lamp_of_a_phone_that_did_not_ask,
]
