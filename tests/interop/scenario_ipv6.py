"""IPv6: registration, recorded calls, commands, encryption; and calls between a side of each family."""

from __future__ import annotations

import sound
from clients import Baresip, Event
from scenario_calls import OUTSIDE, check_three_wavs, devices
from scenario_calls import check_registered as check_left
from scenario_policy import command_call
from service import Service
from stage import CARRIER_V6, DOMAIN, HOSTS_V6, NUMBER, SERVER_V6, Stage, connect, hang_up, heard, talk_for

TRUNK = f'addresses = ["{CARRIER_V6}"]\nhost = "{CARRIER_V6}"'


def phone(s: Stage, user: str, **options) -> Baresip:
    return s.baresip(user, address=HOSTS_V6[user], server=f"[{SERVER_V6}]", **options)


def carrier(s: Stage, **options) -> Baresip:
    return s.baresip(
        OUTSIDE, address=CARRIER_V6, server=f"[{SERVER_V6}]", register=False, password="", **options
    )


def ipv6_registration_udp(s: Stage) -> None:
    service = s.service(ipv6=True)
    check_left(service, phone(s, "201"))


def ipv6_registration_tcp(s: Stage) -> None:
    service = s.service(ipv6=True)
    check_left(service, phone(s, "201", transport="tcp"))


def ipv6_internal(s: Stage) -> None:
    service = s.service(ipv6=True)
    bob, alice = phone(s, "202"), phone(s, "201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def ipv6_calls_ipv4(s: Stage) -> None:
    service = s.service(ipv6=True)
    bob, alice = s.baresip("202"), phone(s, "201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def ipv4_calls_ipv6_over_tcp(s: Stage) -> None:
    service = s.service(ipv6=True)
    bob, alice = phone(s, "202", transport="tcp"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def ipv6_encrypted_calls_ipv4(s: Stage) -> None:
    """TLS and SRTP on IPv6, plain on IPv4."""
    service = s.service(ipv6=True, tls=True)
    secure = dict(transport="tls", server=f"[{SERVER_V6}]:5061", account_extra="mediaenc=srtp-mand")
    bob, alice = s.baresip("202"), s.baresip("201", address=HOSTS_V6["201"], **secure)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    view = service.call()
    assert (view["caller"]["encrypted"], view["callee"]["encrypted"]) == (True, False), view
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def ipv6_linphone_calls_ipv4(s: Stage) -> None:
    service = s.service(ipv6=True)
    alice = s.linphone("201", address=HOSTS_V6["201"], server=f"[{SERVER_V6}]")
    bob = s.baresip("202")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["problem"]
    ours = sound.read(service.wav(recording))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    bob.quit()
    sound.only(heard(bob), "4")


def ipv6_trunk_to_number_of_ipv4(s: Stage) -> None:
    service = s.service(ipv6=True, trunk=TRUNK)
    alice = s.baresip("201", microphone=s.high)
    outside = carrier(s, microphone=s.low)
    connect(outside, alice, f"sip:{NUMBER}@{DOMAIN}")
    talk_for(3)
    hang_up(alice, outside)
    check_three_wavs(service, outside, alice, "inbound")


def ipv4_user_to_ipv6_trunk(s: Stage) -> None:
    service = s.service(ipv6=True, trunk=TRUNK)
    outside, alice = carrier(s, microphone=s.high), s.baresip("201")
    connect(alice, outside, f"sip:{OUTSIDE}@{DOMAIN}")
    talk_for(3)
    hang_up(alice, outside)
    check_three_wavs(service, alice, outside, "outbound")


def ipv6_commands(s: Stage) -> None:
    """`#11#` and `#12#` from IPv6, with the other side on IPv4."""
    service = s.service(ipv6=True)
    bob, alice = s.baresip("202"), phone(s, "201")
    command_call(s, alice, bob, service)


def ipv6_commands_of_the_callee(s: Stage) -> None:
    """From a phone on IPv4, with the other side on IPv6."""
    service = s.service(ipv6=True)
    bob, alice = phone(s, "202"), s.baresip("201")
    command_call(s, alice, bob, service)


def ipv6_sipp_late_offer(s: Stage) -> None:
    """The carrier on IPv6 leaves the offer to us; the called user is on IPv4."""
    service = s.service(ipv6=True, trunk=TRUNK)
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, 7)
    alice = s.baresip("201", microphone=s.high)
    outside = s.sipp(
        "late-offer", OUTSIDE, CARRIER_V6, f"[{SERVER_V6}]:5060",
        keys={"callee": NUMBER, "domain": DOMAIN, "speech_pcap": str(speech), "talk_ms": "3000"},
    )  # fmt: skip
    alice.wait_for(Event.INCOMING, 8)
    alice.answer()
    outside.run(12)
    alice.wait_for(Event.CLOSED, 5)
    check_tones(service)


def ipv6_sipp_early_media(s: Stage) -> None:
    """The carrier on IPv6 speaks before it answers; the caller is on IPv4."""
    service = s.service(ipv6=True, trunk=TRUNK)
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLEE_HZ, 7)
    outside = s.sipp("early-media", OUTSIDE, CARRIER_V6, keys={"speech_pcap": str(speech)})
    alice = s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    alice.wait_for(Event.PROGRESS, 8)
    alice.wait_for(Event.ESTABLISHED, 8)
    talk_for(2)
    alice.hangup()
    outside.run(8)
    check_tones(service)


def check_tones(service: Service) -> None:
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["problem"]
    ours = sound.read(service.wav(recording))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    assert devices(service) == 1


SCENARIOS = [
    ipv6_registration_udp, ipv6_registration_tcp, ipv6_internal, ipv6_calls_ipv4, ipv4_calls_ipv6_over_tcp,
    ipv6_encrypted_calls_ipv4, ipv6_linphone_calls_ipv4, ipv6_trunk_to_number_of_ipv4, ipv4_user_to_ipv6_trunk,
    ipv6_commands, ipv6_commands_of_the_callee, ipv6_sipp_late_offer, ipv6_sipp_early_media,
]  # fmt: skip
