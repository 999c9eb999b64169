"""Transfers by real phones, checked by who is heard on which channel before and after."""

from __future__ import annotations

import re

import sound
from clients import Client, Event, Sipp
from scenario_flows import lay
from service import Service, eventually
from stage import CARRIER, DOMAIN, HOSTS, NUMBER, SERVER, Stage, connect, talk_for

RATE = 8000
OUTSIDE = "+442079460000"


def joined(service: Service, name: str) -> None:
    """The service says that this party is on the call."""
    def there() -> bool:
        calls = service.calls()
        return any(j["party"]["name"] == name for c in calls for j in c["record"]["joined"])

    eventually(there, 15, f"{name} did not come into the call")


def check_channels(wav: sound.Wav, at_s: float, before: tuple[str, str], after: tuple[str, str]) -> None:
    """Both channels hold the tones that they should, until the transfer and from it on."""
    for channel in (0, 1):
        track = wav.track(channel)
        first, then = track[: sound.windows(at_s - 0.1)], track[sound.windows(at_s + 0.5) :]
        for stretch, wanted in ((first, before[channel]), (then, after[channel])):
            foreign = {"4", "6", "8"} - {wanted}
            strange = [tone for tone in foreign if tone in stretch]
            assert not strange, f"channel {channel} holds {strange}: {sound.short(track)}"
            assert stretch.count(wanted) > sound.windows(0.8), f"channel {channel} lacks {wanted}: {sound.short(track)}"


def check_transfer(service: Service, call_recordings: int, before: tuple, after: tuple, name: str) -> dict:
    """One file over the whole call, with a marker of the new party."""
    recordings = service.finished(call_recordings)
    [recording] = [r for r in recordings if any(m["kind"] == "transfer" for m in r["sidecar"]["markers"])
                   and len(r["sidecar"]["parties"]) > 2]
    assert recording["state"] == "complete", recording["problem"]
    [marker] = [m for m in recording["sidecar"]["markers"] if m["kind"] == "transfer"]
    assert marker["name"].startswith(name), marker
    assert recording["sidecar"]["parties"][-1]["party"]["name"] == name, recording["sidecar"]["parties"]
    check_channels(sound.read(service.wav(recording)), marker["at"] / RATE, before, after)
    service.run("recording", "verify")
    return recording


def end(service: Service, first: Client, other: Client) -> None:
    first.hangup()
    other.wait_for(Event.CLOSED, 6)
    eventually(lambda: not service.calls(), 5, "a call is left")


def blind_baresip(s: Stage) -> None:
    """Bob sends Alice on to Carol: 202 and 203 are on the right channel, one after the other."""
    service = s.service()
    carol, bob, alice = s.baresip("203", microphone=s.third), s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    bob.transfer(f"sip:203@{DOMAIN}")
    carol.wait_for(Event.INCOMING, 10)
    carol.answer()
    joined(service, "Carol")
    bob.wait_for(Event.CLOSED, 6)
    talk_for(2.5)
    end(service, alice, carol)
    recording = check_transfer(service, 1, ("4", "6"), ("4", "8"), "Carol")
    [_, second, third] = recording["sidecar"]["parties"]
    assert second["left_ms"] == third["joined_ms"], recording["sidecar"]["parties"]
    carol.quit()
    sound.only(sound.read(carol.heard()[-1]).track(), "4")


