"""Carriers as sipp plays them: one that challenges, one that wants registration, one that is dead, one that cannot."""

from __future__ import annotations

from clients import Event
from service import Service, eventually
from stage import CARRIER, DOMAIN, NUMBER, SERVER, Stage, hang_up, talk_for

OUTSIDE = "+442079460000"
# Nobody is there, and no host answers for it.
NOBODY = "198.51.100.9"
SECOND = "198.51.100.3"
PASSWORD = "from-the-carrier"
LOGIN = f'username = "acme"\npassword = "{PASSWORD}"\n'


def shown(service: Service) -> dict:
    return service.ask("trunk", "show", "acme/carrier")["trunk"]


def carrier_challenges_calls(s: Stage) -> None:
    """401 for the INVITE and for the BYE; the realm is told to who asks."""
    service = s.service(trunk=LOGIN)
    carrier = s.sipp("challenging-carrier", OUTSIDE, CARRIER, keys={"trunk_password": PASSWORD})
    alice = s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 10)
    talk_for(1.5)
    alice.hangup()
    carrier.run(10)
    assert shown(service)["realm"] == "carrier.example", shown(service)


def carrier_password_as_hashes(s: Stage) -> None:
    """With its realm in the company file the password is nowhere in the database, and calls go out."""
    service = s.service(trunk=LOGIN + 'realm = "carrier.example"\n')
    stored = b"".join(p.read_bytes() for p in service.data.glob("telegraphone.db*"))
    assert PASSWORD.encode() not in stored, "the password stands in the database"
    carrier = s.sipp("challenging-carrier", OUTSIDE, CARRIER, keys={"trunk_password": PASSWORD})
    alice = s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 10)
    talk_for(1)
    alice.hangup()
    carrier.run(10)


def carrier_wants_registration(s: Stage) -> None:
    """401, 423 with another interval, 401 again: it is registered, and the command line says so."""
    carrier = s.sipp("registrar", "acme", CARRIER, keys={"trunk_password": PASSWORD})
    service = s.service(trunk=LOGIN + "register = true\n")
    carrier.run(10)

    def registered() -> bool:
        registration = shown(service)["registration"]
        return registration["state"] == "registered" and 1700 < registration["expires_in_s"] <= 1800

    eventually(registered, 5, "the trunk is not registered for 1800 s")
    assert "registered" in service.run("trunk", "list").stdout


def carrier_is_dead(s: Stage) -> None:
    """A target that says nothing is given up for the next, and skipped by the next call."""
    targets = f'targets = [{{ host = "{NOBODY}" }}, {{ host = "{CARRIER}", order = 1 }}]\npatience_ms = 1000\n'
    service = s.service(trunk=targets)
    carrier, alice = s.carrier(OUTSIDE), s.baresip("201")
    for within_s in (8, 4):
        alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
        carrier.wait_for(Event.INCOMING, within_s)
        carrier.answer()
        alice.wait_for(Event.ESTABLISHED, 8)
        talk_for(1)
        hang_up(alice, carrier)
        states = [target["state"] for target in shown(service)["targets"]]
        assert states == ["resting", "up"], states


def carrier_cannot(s: Stage) -> None:
    """503 with Retry-After: the next target takes the call, the first is left alone."""
    targets = f'targets = [{{ host = "{SECOND}" }}, {{ host = "{CARRIER}", order = 1 }}]\n'
    service = s.service(trunk=targets)
    first = s.sipp("unavailable-carrier", OUTSIDE, SECOND)
    carrier, alice = s.carrier(OUTSIDE), s.baresip("201")
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    carrier.wait_for(Event.INCOMING, 8)
    first.run(5)
    carrier.answer()
    alice.wait_for(Event.ESTABLISHED, 8)
    talk_for(1)
    hang_up(carrier, alice)
    target = shown(service)["targets"][0]
    assert target["state"] == "resting" and 90 < target["again_in_s"] <= 120, target


def trunk_proves_itself(s: Stage) -> None:
    """A baresip that is no user and comes from no known address calls in with the trunk's password."""
    service = s.service(trunk='addresses = []\ninbound_username = "pbx"\ninbound_password = "pbx-secret"\n')
    alice = s.baresip("201")
    pbx = s.baresip("pbx", address="198.51.100.77", register=False, password="pbx-secret", microphone=s.high)
    pbx.dial(f"sip:{NUMBER}@{SERVER}")
    alice.wait_for(Event.INCOMING, 8)
    alice.answer()
    pbx.wait_for(Event.ESTABLISHED, 8)
    talk_for(1)
    hang_up(pbx, alice)
    assert service.finished(1)[0]["sidecar"]["direction"] == "inbound"


def costly_destination_refused(s: Stage) -> None:
    """A number that no list allows: 403 with the reason, and nothing reaches the carrier."""
    service = s.service()
    carrier, alice = s.carrier(OUTSIDE), s.baresip("201")
    alice.dial(f"sip:+449001234567@{DOMAIN}")
    closed = alice.wait_for(Event.CLOSED, 8)
    assert "403" in closed.text, closed.text
    assert not service.calls() and "was refused: calls to +44900" in service.log(), service.log_tail()
    alice.dial(f"sip:{OUTSIDE}@{DOMAIN}")
    carrier.wait_for(Event.INCOMING, 8)
    alice.hangup()


def guesser_locked_out(s: Stage) -> None:
    """A phone with a wrong password is locked out; the user at the known address is not."""
    service = s.service()
    alice, bob = s.baresip("201"), s.baresip("202")
    for guess in range(12):
        wrong = s.sipp("wrong-password", "201", "198.51.100.66", f"{SERVER}:5060", keys={"password": f"guess-{guess}"})
        wrong.wait_end(8)
        wrong.kill()
    locks = service.ask("lockout", "list")["locks"]
    assert [(lock["what"], lock["source"]) for lock in locks] == [("source", "198.51.100.66")], locks
    alice.dial(f"sip:202@{DOMAIN}")
    bob.wait_for(Event.INCOMING, 8)
    alice.hangup()
    service.run("lockout", "clear", "198.51.100.66")
    assert not service.ask("lockout", "list")["locks"]


SCENARIOS = [
    costly_destination_refused,
    guesser_locked_out,
    carrier_challenges_calls,
    carrier_password_as_hashes,
    carrier_wants_registration,
    carrier_is_dead,
    carrier_cannot,
    trunk_proves_itself,
]
