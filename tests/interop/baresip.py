"""baresip 1.0, headless."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from pathlib import Path
from typing import Optional, Sequence

from client import Client, ClientError, Event, Identity, Place

MODULES_FOLDER = Path("/usr/lib/baresip/modules")
# It holds a key for 180 ms, and takes two presses that touch for one.
KEY_GAP_S = 0.35


class Baresip(Client):
    """baresip 1.0, controlled over its ctrl_tcp module.

    `codecs` in order of preference, as baresip spells them ("PCMU/8000/1").
    `contact` is whom it can write text messages to.
    `dtmf` is "rtpevent" or "info" (which has no effect in 1.0.0). `answer` is
    "manual", "early" (183 and no RTP) or "auto".

    It aborts on any SHA-256 digest challenge. Its microphone falls silent at
    the end of the file: give it one that is longer than the call. Its SDP
    never names a loopback address: on 127/8 it names that of the default
    route's interface, while its RTP comes from 127.0.0.1, whatever `address`
    is. In a network namespace (netns.py) all three agree.
    """

    # Its first registration can be over before the control connection stands,
    # so registrations are read from its output, calls from its events.
    REGISTRATION = re.compile(r"(?:\{\d+/\w+/v[46]\}|reg: \S+:) (\d{3}) ")
    EVENTS = {
        "CALL_INCOMING": Event.INCOMING,
        "CALL_RINGING": Event.RINGING,
        "CALL_PROGRESS": Event.PROGRESS,
        "CALL_ESTABLISHED": Event.ESTABLISHED,
        "CALL_DTMF_START": Event.DIGIT,
        "CALL_CLOSED": Event.CLOSED,
    }

    def __init__(
        self,
        identity: Identity,
        folder: Path,
        microphone: Path,
        codecs: Sequence[str] = ("PCMU/8000/1", "PCMA/8000/1"),
        answer: str = "manual",
        dtmf: str = "rtpevent",
        control_port: int = 4444,
        ptime_ms: int = 20,
        account_extra: str = "",
        config_extra: Sequence[str] = (),
        contact: str = "",
        place: Optional[Place] = None,
    ):
        super().__init__(identity, folder, place)
        self.microphone = Path(microphone)
        self.codecs = tuple(codecs)
        self.answer_mode = answer
        self.dtmf = dtmf
        self.control_port = control_port
        self.ptime_ms = ptime_ms
        self.account_extra = account_extra
        self.contact = contact
        self.config_extra = tuple(config_extra)
        self._control: Optional[socket.socket] = None
        self._replies: dict[str, dict] = {}
        self._token = 0

    def start(self) -> None:
        self._write_files()
        family = ["-6"] if ":" in self.identity.address else ["-4"]
        self._spawn(["baresip", *family, "-f", str(self.folder), "-p", str(self.folder)])
        self._connect(10)
        if self.identity.register:
            self.wait_for(Event.REGISTERED, 10)

    def quit(self) -> None:
        """Ask it to end (it hangs up and unregisters), then insist."""
        if self.alive():
            with contextlib.suppress(OSError, ClientError):
                self._send("quit", "")
                self.wait_end(4)
        self.kill()
        if self._control:
            self._control.close()
            self._control = None

    # -- what a person does with it --

    def dial(self, uri: str) -> None:
        self.command("dial", uri)

    def answer(self) -> None:
        self.command("accept")

    def digits(self, keys: str, gap_s: float = KEY_GAP_S) -> None:
        """Press `keys` one after the other."""
        for key in keys:
            self.command("sndcode", key)
            time.sleep(gap_s)

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, uri: str) -> None:
        self.command("transfer", uri)

    def hangup(self) -> None:
        self.command("hangup")

    def write(self, text: str) -> None:
        """A text message to its contact."""
        self.command("contact_next")
        self.command("message", text)

    def heard(self) -> list[Path]:
        """WAVs of what it heard, one per call, in order of time.

        Each ends at the first re-INVITE of its call, from either side.
        """
        return sorted((self.folder / "heard").glob("dump-*-dec.wav"))

    def command(self, name: str, params: str = "", seconds: float = 5) -> str:
        """Run one baresip command; its output."""
        token = self._send(name, params)
        reply = self._wait(lambda: self._replies.pop(token, None), seconds, f"no reply to '{name} {params}'")
        return reply.get("data") or ""

    # -- below --

    def _write_files(self) -> None:
        (self.folder / "heard").mkdir(exist_ok=True)
        (self.folder / "config").write_text(self._config())
        (self.folder / "accounts").write_text(self._account() + "\n")
        (self.folder / "contacts").write_text(f'"Contact" <{self.contact}>\n' if self.contact else "")

    def _account(self) -> str:
        me = self.identity
        name = f'"{me.display_name}" ' if me.display_name else ""
        parts = [
            f"{name}<{me.uri()};transport={me.transport}>",
            f"auth_user={me.user}",
            # Without one it asks the terminal, also where nobody challenges.
            f"auth_pass={me.password or 'unused'}",
            f'outbound="sip:{me.server};transport={me.transport}"' if me.server else "",
            f"regint={me.expires_s if me.register else 0}",
            f"audio_codecs={','.join(self.codecs)}",
            f"dtmfmode={self.dtmf}",
            f"answermode={self.answer_mode}",
            f"ptime={self.ptime_ms}",
            self.account_extra,
        ]
        return ";".join(p for p in parts if p)

    def _config(self) -> str:
        me = self.identity
        host = f"[{me.address}]" if ":" in me.address else me.address
        modules = ["g711", "g722", "gsm", "l16", "opus", "aufile", "aubridge", "sndfile", "srtp", "uuid"]
        lines = [
            "poll_method epoll",
            f"sip_listen {host}:{me.sip_port}",
            "call_local_timeout 120",
            "call_max_calls 8",
            # A player that goes nowhere: sndfile taps the audio before it.
            "audio_player aubridge,nowhere",
            f"audio_source aufile,{self.microphone}",
            f"audio_alert aubridge,nowhere",
            "audio_level no",
            "ausrc_channels 1",
            "auplay_channels 1",
            "ausrc_srate 8000",
            "auplay_srate 8000",
            "rtp_tos 184",
            f"rtp_ports {me.media_ports[0]}-{me.media_ports[1]}",
            "jitter_buffer_delay 1-10",
            "rtp_stats yes",
            f"snd_path {self.folder}/heard",
            f"module_path {MODULES_FOLDER}",
            *[f"module {m}.so" for m in modules],
            "module_tmp account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
            "module_app debug_cmd.so",
            *(["module_app contact.so"] if self.contact else []),
            f"ctrl_tcp_listen {host}:{self.control_port}",
            *self.config_extra,
        ]
        return "\n".join(lines) + "\n"

    def _connect(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.place.entered():
                    self._control = socket.create_connection((self.identity.address, self.control_port), 2)
                break
            except OSError as error:
                if time.monotonic() > deadline or not self.alive():
                    raise self._error(f"no control connection: {error}") from None
                time.sleep(0.05)
        self._control.settimeout(None)
        self._read_in_thread(self._read_control)

    def _send(self, name: str, params: str) -> str:
        if self._control is None:
            raise self._error("no control connection")
        self._token += 1
        token = str(self._token)
        body = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._control.sendall(b"%d:%s," % (len(body), body))
        return token

    def _read_control(self) -> None:
        control, buffer = self._control, b""
        while True:
            try:
                more = control.recv(65536)
            except OSError:
                return
            if not more:
                return
            buffer += more
            while (cut := split_netstring(buffer)) is not None:
                body, buffer = cut
                self._heard_control(json.loads(body.decode("utf-8", "replace")))

    def _heard_line(self, text: str) -> None:
        super()._heard_line(text)
        if found := self.REGISTRATION.search(text):
            good = found.group(1).startswith("2")
            self.log.event(Event.REGISTERED if good else Event.REGISTER_FAILED, text)

    def _heard_control(self, message: dict) -> None:
        if not message.get("event"):
            with self.log.changed:
                self._replies[message.get("token", "")] = message
                self.log.changed.notify_all()
            return
        kind = message.get("type", "")
        text = " ".join([kind, message.get("peeruri") or "", message.get("param") or ""])
        self.log.line("EVENT " + text)
        self.log.event(self.EVENTS.get(kind, Event.OTHER), text)


def split_netstring(buffer: bytes) -> Optional[tuple[bytes, bytes]]:
    """The first whole netstring of `buffer` and what follows it."""
    length, colon, rest = buffer.partition(b":")
    if not colon or len(rest) < int(length) + 1:
        return None
    return rest[: int(length)], rest[int(length) + 1 :]
