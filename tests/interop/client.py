"""What the headless SIP clients have in common: see clients.py."""

from __future__ import annotations

import contextlib
import enum
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, ContextManager, Optional, Protocol, Sequence


class ClientError(RuntimeError):
    """A client did not start, ended early, or did not do something in time."""


class Event(enum.Enum):
    """What every client can report, whatever it calls it itself."""

    REGISTERED = "registered"
    REGISTER_FAILED = "register failed"
    INCOMING = "incoming"
    RINGING = "ringing"
    PROGRESS = "progress"
    ESTABLISHED = "established"
    HELD = "held"
    RESUMED = "resumed"
    DIGIT = "digit"
    CLOSED = "closed"
    OTHER = "other"


@dataclass(frozen=True)
class Happened:
    """One event: what, the client's own words for it, and when (monotonic s)."""

    what: Event
    text: str
    at: float


class Place(Protocol):
    """Where a client runs: this host, or a network namespace."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argv that runs `argv` in this place."""

    def entered(self) -> ContextManager[None]:
        """While entered, the calling thread makes its sockets in this place."""


class Here:
    """This host as it is."""

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def entered(self) -> ContextManager[None]:
        return contextlib.nullcontext()


@dataclass(frozen=True)
class Identity:
    """Who a client is and where it listens.

    `address` should be its own (any of 127/8 works without configuration).
    `server` is `HOST` or `HOST:PORT` of a registrar or, with
    `register=False`, of the next hop of its requests; without it the client
    calls whatever address stands in the URI it dials.
    """

    user: str
    address: str
    domain: str = "example.test"
    sip_port: int = 5060
    media_ports: tuple[int, int] = (21000, 21100)
    password: str = ""
    server: Optional[str] = None
    transport: str = "udp"
    register: bool = False
    expires_s: int = 300
    display_name: str = ""

    def uri(self) -> str:
        return f"sip:{self.user}@{self.domain}"


@dataclass
class Log:
    """Lines and events of one client, with a condition to wait on."""

    lines: list[str] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def line(self, text: str) -> None:
        with self.changed:
            self.lines.append(text)
            self.changed.notify_all()

    def event(self, what: Event, text: str) -> None:
        with self.changed:
            self.events.append(Happened(what, text, time.monotonic()))
            self.changed.notify_all()

    def tail(self, count: int = 25) -> str:
        with self.changed:
            return "\n".join(self.lines[-count:])


class Client:
    """What the three have in common: a process, its output, its end."""

    def __init__(self, identity: Identity, folder: Path, place: Optional[Place] = None):
        self.identity = identity
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.place = place or Here()
        self.log = Log()
        self._process: Optional[subprocess.Popen] = None
        self._readers: list[threading.Thread] = []
        self._seen = 0  # events that a wait_for has already consumed

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.quit()

    # -- life ---------------------------------------------------------------

    def start(self) -> None:
        raise NotImplementedError

    def quit(self) -> None:
        self.kill()

    def _spawn(self, argv: Sequence[str], env: Optional[dict] = None, stdin=subprocess.DEVNULL) -> None:
        self._process = subprocess.Popen(
            self.place.command(argv),
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._read_in_thread(self._read_output)

    def _read_in_thread(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        self._readers.append(thread)

    def _read_output(self) -> None:
        with open(self.folder / "output.log", "ab", buffering=0) as copy:
            for raw in self._process.stdout:
                copy.write(raw)
                self._heard_line(raw.decode("utf-8", "replace").rstrip())

    def _heard_line(self, text: str) -> None:
        self.log.line(text)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pid(self) -> Optional[int]:
        return self._process.pid if self._process else None

    def wait_end(self, seconds: float) -> int:
        """Wait until the process has ended; its exit status."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self._error(f"still runs after {seconds} s") from None
        for reader in self._readers:
            reader.join(2)
        return status

    def kill(self) -> None:
        """End the process: terminate, then kill after 3 s."""
        if not self.alive():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # -- waiting ------------------------------------------------------------

    def wait_for(self, what: Event, seconds: float) -> Happened:
        """The next `what` after the events that earlier waits have returned."""

        def find() -> Optional[Happened]:
            for index in range(self._seen, len(self.log.events)):
                if self.log.events[index].what is what:
                    self._seen = index + 1
                    return self.log.events[index]
            return None

        return self._wait(find, seconds, f"no event '{what.value}'")

    def wait_for_line(self, pattern: str, seconds: float, after: int = 0) -> str:
        """The first line of output, from index `after`, that matches."""
        compiled = re.compile(pattern)

        def find() -> Optional[str]:
            return next((l for l in self.log.lines[after:] if compiled.search(l)), None)

        return self._wait(find, seconds, f"no line like /{pattern}/")

    def events(self, what: Event) -> list[Happened]:
        with self.log.changed:
            return [e for e in self.log.events if e.what is what]

    def _wait(self, find: Callable, seconds: float, complaint: str):
        deadline = time.monotonic() + seconds
        with self.log.changed:
            while True:
                found = find()
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._error(f"{complaint} in {seconds} s")
                if not self.alive():
                    self.log.changed.wait(0.2)
                    found = find()
                    if found is not None:
                        return found
                    raise self._error(f"{complaint}: the client has ended")
                self.log.changed.wait(min(left, 0.5))

    def story(self) -> str:
        """Who it is, what happened to it, and its last words."""
        name = f"{type(self).__name__} {self.identity.user}@{self.identity.address}"
        events = ", ".join(e.what.value for e in self.log.events)
        return f"{name}\nevents: {events}\n{self.log.tail()}"

    def _error(self, complaint: str) -> ClientError:
        return ClientError(f"{complaint}: {self.story()}")
