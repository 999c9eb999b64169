"""Call flows, groups, users who cannot take a call."""

from __future__ import annotations

import sound
from clients import Event
from service import Service
from stage import DOMAIN, NUMBER, SERVER, Stage, connect, hang_up, heard, talk_for

OUTSIDE = "+442079460000"

# The number announces, and then rings the group of Alice and Bob.
FLOW = f"""
[[company]]
key = "acme"
[[group]]
name = "sales"
members = ["201", "202"]
[[flow]]
name = "main"
[[flow.step]]
name = "record"
do = "recording"
on = true
next = "say"
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


def lay(service: Service, text: str) -> None:
    """Applies a company file while the service runs."""
    path = service.folder / "more.toml"
    path.write_text(text)
    service.run("apply", str(path))


def flow_announces_records_and_rings_the_group(s: Stage) -> None:
    service = s.service("record_inbound = false")
    lay(service, FLOW)
    alice, bob = s.baresip("201", microphone=s.high), s.baresip("202")
    carrier = s.carrier(OUTSIDE, microphone=s.low)
    carrier.dial(f"sip:{NUMBER}@{SERVER}")
    carrier.wait_for(Event.ESTABLISHED, 8)  # answered for the prompt
    for phone in (alice, bob):
        phone.wait_for(Event.INCOMING, 10)
    alice.answer()
    alice.wait_for(Event.ESTABLISHED, 8)
    bob.wait_for(Event.CLOSED, 6)  # it stops ringing
    talk_for(3)
    hang_up(carrier, alice)
    recording = service.finished(1)[0]
    decision = recording["sidecar"]["decision"]
    assert decision["record"] and decision["because"]["source"] == "flow_step", decision
    parties = [p["party"]["address"] for p in recording["sidecar"]["parties"]]
    assert parties[1] == "201", f"the callee is who answered: {parties}"
    ours = sound.read(service.wav(recording))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    seconds = len(ours.channels[0]) / 8000
    assert 2.5 < seconds < 4.5, f"it begins when Alice answers: {seconds} s"
    carrier.quit()
    # The prompt, the tone of ringing, then Alice.
    assert heard(carrier).count("6") >= sound.windows(2), sound.short(heard(carrier))


def user_who_is_not_there_sends_the_call_on(s: Stage) -> None:
    service = s.service()
    lay(service, f'[[user]]\ncompany = "acme"\nextension = "202"\non_unregistered = "user:203"\n')
    carol, alice = s.baresip("203", microphone=s.high), s.baresip("201")
    connect(alice, carol, f"sip:202@{DOMAIN}")
    talk_for(2)
    hang_up(alice, carol)
    recording = service.finished(1)[0]
    parties = [p["party"]["address"] for p in recording["sidecar"]["parties"]]
    assert parties == ["201", "203"], parties


SCENARIOS = [flow_announces_records_and_rings_the_group, user_who_is_not_there_sends_the_call_on]
