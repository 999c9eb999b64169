"""linphonec 5.1, headless."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import Iterable, Optional, Sequence

from client import Client, ClientError, Event, Identity, Place


class Linphone(Client):
    """linphonec 5.1, controlled over its standard input.

    It reads one command a second. `codecs` are names at rates ("PCMU/8000").
    `dtmf` is "rtpevent" or "info". With `auto_answer` it answers by itself.
    Where a registrar grants it a GRUU, its Contact is one. With `provisioning` it fetches its
    account from that link, and knows nothing of it before.
    """

    ALL_CODECS = (
        "opus/48000", "speex/16000", "speex/8000", "PCMU/8000", "PCMA/8000",
        "GSM/8000", "G722/8000", "G729/8000", "speex/32000", "G726-16/8000",
        "G726-24/8000", "G726-32/8000", "G726-40/8000", "AAL2-G726-16/8000",
        "AAL2-G726-24/8000", "AAL2-G726-32/8000", "AAL2-G726-40/8000", "L16/44100",
    )  # fmt: skip
    # Its lines of output, and what they mean; the first that matches counts.
    EVENTS = (
        (r"(^|> )registered, identity", Event.REGISTERED),
        (r"Registration on .* failed", Event.REGISTER_FAILED),
        (r"is contacting you|Receiving new incoming call", Event.INCOMING),
        (r"Call \d+ .* early media", Event.PROGRESS),
        (r"Call \d+ .* ringing", Event.RINGING),
        (r"Call \d+ .* connected", Event.ESTABLISHED),
        (r"Call \d+ .* is now paused", Event.HELD),
        (r"Media streams established", Event.RESUMED),
        (r"Receiving tone|tone .* received", Event.DIGIT),
        (r"Call \d+ .* (ended|error)|Call declined|User is busy", Event.CLOSED),
    )
    COMMAND_S = 1.05

    def __init__(
        self,
        identity: Identity,
        folder: Path,
        microphone: Path,
        codecs: Sequence[str] = ("PCMU/8000", "PCMA/8000"),
        dtmf: str = "rtpevent",
        auto_answer: bool = False,
        encrypted: bool = False,
        provisioning: str = "",
        place: Optional[Place] = None,
    ):
        super().__init__(identity, folder, place)
        self.microphone = Path(microphone)
        self.codecs = tuple(codecs)
        self.dtmf = dtmf
        self.auto_answer = auto_answer
        self.encrypted = encrypted
        self.provisioning = provisioning
        self._last_command = 0.0

    def start(self) -> None:
        # Without this folder its core starts without any transport.
        (self.folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        (self.folder / "rc").write_text(self._config())
        answer = ["-a"] if self.auto_answer else []
        argv = ["linphonec", *answer, "-c", "rc", "-d", "1", "-l", "debug.log"]
        # A pipe would make it keep its output to itself until it ends.
        self._spawn(["stdbuf", "-oL", *argv], {"HOME": str(self.folder)}, stdin=subprocess.PIPE)
        self.wait_for_line("linphonec>|Warning", 10)
        self.command("soundcard use files")
        self.command(f"record {self.folder}/heard.wav")
        self.command(f"play {self.microphone}")
        self.wait_for_line(r"linphonec> play ", 10)
        if self.identity.register:
            self._wait_registered(15)

    def _wait_registered(self, seconds: float) -> None:
        """It does not say so by itself: ask."""
        deadline = time.monotonic() + seconds
        while not self.events(Event.REGISTERED):
            if time.monotonic() > deadline or not self.alive():
                raise self._error(f"not registered in {seconds} s")
            self.command("status register")

    def quit(self) -> None:
        """Ask it to end (it hangs up and unregisters), then insist."""
        if self.alive():
            with contextlib.suppress(OSError, ClientError):
                self.command("terminate all")
                self.command("quit")
                self.wait_end(6)
        self.kill()

    # -- what a person does with it --

    def dial(self, uri: str) -> None:
        self.command(f"call {uri}")

    def answer(self) -> None:
        self.command("answer")

    def digits(self, keys: str, gap_s: float = 0.0) -> None:
        """Press `keys`, one a second."""
        for key in keys:
            self.command(key)
            time.sleep(gap_s)

    def hold(self, seconds: float = 5) -> None:
        self.command("pause")
        self.wait_for(Event.HELD, seconds)

    def resume(self, seconds: float = 5) -> None:
        self.command("resume")
        self.wait_for(Event.RESUMED, seconds)

    def transfer(self, uri: str, call: int = 1) -> None:
        self.command(f"transfer {call} {uri}")

    def transfer_to_call(self, call: int, other: int) -> None:
        """An attended transfer: `call` is connected with `other`."""
        self.command(f"transfer {call} --to-call {other}")

    def hangup(self) -> None:
        self.command("terminate")

    def heard(self) -> list[Path]:
        """The WAV of what it heard, over all of its calls."""
        path = self.folder / "heard.wav"
        return [path] if path.exists() else []

    def command(self, line: str) -> None:
        """Type a line, not before it has read the one before."""
        wait = self._last_command + self.COMMAND_S - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._process.stdin.write((line + "\n").encode())
        self._process.stdin.flush()
        self._last_command = time.monotonic()

    # -- below --

    def _heard_line(self, text: str) -> None:
        super()._heard_line(text)
        for pattern, what in self.EVENTS:
            if re.search(pattern, text):
                self.log.event(what, text)
                return

    def _config(self) -> str:
        me = self.identity
        info = self.dtmf == "info"
        udp, tcp, tls = (me.sip_port if me.transport == kind else -2 for kind in ("udp", "tcp", "tls"))
        encryption = "srtp" if self.encrypted else "none"
        lines = [
            "[net]", "mtu=1300",
            "[sip]",
            f"bind_address={me.address}",
            f"sip_port={udp}", f"sip_tcp_port={tcp}", f"sip_tls_port={tls}",
            "guess_hostname=0", f"contact=sip:{me.user}@{me.address}",
            f"use_ipv6={int(':' in me.address)}",
            f"default_proxy={0 if me.server else -1}",
            f"use_info={int(info)}", f"use_rfc2833={int(not info)}",
            "verify_server_certs=0", "verify_server_cn=0", f"media_encryption={encryption}",
            f"media_encryption_mandatory={int(self.encrypted)}",
            "register_only_when_network_is_up=0", "auto_net_state_mon=0",
            "[rtp]",
            f"bind_address={me.address}",
            f"audio_rtp_port={me.media_ports[0]}-{me.media_ports[1]}",
            "[sound]", "echocancellation=0", "ec_tail_len=0", "agc=0",
            "[video]", "enabled=0", "capture=0", "display=0",
        ]  # fmt: skip
        return "\n".join([*lines, *self._proxy(), *self._codec_sections()]) + "\n"

    def _proxy(self) -> list[str]:
        me = self.identity
        if self.provisioning:
            return ["[misc]", f"config-uri={self.provisioning}"]
        if not me.server:
            return []
        return [
            "[proxy_0]",
            f"reg_proxy=<sip:{me.server};transport={me.transport}>",
            f"reg_route=<sip:{me.server};transport={me.transport};lr>",
            f"reg_identity={me.uri()}",
            f"reg_expires={me.expires_s}",
            f"reg_sendregister={int(me.register)}",
            "publish=0", "dial_escape_plus=0",
            "[auth_info_0]", f"username={me.user}", f"passwd={me.password}",
            "realm=*", f"domain={me.domain}",
        ]  # fmt: skip

    def _codec_sections(self) -> Iterable[str]:
        order = [*self.codecs, *(c for c in self.ALL_CODECS if c not in self.codecs)]
        for index, codec in enumerate(order):
            name, rate = codec.split("/")[:2]
            yield f"[audio_codec_{index}]"
            yield f"mime={name}"
            yield f"rate={rate}"
            yield f"channels={2 if name == 'opus' else 1}"
            yield f"enabled={int(codec in self.codecs)}"
