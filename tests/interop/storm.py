"""Ten thousand calls, a third of them cancelled, refused, abandoned or without RTP; nothing may be left.

    storm.py --binary PATH [--calls 10000] [--rate 100]

A load run, not a test of `run.py`: it takes some minutes. The carrier (127.0.0.2) calls a number, one
device (127.0.0.3) takes, refuses or ignores the calls. Afterwards the service must have no call,
transaction, dialog or timer, as many free ports as before, and no more memory than the warm-up took.
"""

import argparse
import hashlib
import json
import pathlib
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

COMPANY = """
[[company]]
key = "storm"
name = "Storm"
domains = ["storm.example"]
[company.settings]
record_inbound = true
[[user]]
extension = "201"
name = "Device"
password = "storm-secret"
[[number]]
number = "+15550100"
route = "user:201"
[[trunk]]
name = "carrier"
addresses = ["127.0.0.2"]
host = "127.0.0.2"
port = 5060
"""

KINDS = ["talk", "talk", "talk", "talk", "talk", "talk", "cancelled", "refused", "abandoned", "silent"]


def udp(ip):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((ip, 0))
    s.setblocking(False)
    return s


def header(text, name):
    found = re.search(rf"^{name}:\s*(.*?)\r$", text, re.M | re.I)
    return found.group(1) if found else ""


