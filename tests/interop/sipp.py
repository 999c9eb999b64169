"""sipp 3.6, headless."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Optional, Sequence

from client import Client, Identity, Place


class Sipp(Client):
    """sipp 3.6 with a scenario file: one run, one or more calls.

    `target` is the other side ("HOST:PORT") of a scenario that calls.
    `keys` are replaced in the scenario: [NAME] by its value.
    `outside` is a scenario for requests that come in no call of its own, one for each.
    """

    def __init__(
        self,
        identity: Identity,
        folder: Path,
        scenario: Path,
        target: str = "",
        calls: int = 1,
        keys: Optional[dict[str, str]] = None,
        options: Sequence[str] = (),
        outside: Optional[Path] = None,
        place: Optional[Place] = None,
    ):
        super().__init__(identity, folder, place)
        self.scenario = Path(scenario)
        self.target = target
        self.calls = calls
        self.keys = dict(keys or {})
        self.options = tuple(options)
        self.outside = outside

    def start(self) -> None:
        self._lay(self.scenario, "scenario.xml")
        if self.outside:
            self._lay(self.outside, "outside.xml")
        self._spawn(["sipp", *self._arguments()], {"TERM": "dumb"})
        if not self.target:
            self._wait_listening(5)

    def _lay(self, scenario: Path, name: str) -> None:
        me, text = self.identity, scenario.read_text()
        # Its own words for these have brackets, which SDP has not.
        ip = {"media_ip": me.address, "media_ip_type": "6" if ":" in me.address else "4"}
        for key, value in {"user": me.user, "domain": me.domain, **ip, **self.keys}.items():
            text = text.replace(f"[{key}]", str(value))
        (self.folder / name).write_text(text)

    def logged(self) -> list[str]:
        """What its scenarios have said by `log` up to now."""
        log = self.folder / "said.log"
        return log.read_text(errors="replace").splitlines() if log.exists() else []

    def _arguments(self) -> list[str]:
        me = self.identity
        mode = {"udp": "u1", "tcp": "t1"}[me.transport]
        login = ["-au", me.user, "-ap", me.password] if me.password else []
        return [
            *([self.target] if self.target else []),
            "-sf", "scenario.xml", "-t", mode, "-i", me.address, "-p", str(me.sip_port),
            "-mi", me.address, "-mp", str(me.media_ports[0]),
            "-m", str(self.calls), "-nostdin", "-s", me.user, *login,
            *(["-oocsf", "outside.xml"] if self.outside else []),
            "-trace_logs", "-log_file", "said.log",
            "-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log",
            *self.options,
        ]  # fmt: skip

    def run(self, seconds: float) -> None:
        """Wait until all calls are done; an error unless all succeeded."""
        status = self.wait_end(seconds)
        if status != 0:
            errors = self.folder / "errors.log"
            detail = errors.read_text(errors="replace")[-2000:] if errors.exists() else ""
            raise self._error(f"ended with status {status}\n{detail}")

    def _wait_listening(self, seconds: float) -> None:
        """Until its port is taken: a bind of our own must fail."""
        kind = socket.SOCK_STREAM if self.identity.transport == "tcp" else socket.SOCK_DGRAM
        family = socket.AF_INET6 if ":" in self.identity.address else socket.AF_INET
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.place.entered():
                probe = socket.socket(family, kind)
            try:
                probe.bind((self.identity.address, self.identity.sip_port))
            except OSError:
                return
            finally:
                probe.close()
            time.sleep(0.05)
        raise self._error("does not listen")
