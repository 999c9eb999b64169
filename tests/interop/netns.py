"""Hosts of their own for SIP clients, as nameless network namespaces.

baresip writes the address of the interface with the default route into its
SDP, never a loopback address, and sends RTP from whatever address the kernel
chooses. In a namespace that has one interface only, SIP, SDP and RTP agree.

    with Lan("198.51.100.1") as lan:
        server = subprocess.Popen(lan.hub.command([...]))
        phone = Baresip(Identity("201", "198.51.100.21"), ..., place=lan.host("198.51.100.21"))

The namespaces live as long as a `sleep` that holds each, and leave nothing
behind. They need root (CAP_SYS_ADMIN and CAP_NET_ADMIN).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time
from typing import Sequence

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17
LIFETIME_S = 3600  # a namespace ends by itself should its maker be killed


class Namespace:
    """A network namespace, held by a process of ours."""

    def __init__(self) -> None:
        self._own = os.stat("/proc/self/ns/net").st_ino
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", str(LIFETIME_S)])
        self.pid = self._holder.pid
        self._wait_until_apart(60)
        self.run("ip", "link", "set", "lo", "up")

    def _wait_until_apart(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while os.stat(f"/proc/{self.pid}/ns/net").st_ino == self._own:
            if time.monotonic() > deadline or self._holder.poll() is not None:
                raise RuntimeError("no network namespace: this needs root (or CAP_SYS_ADMIN)")
            time.sleep(0.01)

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--", *argv]

    def run(self, *argv: str) -> None:
        subprocess.run(self.command(argv), check=True)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread makes its sockets in this namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/proc/{self.pid}/ns/net") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def close(self) -> None:
        self._holder.terminate()
        self._holder.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def cable(a: Namespace, name_a: str, b: Namespace, name_b: str) -> None:
    """A virtual Ethernet cable; both ends up, checksums written by the sender.

    The kernel leaves UDP checksums of virtual cables to a card that is not
    there, and a capture would show wrong ones.
    """
    a.run("ip", "link", "add", name_a, "type", "veth", "peer", "name", name_b, "netns", str(b.pid))
    for place, name in ((a, name_a), (b, name_b)):
        _checksum_in_software(place, name)
        place.run("ip", "link", "set", name, "up")


def address(place: Namespace, interface: str, own: str, router: str) -> None:
    """Give `interface` an address, and a default route: clients look for one."""
    if ":" in own:
        place.run("ip", "-6", "addr", "add", f"{own}/64", "dev", interface, "nodad")
        place.run("ip", "-6", "route", "add", "default", "via", router)
    else:
        place.run("ip", "addr", "add", f"{own}/24", "dev", interface)
        place.run("ip", "route", "add", "default", "via", router)


def _checksum_in_software(place: Namespace, interface: str) -> None:
    with place.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        value = array.array("B", struct.pack("II", ETHTOOL_STXCSUM, 0))
        request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


class Lan:
    """A hub, where the server runs, and any number of hosts on its network.

    All hosts stand in a /24 or /64 of the hub's and reach it, and each other
    in the same family.
    """

    def __init__(self, *hub_addresses: str) -> None:
        self.hub_addresses = hub_addresses
        self.hub = Namespace()
        self._hosts: list[Namespace] = []
        # Without an address of its own a bridge takes the lowest of its ports’, and another one when a host joins:
        # whoever had asked for it before would then send to nobody.
        self.hub.run("ip", "link", "add", "hub0", "address", "02:00:5e:00:00:01", "type", "bridge")
        for own in hub_addresses:
            length, no_dad = (64, ["nodad"]) if ":" in own else (24, [])
            self.hub.run("ip", "addr", "add", f"{own}/{length}", "dev", "hub0", *no_dad)
        self.hub.run("ip", "link", "set", "hub0", "up")

    def host(self, own_address: str) -> Namespace:
        """One more host, with one interface and this address."""
        place = Namespace()
        port = f"port{len(self._hosts)}"
        self._hosts.append(place)
        cable(place, "eth0", self.hub, port)
        self.hub.run("ip", "link", "set", port, "master", "hub0")
        router = next(hub for hub in self.hub_addresses if (":" in hub) == (":" in own_address))
        address(place, "eth0", own_address, router)
        return place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for place in [*self._hosts, self.hub]:
            place.close()
