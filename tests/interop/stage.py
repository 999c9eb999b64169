"""What a scenario stands on: a network of its own, a service, clients on hosts."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator, Optional, Sequence

import sound
from clients import Baresip, Client, ClientError, Event, Identity, Linphone, Sipp
from netns import Lan, Namespace
from service import Service

# Documentation addresses (RFC 5737, RFC 3849): nobody's, and in namespaces that nobody else sees.
SERVER, CARRIER = "198.51.100.1", "198.51.100.2"
SERVER_V6, CARRIER_V6 = "2001:db8::1", "2001:db8::2"
HOSTS_V6 = {"201": "2001:db8::21", "202": "2001:db8::22"}
HOSTS = {"201": "198.51.100.21", "202": "198.51.100.22", "203": "198.51.100.23"}
DOMAIN = "acme.example"
NUMBER = "+15550100"
PASSWORDS = {"201": "alice-secret", "202": "bob-secret", "203": "carol-secret"}
SCENARIOS = Path(__file__).resolve().parent / "sipp.d"

CONFIG = f"""
[sip]
listen = [
  {{ transport = "udp", address = "{SERVER}:5060" }},
  {{ transport = "tcp", address = "{SERVER}:5060" }},
]
ring_timeout_s = RING
[recording]
refuse_free_mib = REFUSE
warn_free_mib = WARN
[shutdown]
grace_s = GRACE
[log]
filter = "debug"
"""

LISTENERS_V6 = f"""
  {{ transport = "udp", address = "[{SERVER_V6}]:5060" }},
  {{ transport = "tcp", address = "[{SERVER_V6}]:5060" }},
]"""
TLS_LISTENER = f'  {{ transport = "tls", address = "{SERVER}:5061" }},\n]'

COMPANY = f"""
[[company]]
key = "acme"
name = "Acme"
domains = ["{DOMAIN}", "{SERVER}"]
realm = "{DOMAIN}"
default_number = "{NUMBER}"
[company.settings]
record_inbound = true
record_outbound = true
record_internal = true
agent_pause = true
country_code = "1"
destinations = ["+1", "+44", "!+44900"]
EXTRA
[[user]]
extension = "201"
name = "Alice"
password = "{PASSWORDS['201']}"
role = "supervisor"
number = "{NUMBER}"
[[user]]
extension = "202"
name = "Bob"
password = "{PASSWORDS['202']}"
role = "agent"
[[user]]
extension = "203"
name = "Carol"
password = "{PASSWORDS['203']}"
role = "analyst"
[[number]]
number = "{NUMBER}"
route = "user:201"
[[trunk]]
name = "carrier"
addresses = ["{CARRIER}"]
host = "{CARRIER}"
port = 5060
transport = "udp"
"""


def without(text: str, extra: str) -> str:
    """`text` without the keys that `extra` says anew."""
    said = {line.split(" =")[0] for line in extra.splitlines()}
    return "\n".join(line for line in text.splitlines() if line.split(" =")[0] not in said)


class Stage:
    """One scenario's world; everything in it ends with it."""

    def __init__(self, binary: Path, folder: Path, stack: contextlib.ExitStack):
        self.binary, self.folder, self.stack = binary, folder, stack
        self.lan: Lan = stack.enter_context(Lan(SERVER, SERVER_V6))
        self.clients: list[Client] = []
        self.services: list[Service] = []
        self._hosts: dict[str, Namespace] = {}
        self.high = sound.write_tone(folder / "620.wav", sound.CALLEE_HZ)
        self.third = sound.write_tone(folder / "860.wav", sound.THIRD_HZ)
        self.low = sound.write_tone(folder / "440.wav", sound.CALLER_HZ)

    def service(
        self,
        extra: str = "",
        ring_s: int = 30,
        grace_s: int = 2,
        warn_mib: int = 2,
        refuse_mib: int = 1,
        start: bool = True,
        filter: str = "debug",
        tls: bool = False,
        trunk: str = "",
        ipv6: bool = False,
    ) -> Service:
        """The service on the hub, with `ipv6` in both families (TLS in that one). `extra` are more keys of the company's settings, `trunk` of its trunk."""
        config = CONFIG.replace("RING", str(ring_s)).replace("GRACE", str(grace_s))
        config = config.replace("filter = \"debug\"", f'filter = "{filter}"').replace("WARN", str(warn_mib)).replace("REFUSE", str(refuse_mib))
        if ipv6:
            config = config.replace("\n]\n", LISTENERS_V6 + "\n", 1)
        if tls:
            self.certificate("server")
            listener = TLS_LISTENER.replace(SERVER, f"[{SERVER_V6}]") if ipv6 else TLS_LISTENER
            config = config.replace("\n]\n", "\n" + listener + "\n", 1)
            config += f'[tls]\ncertificate = "{self.folder}/server.crt"\nkey = "{self.folder}/server.key"\n'
        inside, line = COMPANY.split("[[trunk]]\n")
        # A list of targets stands instead of the one.
        instead = "\nhost =\nport =\ntransport =" if "targets =" in trunk else ""
        company = without(inside, extra).replace("EXTRA", extra)
        company += "\n[[trunk]]\n" + without(line, trunk + instead) + "\n" + trunk
        service = Service(self.binary, self.folder / "service", config, company, place=self.lan.hub)
        self.services.append(service)
        if start:
            self.stack.enter_context(service)
        else:
            self.stack.callback(service.kill)
        return service

    def certificate(self, name: str, days: int = 30) -> None:
        """`NAME.crt` and `NAME.key` for the service, signed by `ca.crt`, which is made at first."""

        def openssl(*arguments: object) -> None:
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

        ca, folder = self.folder / "ca", self.folder
        if not ca.with_suffix(".crt").exists():
            openssl(
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=interop authority", "-days", 30,
                "-keyout", f"{ca}.key", "-out", f"{ca}.crt",
            )  # fmt: skip
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={DOMAIN}",
                "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")  # fmt: skip
        names = folder / f"{name}.ext"
        names.write_text(f"subjectAltName=DNS:{DOMAIN},IP:{SERVER}\n")
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
                "-CAcreateserial", "-days", days, "-extfile", names, "-out", folder / f"{name}.crt")  # fmt: skip

    def host(self, address: str) -> Namespace:
        if address not in self._hosts:
            self._hosts[address] = self.lan.host(address)
        return self._hosts[address]

    def identity(self, user: str, **other) -> Identity:
        settings = dict(
            domain=DOMAIN, password=PASSWORDS.get(user, ""), server=SERVER, register=True, address=HOSTS.get(user, CARRIER)
        )
        return Identity(user, **{**settings, **other})

    def _identity_from(self, user: str, options: dict) -> Identity:
        """Takes what belongs to the identity out of a client's options."""
        names = ("transport", "password", "register", "domain", "server", "address")
        return self.identity(user, **{name: options.pop(name) for name in names if name in options})

    def _microphone(self, user: str, microphone: Optional[Path]) -> Path:
        return microphone or (self.high if user == "202" else self.low)

    def baresip(self, user: str, microphone: Optional[Path] = None, start: bool = True, **options) -> Baresip:
        identity = self._identity_from(user, options)
        folder, place = self.folder / f"baresip-{user}-{identity.address}", self.host(identity.address)
        client = Baresip(identity, folder, self._microphone(user, microphone), place=place, **options)
        return self._enter(client, start)

    def linphone(self, user: str, microphone: Optional[Path] = None, start: bool = True, **options) -> Linphone:
        identity = self._identity_from(user, options)
        folder, place = self.folder / f"linphone-{user}-{identity.address}", self.host(identity.address)
        client = Linphone(identity, folder, self._microphone(user, microphone), place=place, **options)
        return self._enter(client, start)

    def carrier(self, number: str = "+442079460000", microphone: Optional[Path] = None, **options) -> Baresip:
        """A baresip that needs no registration: its address is the trunk's."""
        return self.baresip(
            number, microphone or self.high, address=CARRIER, register=False, password="", **options
        )

    def sipp(self, scenario: str, user: str, address: str, target: str = "", start: bool = True, **options) -> Sipp:
        if "outside" in options:
            options["outside"] = SCENARIOS / f"{options['outside']}.xml"
        options["keys"] = {"password": PASSWORDS.get(user, ""), **options.get("keys", {})}
        identity = Identity(user, address, DOMAIN, password=PASSWORDS.get(user, ""), media_ports=(30000, 30100))
        folder, place = self.folder / f"sipp-{user.strip('+')}-{scenario}-{address}", self.host(address)
        client = Sipp(identity, folder, SCENARIOS / f"{scenario}.xml", target, place=place, **options)
        return self._enter(client, start)

    def sinks(self, address: str, ports: Sequence[int]) -> None:
        """Open ports for media that nobody reads, instead of ICMP errors: sipp does not listen."""
        for port in ports:
            with self.host(address).entered():
                sink = self.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sink.bind((address, port))

    @contextlib.contextmanager
    def dump(self, target: Path) -> Iterator[None]:
        """Captures what crosses the hub, from entry to exit."""
        argv = ["tcpdump", "-i", "hub0", "--immediate-mode", "-U", "-n", "-Z", "root", "-B", "8192"]
        argv += ["-w", str(target), "udp"]
        process = subprocess.Popen(self.lan.hub.command(argv), stderr=subprocess.PIPE, text=True)
        try:
            for line in process.stderr:
                if "listening on" in line:
                    break
            yield
        finally:
            process.terminate()
            process.communicate(timeout=5)

    def give_up(self) -> None:
        """The time is over: nothing can be waited for any more."""
        for client in self.clients:
            client.kill()
        for service in self.services:
            service.kill()

    def logs(self) -> str:
        """What the services logged, without the database's own lines."""
        lines = [line for service in self.services for line in service.log().splitlines() if "db.statement" not in line]
        return "service log:\n" + "\n".join(lines[-40:])

    def _enter(self, client: Client, start: bool):
        self.clients.append(client)
        # A scenario that wants to see it leave says so: to unregister takes time.
        self.stack.callback(client.kill)
        if start:
            client.start()
        return client


