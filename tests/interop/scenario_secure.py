"""SIP over TLS, SRTP on one leg or both, and keys that are left nowhere."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess

import sound
from clients import Event
from scenario_calls import check_three_wavs, devices, no_call_left
from service import eventually
from stage import DOMAIN, SERVER, Stage, connect, hang_up, heard, talk_for

SECURE = f"{SERVER}:5061"
MANDATORY = "mediaenc=srtp-mand"
# What baresip sends where encryption is welcome and not demanded: keys under RTP/AVP.
WELCOME = "mediaenc=srtp"


def over_tls(s: Stage, user: str, **options):
    """A baresip that talks to us over TLS."""
    return s.baresip(user, transport="tls", server=SECURE, **options)


def check_encrypted(service, caller: bool, callee: bool) -> None:
    view = service.call()
    assert (view["caller"]["encrypted"], view["callee"]["encrypted"]) == (caller, callee), view


def registration_baresip_tls(s: Stage) -> None:
    service = s.service(tls=True)
    alice = over_tls(s, "201")
    assert devices(service) == 1
    alice.quit()
    eventually(lambda: devices(service) == 0, 5, "the device is still there after its phone left")


def registration_linphone_tls(s: Stage) -> None:
    service = s.service(tls=True)
    s.linphone("201", transport="tls", server=SECURE)
    assert devices(service) == 1


def certificate_is_good_for_who_checks_it(s: Stage) -> None:
    """baresip 1.0 and linphonec as set up here check nothing; openssl does."""
    s.service(tls=True)
    s.certificate("stranger")
    for authority, good in (("ca.crt", True), ("stranger.crt", False)):
        check = ["-CAfile", str(s.folder / authority), "-verify_ip", SERVER, "-verify_return_error"]
        argv = s.lan.hub.command(["openssl", "s_client", "-connect", SECURE, *check])
        done = subprocess.run(argv, input=b"", capture_output=True, timeout=10)
        assert (done.returncode == 0) == good, f"{authority}: {done.stderr.decode()}"


def talk_with(service, alice, bob, caller: bool, callee: bool) -> None:
    """Alice calls Bob; each leg is encrypted as said, and all three recordings have both voices."""
    connect(alice, bob, f"sip:202@{DOMAIN}")
    check_encrypted(service, caller, callee)
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def srtp_on_both_sides(s: Stage) -> None:
    service = s.service(tls=True)
    bob, alice = (over_tls(s, user, account_extra=MANDATORY) for user in ("202", "201"))
    talk_with(service, alice, bob, True, True)


def srtp_of_the_caller_only(s: Stage) -> None:
    service = s.service(tls=True)
    bob, alice = s.baresip("202"), over_tls(s, "201", account_extra=MANDATORY)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    check_encrypted(service, True, False)
    talk_for(3)
    hang_up(bob, alice)
    check_three_wavs(service, alice, bob, "internal")


def srtp_of_the_callee_only(s: Stage) -> None:
    service = s.service(tls=True)
    bob, alice = over_tls(s, "202", account_extra=MANDATORY), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    check_encrypted(service, False, True)
    assert service.call()["callee"]["transport"] == "TLS"
    talk_for(3)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def srtp_where_it_is_only_welcome(s: Stage) -> None:
    """Keys under RTP/AVP (best effort) are taken up."""
    service = s.service(tls=True)
    bob, alice = s.baresip("202"), over_tls(s, "201", account_extra=WELCOME)
    talk_with(service, alice, bob, True, False)


def plain_phone_over_tls_is_called(s: Stage) -> None:
    """It refuses the encrypted offer, or takes it plain after: either way the call is made."""
    service = s.service(tls=True)
    bob, alice = over_tls(s, "202"), s.baresip("201")
    talk_with(service, alice, bob, False, False)


def srtp_linphone_calls_baresip(s: Stage) -> None:
    service = s.service(tls=True)
    bob = over_tls(s, "202", account_extra=MANDATORY)
    alice = s.linphone("201", transport="tls", server=SECURE, encrypted=True)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    check_encrypted(service, True, True)
    talk_for(4)
    hang_up(bob, alice)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    bob.quit()
    sound.only(heard(bob), "4")


def srtp_baresip_calls_linphone(s: Stage) -> None:
    service = s.service(tls=True)
    bob = s.linphone("202", transport="tls", server=SECURE, encrypted=True)
    alice = over_tls(s, "201", account_extra=MANDATORY)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    check_encrypted(service, True, True)
    talk_for(4)
    hang_up(alice, bob)
    ours = sound.read(service.wav(service.finished(1)[0]))
    sound.only(ours.track(0), "4")
    sound.only(ours.track(1), "6")
    alice.quit()
    sound.only(heard(alice), "6")


def srtp_goes_on_after_hold(s: Stage) -> None:
    """baresip makes new keys with each re-INVITE of its own."""
    service = s.service(tls=True)
    bob, alice = s.baresip("202"), over_tls(s, "201", account_extra=MANDATORY)
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    alice.hold()
    eventually(lambda: service.call()["caller"]["held"], 5, "the hold does not arrive")
    talk_for(2)
    alice.resume()
    eventually(lambda: not service.call()["caller"]["held"], 5, "the hold does not end")
    check_encrypted(service, True, False)
    talk_for(3)
    hang_up(alice, bob)
    ours = sound.read(service.wav(service.finished(1)[0]))
    tail = [channel[-12000:-4000] for channel in ours.channels]
    for channel, tone in zip(tail, "46"):
        sound.only(sound.Wav(ours.rate, [channel]).track(0), tone, at_least_s=0.5)


def keys_are_left_nowhere(s: Stage) -> None:
    """Over UDP they can be read on the way, and so be looked for."""
    service = s.service(filter="trace")
    capture = s.folder / "keys.pcap"
    with s.dump(capture):
        bob, alice = s.baresip("202"), s.baresip("201", account_extra=MANDATORY)
        connect(alice, bob, f"sip:202@{DOMAIN}")
        check_encrypted(service, True, False)
        talk_for(3)
        hang_up(alice, bob)
        check_three_wavs(service, alice, bob, "internal")
    keys = set(re.findall(rb"inline:([A-Za-z0-9+/]{40,64})", capture.read_bytes()))
    assert len(keys) >= 2, f"{len(keys)} keys were seen on the way"
    assert "keys came over signalling that is not encrypted" in service.log(), "nobody was warned"
    service.terminate(10)
    places = [service.log_path, *(path for path in service.data.rglob("*") if path.is_file())]
    for key in keys:
        raw = base64.b64decode(key + b"=" * (-len(key) % 4))
        for form in (key[:30], raw[:16], raw[:16].hex().encode()):
            for place in places:
                assert form not in place.read_bytes(), f"a key stands in {place.name}"


def only_encrypted_calls_are_let_through(s: Stage) -> None:
    service = s.service("only_encrypted = true", tls=True)
    bob, alice = (over_tls(s, user, account_extra=MANDATORY) for user in ("202", "201"))
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def only_encrypted_calls_refuses_a_plain_one(s: Stage) -> None:
    service = s.service("only_encrypted = true", tls=True)
    over_tls(s, "202", account_extra=MANDATORY)
    alice = over_tls(s, "201")
    alice.dial(f"sip:202@{DOMAIN}")
    closed = alice.wait_for(Event.CLOSED, 8)
    assert "488" in closed.text, closed.text
    no_call_left(service)


def shown_certificate(s: Stage) -> str:
    """The serial number of the certificate that the service shows."""
    argv = s.lan.hub.command(["openssl", "s_client", "-connect", SECURE])
    shown = subprocess.run(argv, input=b"", capture_output=True, timeout=10).stdout
    serial = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown, capture_output=True, timeout=10)
    return serial.stdout.decode().strip()


def certificate_renewed_without_restart(s: Stage) -> None:
    """By SIGHUP and by itself; a call that is up does not notice, a broken file changes nothing."""
    service = s.service(tls=True)
    bob, alice = (over_tls(s, user, account_extra=MANDATORY) for user in ("202", "201"))
    connect(alice, bob, f"sip:202@{DOMAIN}")
    first = shown_certificate(s)
    assert first, "no certificate is shown"
    s.certificate("next")
    (s.folder / "server.crt").write_text("broken\n")
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the old one stays" in service.log(), 5, "nobody says that the certificate is broken")
    assert shown_certificate(s) == first
    for kind in ("key", "crt"):
        shutil.copy(s.folder / f"next.{kind}", s.folder / f"server.{kind}")
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: shown_certificate(s) != first, 5, "SIGHUP does not take the new certificate over")
    second = shown_certificate(s)
    s.certificate("server")
    eventually(lambda: shown_certificate(s) not in (first, second), 10, "a changed file is not noticed")
    hang_up(alice, bob)
    check_three_wavs(service, alice, bob, "internal")


def configuration_says_what_is_wrong_with_a_certificate(s: Stage) -> None:
    service = s.service(tls=True, start=False)
    assert "is right" in service.run("config", "check").stdout
    s.certificate("other")
    os.replace(s.folder / "other.key", s.folder / "server.key")
    wrong = service.run("config", "check", check=False)
    assert wrong.returncode != 0 and "is not the key of" in wrong.stderr, wrong.stderr
    s.certificate("server", days=-1)
    wrong = service.run("config", "check", check=False)
    assert wrong.returncode != 0 and "expired" in wrong.stderr, wrong.stderr
    os.remove(s.folder / "server.key")
    wrong = service.run("config", "check", check=False)
    assert wrong.returncode != 0 and "tls.key" in wrong.stderr, wrong.stderr


SCENARIOS = [
    registration_baresip_tls, registration_linphone_tls, certificate_is_good_for_who_checks_it,
    srtp_on_both_sides, srtp_of_the_caller_only, srtp_of_the_callee_only, srtp_where_it_is_only_welcome,
    plain_phone_over_tls_is_called, srtp_linphone_calls_baresip, srtp_baresip_calls_linphone,
    srtp_goes_on_after_hold, keys_are_left_nowhere, only_encrypted_calls_are_let_through,
    only_encrypted_calls_refuses_a_plain_one, certificate_renewed_without_restart,
    configuration_says_what_is_wrong_with_a_certificate,
]  # fmt: skip
