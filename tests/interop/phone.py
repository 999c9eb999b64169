"""A phone of a few lines, for what real clients cannot do: to send given bytes as speech.

UDP, PCMU, one call at a time, no retransmissions: it stands on a network that loses nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
import socket
import struct
import threading
import time
import uuid
from typing import Callable, Optional

import sound
from client import Place

Speech = Callable[[int], bytes]


def pcmu_tone(hz: float) -> Speech:
    """Payloads of a tone, by number of the packet."""
    second = bytes(sound.ulaw(round(8000 * math.sin(2 * math.pi * hz * n / 8000))) for n in range(8000))
    return lambda number: second[number % 50 * 160 :][:160]


class Phone:
    def __init__(self, user: str, address: str, server: str, place: Place, domain: str = "", password: str = ""):
        self.user, self.address, self.server = user, address, server
        self.domain, self.password = domain or server, password
        with place.entered():
            self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((address, 5060))
        self._sip.settimeout(8)
        self._rtp.bind((address, 20000))
        self._rtp.settimeout(0.2)
        self._speech: Optional[Speech] = None
        self._remote: Optional[tuple[str, int]] = None
        self._heard: list[bytes] = []
        self._over = threading.Event()
        self._bye = ""
        self._cseq = 0
        self._ssrc = uuid.uuid4().int & 0xFFFFFFFF

    def __enter__(self) -> "Phone":
        for task in (self._send_rtp, self._receive_rtp):
            threading.Thread(target=task, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._sip.close()
        self._rtp.close()

    # -- what a person does with it --

    def register(self) -> None:
        call = uuid.uuid4().hex
        answer = self._ask(self._register(call))
        if " 401 " in answer.split("\r\n")[0]:
            answer = self._ask(self._register(call, self._credentials(answer, "REGISTER", f"sip:{self.domain}")))
        assert " 200 " in answer.split("\r\n")[0], answer

    def call(self, uri: str, callee: "Phone") -> None:
        """Calls, and lets `callee`, which is ours too, answer."""
        call, tag = uuid.uuid4().hex, uuid.uuid4().hex[:8]
        self._send(self._request("INVITE", uri, uri, call, tag, self._sdp()))
        callee._answer()
        while " 200 " not in (answer := self._receive()).split("\r\n")[0]:
            assert answer.startswith("SIP/2.0 1"), answer
        self._remote = media(answer)
        target, to = header(answer, "Contact").strip("<>"), header(answer, "To")
        self._send(self._request("ACK", target, to, call, tag))
        self._cseq += 1
        self._bye = self._request("BYE", target, to, call, tag)

    def hang_up(self) -> None:
        self._send(self._bye)
        self._receive()

    def speak(self, speech: Speech) -> None:
        self._speech = speech

    def mute(self) -> None:
        """No packet any more; the last one is on its way."""
        self._speech = None

    def heard(self) -> bytes:
        return b"".join(self._heard)

    # -- below --

    def _answer(self) -> None:
        while not (invite := self._receive()).startswith("INVITE"):
            pass
        self._remote = media(invite)
        ours = re.compile(r"(Via|From|Call-ID|CSeq|Record-Route):")
        copied = "".join(f"{line}\r\n" for line in invite.split("\r\n") if ours.match(line))
        body = self._sdp()
        self._send(
            f"SIP/2.0 200 OK\r\n{copied}To: {header(invite, 'To')};tag=callee\r\n"
            f"Contact: <sip:{self.user}@{self.address}>\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )

    def _register(self, call: str, more: str = "") -> str:
        uri = f"sip:{self.domain}"
        contact = f"Contact: <sip:{self.user}@{self.address}>\r\nExpires: 300\r\n"
        return self._request("REGISTER", uri, f"<sip:{self.user}@{self.domain}>", call, "register", more=contact + more)

    def _credentials(self, challenge: str, method: str, uri: str) -> str:
        """RFC 2617 §3.2.2 with qop=auth and MD5."""
        line = header(challenge, "WWW-Authenticate")
        realm, nonce = (re.search(f'{name}="([^"]*)"', line).group(1) for name in ("realm", "nonce"))
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()  # noqa: E731
        ha1, ha2 = md5(f"{self.user}:{realm}:{self.password}"), md5(f"{method}:{uri}")
        response = md5(f"{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0ffee"\r\n'
        )

    def _request(self, method: str, uri: str, to: str, call: str, tag: str, body: str = "", more: str = "") -> str:
        if method != "ACK":
            self._cseq += 1
        to = to if "<" in to else f"<{to}>"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        contact = "" if "Contact:" in more else f"Contact: <sip:{self.user}@{self.address}>\r\n"
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.address}:5060;branch=z9hG4bK{uuid.uuid4().hex}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.user}@{self.domain}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\n"
            f"CSeq: {self._cseq} {method}\r\n{contact}{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def _sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.address}\r\ns=-\r\nc=IN IP4 {self.address}\r\nt=0 0\r\n"
            "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )

    def _send(self, message: str) -> None:
        self._sip.sendto(message.encode(), (self.server, 5060))

    def _receive(self) -> str:
        return self._sip.recv(65536).decode()

    def _ask(self, message: str) -> str:
        self._send(message)
        return self._receive()

    def _send_rtp(self) -> None:
        at, number = time.monotonic(), 0
        while not self._over.wait(max(0, at - time.monotonic())):
            speech, remote = self._speech, self._remote
            if speech and remote:
                head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, self._ssrc)
                try:
                    self._rtp.sendto(head + speech(number), remote)
                except OSError:
                    return
            number, at = number + 1, at + 0.02

    def _receive_rtp(self) -> None:
        while not self._over.is_set():
            try:
                packet = self._rtp.recv(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            self._heard.append(packet[12:])


def header(message: str, name: str) -> str:
    return re.search(rf"(?im)^{name}\s*:\s*(.*?)\r?$", message).group(1)


def media(message: str) -> tuple[str, int]:
    address = re.search(r"(?m)^c=IN IP4 (\S+)", message).group(1)
    return address, int(re.search(r"(?m)^m=audio (\d+)", message).group(1))
