"""Registration, the three directions, codecs, ends of calls."""

from __future__ import annotations

import threading

import sound
from clients import ClientError, Event
from service import eventually
from stage import CARRIER, DOMAIN, NUMBER, SERVER, Stage, connect, hang_up, heard, talk_for

OUTSIDE = "+442079460000"


def devices(service) -> int:
    return service.ask("status")["status"]["devices"]


def check_registered(service, client) -> None:
    """The service knows the device, and forgets it when the phone leaves."""
    assert devices(service) == 1, f"{devices(service)} devices instead of 1"
    client.quit()
    eventually(lambda: devices(service) == 0, 5, "the device is still there after its phone left")


def registration_baresip_udp(s: Stage) -> None:
    service = s.service()
    check_registered(service, s.baresip("201"))


def registration_baresip_tcp(s: Stage) -> None:
    service = s.service()
    check_registered(service, s.baresip("201", transport="tcp"))


def registration_linphone_udp(s: Stage) -> None:
    service = s.service()
    s.linphone("201")  # it does not unregister when it ends
    assert devices(service) == 1


def registration_linphone_tcp(s: Stage) -> None:
    service = s.service()
    s.linphone("201", transport="tcp")
    assert devices(service) == 1


def wrong_password_refused(s: Stage) -> None:
    service = s.service()
    client = s.baresip("201", password="not-hers", start=False)

    def start() -> None:
        try:
            client.start()
        except (ClientError, OSError):
            pass  # it never registers: that is the point

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    eventually(lambda: client.events(Event.REGISTER_FAILED), 10, "the phone was not refused")
    assert devices(service) == 0, "a wrong password registered a device"
    client.kill()
    thread.join(12)


def contains(whole, part, tolerance: int = 2) -> bool:
    """Whether `part` stands in `whole`. baresip decodes mu-law's zero as 2."""
    middle = len(whole) // 2 - len(part) // 2
    # A tone of a whole number of 20 Hz repeats after 400 samples.
    for at in range(middle, middle + 400):
        if all(abs(a - b) <= tolerance for a, b in zip(whole[at : at + len(part)], part)):
            return True
    return False


def check_three_wavs(service, caller, callee, direction: str) -> dict:
    """Ours holds both parties, each client's own holds the other, and they agree sample by sample."""
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["problem"]
    assert recording["sidecar"]["direction"] == direction, recording["sidecar"]["direction"]
    ours = sound.read(service.wav(recording))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    caller.quit()
    callee.quit()
    sound.only(heard(caller), "6")
    sound.only(heard(callee), "4")
    for channel, client in ((0, callee), (1, caller)):
        middle = len(ours.channels[channel]) // 2
        stretch = ours.channels[channel][middle - 4000 : middle + 4000]
        theirs = sound.read(client.heard()[-1]).channels[0]
        assert contains(theirs, stretch), f"channel {channel} is not what {client.identity.user} heard"
    service.run("recording", "verify")
    return recording


def direction_internal(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def direction_inbound(s: Stage) -> None:
    service = s.service()
    alice = s.baresip("201", microphone=s.high)
    carrier = s.carrier(OUTSIDE, microphone=s.low)
    connect(carrier, alice, f"sip:{NUMBER}@{SERVER}")
    talk_for(3)
    hang_up(alice, carrier)
    recording = check_three_wavs(service, carrier, alice, "inbound")
    caller, callee = recording["sidecar"]["parties"]
    assert caller["party"]["address"] == OUTSIDE, caller
    assert callee["party"]["name"] == "Alice", callee


def direction_outbound(s: Stage) -> None:
    service = s.service()
    carrier, alice = s.carrier(OUTSIDE), s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    incoming = carrier.wait_for(Event.INCOMING, 8)
    assert NUMBER.strip("+") in incoming.text, f"the carrier does not see the caller id: {incoming.text}"
    carrier.answer()
    alice.wait_for(Event.ESTABLISHED, 8)
    talk_for(3)
    hang_up(carrier, alice)
    check_three_wavs(service, alice, carrier, "outbound")


def unknown_carrier_refused(s: Stage) -> None:
    """From an address that is no trunk's, without credentials."""
    service = s.service()
    s.baresip("201")
    stranger = s.baresip("stranger", address="198.51.100.77", register=False, microphone=s.low)
    stranger.dial(f"sip:{NUMBER}@{SERVER}")
    stranger.wait_for(Event.CLOSED, 8)
    assert not service.calls() and not service.recordings()


def codec_call(s: Stage, caller_codec: str, callee_codec: str) -> None:
    service = s.service()
    bob = s.baresip("202", codecs=(f"{callee_codec}/8000/1",))
    alice = s.baresip("201", codecs=(f"{caller_codec}/8000/1",))
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2.5)
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    codecs = [party["codec"] for party in recording["sidecar"]["parties"]]
    assert codecs == [caller_codec, callee_codec], codecs
    ours = sound.read(service.wav(recording))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()
    bob.quit()
    sound.only(heard(alice), "6")
    sound.only(heard(bob), "4")