class Storm:
    def __init__(self, service):
        self.service = service
        self.carrier, self.device, self.media = udp("127.0.0.2"), udp("127.0.0.3"), udp("127.0.0.2")
        self.calls, self.answered, self.failed = {}, 0, []
        self.due = []

    def at(self, seconds, action):
        self.due.append((time.monotonic() + seconds, action))

    def register(self):
        ip, port = self.device.getsockname()
        extra = ""
        for n in (1, 2):
            self.device.sendto((f"REGISTER sip:storm.example SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};branch=z9hG4bKr{n};rport\r\n"
                                f"Max-Forwards: 70\r\nFrom: <sip:201@storm.example>;tag=r\r\nTo: <sip:201@storm.example>\r\n"
                                f"Call-ID: reg\r\nCSeq: {n} REGISTER\r\nContact: <sip:201@{ip}:{port}>\r\nExpires: 3600\r\n"
                                f"{extra}Content-Length: 0\r\n\r\n").encode(), self.service)
            select.select([self.device], [], [], 3)
            text = self.device.recv(65535).decode()
            if " 200 " in text.split("\r\n")[0]:
                return
            challenge = dict(re.findall(r'(\w+)="?([^",]+)"?', header(text, "WWW-Authenticate")))
            md5 = lambda t: hashlib.md5(t.encode()).hexdigest()
            ha1 = md5(f"201:{challenge['realm']}:storm-secret")
            ha2 = md5("REGISTER:sip:storm.example")
            response = md5(f"{ha1}:{challenge['nonce']}:00000001:c:auth:{ha2}")
            extra = (f'Authorization: Digest username="201", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", '
                     f'uri="sip:storm.example", algorithm=MD5, qop=auth, nc=00000001, cnonce="c", response="{response}"\r\n')
        sys.exit("the device could not register")

    def sdp(self, ip):
        port = self.media.getsockname()[1]
        return f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"

    def head(self, n, method, target, to, branch):
        ip, port = self.carrier.getsockname()
        return (f"{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:+1666{n:06}@{ip}:{port}>;tag=c{n}\r\nTo: {to}\r\nCall-ID: storm-{n}\r\n")

    def invite(self, n):
        kind = KINDS[n % len(KINDS)]
        to = f"<sip:+15550100@{self.service[0]}:{self.service[1]}>"
        self.calls[n] = {"kind": kind, "to": to, "target": to.strip("<>"), "state": "inviting"}
        ip, port = self.carrier.getsockname()
        body = self.sdp("127.0.0.2")
        self.send(self.head(n, "INVITE", to.strip("<>"), to, f"i{n}") + f"CSeq: 1 INVITE\r\nContact: <sip:c@{ip}:{port}>\r\n"
                  f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        if kind == "cancelled":
            self.at(0.15, lambda: self.send(self.head(n, "CANCEL", to.strip("<>"), to, f"i{n}") + "CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n"))

    def send(self, text):
        self.carrier.sendto(text.encode(), self.service)

    def from_service(self, text):
        line = text.split("\r\n")[0]
        if not line.startswith("SIP/2.0"):  # a BYE of the service: the call was abandoned
            self.reply(self.carrier, text, "200 OK", "")
            return
        status, n = int(line.split()[1]), int(header(text, "Call-ID").split("-")[1])
        call, cseq = self.calls[n], header(text, "CSeq")
        if "INVITE" not in cseq or status < 200:
            return
        to = header(text, "To")
        if status >= 300:
            self.send(self.head(n, "ACK", call["target"], to, f"i{n}") + "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n")
            if call["kind"] not in ("cancelled", "refused"):
                self.failed.append((n, call["kind"], status))
            call["state"] = "over"
            return
        target = re.search(r"<(.*?)>", header(text, "Contact")).group(1)
        self.send(self.head(n, "ACK", target, to, f"a{n}") + "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n")
        if call["state"] != "inviting":
            return
        call["state"] = "up"
        self.answered += 1
        port = int(re.search(r"m=audio (\d+)", text).group(1))
        if call["kind"] in ("talk", "abandoned"):
            for k in range(5):
                packet = bytes([0x80, 0]) + k.to_bytes(2, "big") + (160 * k).to_bytes(4, "big") + n.to_bytes(4, "big") + b"\x2a" * 160
                self.at(0.1 * k, lambda packet=packet: self.media.sendto(packet, (self.service[0], port)))
        if call["kind"] in ("talk", "silent"):
            bye = self.head(n, "BYE", target, to, f"b{n}") + "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
            self.at(3.0, lambda: self.send(bye))

    def at_device(self, text, source):
        method = text.split(" ")[0]
        if method == "INVITE":
            n = int(re.search(r"sip:\+1666(\d+)@", header(text, "From")).group(1))
            kind = self.calls[n]["kind"]
            if kind == "refused":
                self.reply(self.device, text, "486 Busy Here", "")
            elif kind == "cancelled":
                self.calls[n]["invite"] = text
                self.reply(self.device, text, "180 Ringing", "")
            else:
                self.reply(self.device, text, "200 OK", self.sdp("127.0.0.3"))
        elif method == "CANCEL":
            self.reply(self.device, text, "200 OK", "")
            n = int(re.search(r"sip:\+1666(\d+)@", header(text, "From")).group(1))
            self.reply(self.device, self.calls[n]["invite"], "487 Request Terminated", "")
        elif method != "ACK":
            self.reply(self.device, text, "200 OK", "")

    def reply(self, sock, request, status, body):
        vias = "".join(f"Via: {v}\r\n" for v in re.findall(r"^Via:\s*(.*?)\r$", request, re.M | re.I))
        to = header(request, "To")
        to = to if ";tag=" in to else f"{to};tag=d"
        ip, port = sock.getsockname()
        kind = "Content-Type: application/sdp\r\n" if body else ""
        sock.sendto((f"SIP/2.0 {status}\r\n{vias}From: {header(request, 'From')}\r\nTo: {to}\r\nCall-ID: {header(request, 'Call-ID')}\r\n"
                     f"CSeq: {header(request, 'CSeq')}\r\nContact: <sip:201@{ip}:{port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}").encode(),
                    self.service)

    def turn(self, patience):
        ready, _, _ = select.select([self.carrier, self.device], [], [], patience)
        for sock in ready:
            for _ in range(200):
                try:
                    data, source = sock.recvfrom(65535)
                except BlockingIOError:
                    break
                self.from_service(data.decode()) if sock is self.carrier else self.at_device(data.decode(), source)
        now = time.monotonic()
        ripe, self.due = [a for t, a in self.due if t <= now], [(t, a) for t, a in self.due if t > now]
        for action in ripe:
            action()

    def run(self, first, count, rate):
        begun = time.monotonic()
        for n in range(first, first + count):
            while time.monotonic() < begun + (n - first) / rate:
                self.turn(0.002)
            self.invite(n)
            self.turn(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        port = udp("127.0.0.1").getsockname()[1]
        (place / "t.toml").write_text(
            f'data_dir = "{place}/data"\n[sip]\nlisten = [{{ transport = "udp", address = "127.0.0.1:{port}" }}]\n'
            '[rtp]\nport_min = 10000\nport_max = 29999\nsilence_timeout_s = 8\n[log]\nfilter = "warn"\n')
        (place / "c.toml").write_text(COMPANY)
        base = [options.binary, "--config", str(place / "t.toml")]
        subprocess.run([*base, "apply", str(place / "c.toml")], check=True, stdout=subprocess.DEVNULL)
        service = subprocess.Popen([*base, "serve"], stdout=subprocess.PIPE)
        service.stdout.readline()
        status = lambda: json.loads(subprocess.run([*base, "status", "--json"], check=True, capture_output=True).stdout)["status"]
        memory = lambda: int(pathlib.Path(f"/proc/{service.pid}/statm").read_text().split()[1]) * 4
        files = lambda: len(list(pathlib.Path(f"/proc/{service.pid}/fd").iterdir()))
        try:
            storm = Storm(("127.0.0.1", port))
            storm.register()
            ports = status()["free_ports"]

            def settle(seconds):
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    storm.turn(0.05)

            storm.run(0, 1_000, options.rate)
            settle(50)
            before, descriptors = memory(), files()
            begun = time.monotonic()
            storm.run(1_000, options.calls, options.rate)
            took = time.monotonic() - begun
            settle(50)
            after = status()
            print(f"calls {options.calls} in {took:.0f} s, answered {storm.answered}, refused against expectation {len(storm.failed)}")
            print(f"memory {before} KiB before, {memory()} KiB after; descriptors {descriptors} before, {files()} after")
            print(f"left over (calls, transactions, requests, dialogs, timers) {after['leftovers']}, free ports {after['free_ports']} of {ports}")
            recordings = len(list((place / "data" / "recordings").rglob("*.wav")))
            parts = len(list((place / "data" / "recordings").rglob("*.part")))
            print(f"recordings {recordings}, unfinished {parts}")
            good = not storm.failed and not any(after["leftovers"]) and after["free_ports"] == ports and recordings == storm.answered and parts == 0
            return 0 if good else 1
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    sys.exit(main())