def blind_linphone(s: Stage) -> None:
    """linphone holds before it transfers: the held time stands in the file."""
    service = s.service()
    carol, bob, alice = s.baresip("203", microphone=s.third), s.linphone("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    bob.transfer(f"sip:203@{DOMAIN}")
    carol.wait_for(Event.INCOMING, 10)
    carol.answer()
    joined(service, "Carol")
    talk_for(2.5)
    end(service, alice, carol)
    check_transfer(service, 1, ("4", "6"), ("4", "8"), "Carol")


def attended_linphone(s: Stage) -> None:
    """Bob calls Carol and joins her with Alice: two files, each with its own true length."""
    service = s.service()
    carol, bob, alice = s.baresip("203", microphone=s.third), s.linphone("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    bob.hold()
    talk_for(1)
    bob.dial(f"sip:203@{DOMAIN}")
    carol.wait_for(Event.INCOMING, 10)
    carol.answer()
    carol.wait_for(Event.ESTABLISHED, 8)
    talk_for(2)
    bob.transfer_to_call(1, 2)
    joined(service, "Carol")
    talk_for(2.5)
    end(service, alice, carol)
    check_transfer(service, 2, ("4", "6"), ("4", "8"), "Carol")
    [consulted] = [r for r in service.finished(2) if len(r["sidecar"]["parties"]) == 2]
    [marker] = [m for m in consulted["sidecar"]["markers"] if m["kind"] == "transfer"]
    assert marker["name"].startswith("Alice"), marker
    assert consulted["sidecar"]["end_reason"]["reason"] == "transferred", consulted["sidecar"]["end_reason"]
    assert abs(marker["at"] - consulted["samples"]) < RATE // 10, "the marker stands at its end"
    wav = sound.read(service.wav(consulted))
    sound.only(wav.track(0), "6")
    sound.only(wav.track(1), "8")


def blind_to_the_outside(s: Stage) -> None:
    """An internal call that goes outside is an outbound one from there on."""
    service = s.service()
    carrier, bob, alice = s.carrier(OUTSIDE, microphone=s.third), s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    bob.transfer(f"sip:{OUTSIDE}@{DOMAIN}")
    carrier.wait_for(Event.INCOMING, 10)
    carrier.answer()
    carrier.wait_for(Event.ESTABLISHED, 8)
    talk_for(2.5)
    end(service, alice, carrier)
    [recording] = service.finished(1)
    assert recording["sidecar"]["direction"] == "outbound", recording["sidecar"]["direction"]
    [marker] = [m for m in recording["sidecar"]["markers"] if m["kind"] == "transfer"]
    check_channels(sound.read(service.wav(recording)), marker["at"] / RATE, ("4", "6"), ("4", "8"))


# The number announces, and then rings Carol.
FLOW = f"""
[[company]]
key = "acme"
[[group]]
name = "sales"
members = ["203"]
[[flow]]
name = "main"
[[flow.step]]
name = "say"
do = "announce"
prompt = "recorded"
next = "ring"
[[flow.step]]
name = "ring"
do = "ring"
target = "group:sales"
seconds = 20
[[number]]
number = "{NUMBER}"
route = "flow:main"
"""


def blind_into_a_flow(s: Stage) -> None:
    """Bob sends Alice into a call flow: it lets him go, speaks to her, and brings Carol."""
    service = s.service()
    lay(service, FLOW)
    carol, bob, alice = s.baresip("203", microphone=s.third), s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    bob.transfer(f"sip:{NUMBER}@{DOMAIN}")
    bob.wait_for(Event.CLOSED, 8)
    carol.wait_for(Event.INCOMING, 12)
    carol.answer()
    joined(service, "Carol")
    talk_for(2.5)
    end(service, alice, carol)
    check_transfer(service, 1, ("4", "6"), ("4", "8"), "Carol")
    carol.quit()
    sound.only(sound.read(carol.heard()[-1]).track(), "4")


def blind_refused(s: Stage) -> None:
    """Carol is busy: Bob is told so. baresip hangs up by itself when its transfer fails."""
    service = s.service()
    carol, bob, alice = s.baresip("203", microphone=s.third), s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    bob.transfer(f"sip:203@{DOMAIN}")
    carol.wait_for(Event.INCOMING, 10)
    carol.hangup()
    bob.wait_for_line("transfer failed: 486 Busy Here", 10)
    alice.wait_for(Event.CLOSED, 10)
    eventually(lambda: not service.calls(), 5, "a call is left")
    [recording] = service.finished(1)
    sidecar = recording["sidecar"]
    assert sidecar["end_reason"]["reason"] == "callee_hung_up" and len(sidecar["parties"]) == 2, sidecar
    wav = sound.read(service.wav(recording))
    sound.only(wav.track(0), "4")
    sound.only(wav.track(1), "6")


def refer_from_a_trunk(s: Stage) -> None:
    """The outside party may transfer within the company where the setting says so."""
    service = s.service(extra="transfer_from_outside = true")
    carol, alice = s.baresip("203", microphone=s.third, answer="auto"), s.baresip("201", answer="auto")
    carrier = s.sipp(
        "refer", OUTSIDE, CARRIER, f"{SERVER}:5060",
        keys={"callee": NUMBER, "domain": SERVER, "to": f"sip:203@{SERVER}"},
    )  # fmt: skip
    carrier.run(12)
    joined(service, "Carol")
    talk_for(2)
    end(service, alice, carol)
    [recording] = service.finished(1)
    wav = sound.read(service.wav(recording))
    assert "8" in wav.track(0) and "4" in wav.track(1), [sound.short(wav.track(c)) for c in (0, 1)]


def dialog_as_we_have_it(phone: Sipp) -> str:
    """The value of Replaces for the answered call of a sipp that called."""
    messages = phone.folder / "messages.log"

    def answer() -> str:
        text = messages.read_text(errors="replace").replace("\r", "") if messages.exists() else ""
        found = re.search(r"^SIP/2\.0 200 .*?\n\n", text, re.MULTILINE | re.DOTALL)
        return found.group(0) if found else ""

    eventually(lambda: bool(answer()), 8, "the call was not answered")
    said = {name: re.search(rf"^{name}: (.*)$", answer(), re.MULTILINE).group(1) for name in ("From", "To", "Call-ID")}
    tag = {name: said[name].split(";tag=")[1].split(";")[0] for name in ("From", "To")}
    return f"{said['Call-ID']};to-tag={tag['To']};from-tag={tag['From']}"


def replaces_moves_a_call_to_another_phone(s: Stage) -> None:
    """Alice's second phone takes the call of her first one: INVITE with Replaces."""
    service = s.service()
    bob = s.baresip("202")

    def phone(address: str, hz: int, more: str) -> Sipp:
        speech = sound.write_rtp_pcap(s.folder / f"{hz}.pcap", hz, 12)
        return s.sipp(
            "user-call", "201", address, f"{SERVER}:5060", options=("-auth_uri", f"202@{DOMAIN}"),
            keys={"callee": "202", "domain": DOMAIN, "speech_pcap": str(speech), "more": more},
        )  # fmt: skip

    first = phone(HOSTS["201"], sound.CALLER_HZ, "Subject: first")
    bob.wait_for(Event.INCOMING, 8)
    bob.answer()
    bob.wait_for(Event.ESTABLISHED, 8)
    talk_for(2)
    named = dialog_as_we_have_it(first)
    second = phone(HOSTS["203"], sound.THIRD_HZ, f"Replaces: {named}\nRequire: replaces")
    first.run(8)  # it hears BYE
    joined(service, "Alice")
    talk_for(2.5)
    bob.hangup()
    second.run(8)
    recording = check_transfer(service, 1, ("4", "6"), ("8", "6"), "Alice")
    assert recording["sidecar"]["end_reason"]["reason"] == "callee_hung_up", recording["sidecar"]


SCENARIOS = [
    replaces_moves_a_call_to_another_phone,
    blind_baresip,
    blind_linphone,
    attended_linphone,
    blind_to_the_outside,
    blind_into_a_flow,
    blind_refused,
    refer_from_a_trunk,
]