def codec_pcma(s: Stage) -> None:
    codec_call(s, "PCMA", "PCMA")


def codec_pcmu_to_pcma(s: Stage) -> None:
    codec_call(s, "PCMU", "PCMA")


def codec_pcma_to_pcmu(s: Stage) -> None:
    codec_call(s, "PCMA", "PCMU")


def linphone_to_linphone(s: Stage) -> None:
    """Two phones with GRUU Contacts, STUN before RTP, and no rtpmap for PCMU."""
    service = s.service()
    bob, alice = s.linphone("202"), s.linphone("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4", share=0.85)
    sound.only(ours.track(1), "6", share=0.85)


def no_call_left(service) -> None:
    """Nothing is up, nothing was recorded, every port is back."""
    eventually(lambda: not service.calls(), 5, "a call is left")
    assert not service.recordings(), "a call that was never answered has a recording"
    assert not service.files(), f"files are left: {service.files()}"


def one_call_id(service) -> str:
    found: list[dict] = []

    def look() -> bool:
        found[:] = service.calls()
        return len(found) == 1

    eventually(look, 5, "not one call")
    return found[0]["record"]["id"]


def cancelled_while_ringing(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    bob.wait_for(Event.INCOMING, 8)
    call = one_call_id(service)
    alice.hangup()
    bob.wait_for(Event.CLOSED, 8)
    record = service.call_over(call)
    assert record["outcome"] == "cancelled", record["outcome"]
    no_call_left(service)


def nobody_answers(s: Stage) -> None:
    service = s.service(ring_s=2)
    bob, alice = s.baresip("202"), s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    bob.wait_for(Event.INCOMING, 8)
    call = one_call_id(service)
    bob.wait_for(Event.CLOSED, 8)
    alice.wait_for(Event.CLOSED, 8)
    record = service.call_over(call)
    assert record["outcome"] == "no_answer", record["outcome"]
    no_call_left(service)


def busy(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    bob.wait_for(Event.INCOMING, 8)
    call = one_call_id(service)
    bob.hangup()
    closed = alice.wait_for(Event.CLOSED, 8)
    assert "486" in closed.text, closed.text
    record = service.call_over(call)
    assert record["outcome"] == "busy", record["outcome"]
    no_call_left(service)


def early_media(s: Stage) -> None:
    """The carrier speaks 3 s before it answers: the caller hears it, the recording does not have it."""
    service = s.service()
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLEE_HZ, 7)
    carrier = s.sipp("early-media", OUTSIDE, CARRIER, keys={"speech_pcap": str(speech)})
    alice = s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    alice.wait_for(Event.PROGRESS, 8)
    alice.wait_for(Event.ESTABLISHED, 8)
    talk_for(2)
    alice.hangup()
    carrier.run(8)
    recording = service.finished(1)[0]
    ours = sound.read(service.wav(recording))
    assert 1.5 < ours.seconds < 3, f"the recording has {ours.seconds} s instead of the 2 after the answer"
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()
    whole = heard(alice).count("6")
    assert whole > sound.windows(4), f"the caller heard {whole * 0.04:.1f} s only: no early media"


def late_offer(s: Stage) -> None:
    """INVITE without SDP: our offer in the 200, the carrier's answer in the ACK."""
    service = s.service()
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, 7)
    alice = s.baresip("201", microphone=s.high)
    carrier = s.sipp(
        "late-offer", OUTSIDE, CARRIER, f"{SERVER}:5060",
        keys={"callee": NUMBER, "domain": SERVER, "speech_pcap": str(speech), "talk_ms": "3000"},
    )  # fmt: skip
    alice.wait_for(Event.INCOMING, 8)
    alice.answer()
    carrier.run(12)
    alice.wait_for(Event.CLOSED, 5)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()
    sound.only(heard(alice), "4")