@contextlib.contextmanager
def stage(binary: Path) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="telegraphone-interop-") as folder, contextlib.ExitStack() as stack:
        yield Stage(binary, Path(folder), stack)


def connect(caller: Client, callee: Client, uri: str) -> float:
    """Dials and answers; when both say that the call is up."""
    caller.dial(uri)
    try:
        callee.wait_for(Event.INCOMING, 20)
    except ClientError as error:
        # Why it did not ring, the caller knows.
        raise ClientError(f"{error}\nthe caller: {caller.story()}") from None
    callee.answer()
    caller.wait_for(Event.ESTABLISHED, 8)
    callee.wait_for(Event.ESTABLISHED, 8)
    return time.monotonic()


def hang_up(first: Client, other: Client) -> None:
    first.hangup()
    other.wait_for(Event.CLOSED, 6)


def talk_for(seconds: float) -> None:
    """Lets the parties speak: the length of the call is what the scenario measures."""
    time.sleep(seconds)


def heard(client: Client) -> str:
    """What a client's own WAV of a call says, as a track; it is written when the call ends."""
    files = client.heard()
    if not files:
        raise AssertionError(f"{client.identity.user} recorded nothing")
    wav = sound.read(files[-1])
    return wav.track(0)


def decode(argv: Sequence[str]) -> bytes:
    return subprocess.run(argv, check=True, capture_output=True).stdout