def carrier_requires_prack(s: Stage) -> None:
    """The carrier hears our 180 reliably, and acknowledges it; its own answer is in the 200."""
    service = s.service()
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, 7)
    alice = s.baresip("201", microphone=s.high)
    carrier = s.sipp(
        "prack-caller", OUTSIDE, CARRIER, f"{SERVER}:5060",
        keys={"callee": NUMBER, "domain": SERVER, "speech_pcap": str(speech), "talk_ms": "3000"},
    )  # fmt: skip
    alice.wait_for(Event.INCOMING, 8)
    talk_for(1)
    alice.answer()
    carrier.run(12)
    alice.wait_for(Event.CLOSED, 5)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()


def carrier_answers_in_a_reliable_183(s: Stage) -> None:
    """The carrier's 183 is acknowledged by PRACK; what it describes is the answer."""
    service = s.service()
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLEE_HZ, 6)
    carrier = s.sipp("prack-callee", OUTSIDE, CARRIER, keys={"speech_pcap": str(speech)})
    alice = s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 8)
    talk_for(2)
    alice.hangup()
    carrier.run(8)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()
    assert heard(alice).count("6") > sound.windows(2), "early media and what came after it"


def reinvite_moves_media(s: Stage) -> None:
    """The carrier moves to another port and from PCMU to PCMA in mid-call; the file goes on."""
    service = s.service()
    first = sound.write_rtp_pcap(s.folder / "pcmu.pcap", sound.CALLER_HZ, 4)
    second = sound.write_rtp_pcap(s.folder / "pcma.pcap", sound.CALLER_HZ, 4, law="a", ssrc=0x2222)
    alice = s.baresip("201", microphone=s.high)
    s.sinks(CARRIER, (30020, 30021))
    carrier = s.sipp(
        "reinvite", OUTSIDE, CARRIER, f"{SERVER}:5060",
        keys={"callee": NUMBER, "domain": SERVER, "pcmu_pcap": str(first), "pcma_pcap": str(second)},
    )  # fmt: skip
    alice.wait_for(Event.INCOMING, 8)
    alice.answer()
    carrier.run(16)
    alice.wait_for(Event.CLOSED, 5)
    recordings = service.finished(1)
    ours = sound.read(service.wav(recordings[0]))
    sound.only(ours.track(0), "4", at_least_s=6.5)
    sound.only(ours.track(1), "6", at_least_s=7)


def tcp_phone_called_over_its_connection(s: Stage) -> None:
    """A phone behind TCP is reached on the connection that it opened (RFC 5626 §5.3)."""
    service = s.service()
    bob = s.baresip("202", transport="tcp")
    alice = s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()
    assert call["callee"]["transport"] == "TCP", call["callee"]
    port = call["callee"]["peer"].rsplit(":", 1)[1]
    assert port != "5060", "the service opened a connection of its own to the phone"
    talk_for(2)
    hang_up(bob, alice)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")


def two_devices_ring(s: Stage) -> None:
    """Both phones of a user ring; one answers, the other falls silent."""
    service = s.service()
    desk, mobile = s.baresip("202"), s.linphone("202", address="198.51.100.32")
    alice = s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    desk.wait_for(Event.INCOMING, 8)
    mobile.wait_for(Event.INCOMING, 8)
    desk.answer()
    alice.wait_for(Event.ESTABLISHED, 8)
    mobile.wait_for(Event.CLOSED, 8)
    talk_for(2)
    hang_up(alice, desk)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")


def nobody_registered(s: Stage) -> None:
    service = s.service()
    alice = s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    closed = alice.wait_for(Event.CLOSED, 8)
    assert "480" in closed.text, closed.text
    no_call_left(service)


SCENARIOS = [
    registration_baresip_udp, registration_baresip_tcp, registration_linphone_udp, registration_linphone_tcp,
    wrong_password_refused, direction_internal, direction_inbound, direction_outbound, unknown_carrier_refused,
    codec_pcma, codec_pcmu_to_pcma, codec_pcma_to_pcmu, linphone_to_linphone, cancelled_while_ringing,
    nobody_answers, busy, early_media, late_offer, reinvite_moves_media, two_devices_ring, nobody_registered,
    tcp_phone_called_over_its_connection, carrier_requires_prack, carrier_answers_in_a_reliable_183,
]  # fmt: skip
