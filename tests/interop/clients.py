"""Real SIP clients, headless: baresip 1.0, linphonec 5.1 and sipp 3.6 as objects.

Each client runs as a child process in a folder of its own, on an address of
its own, plays a WAV as its microphone and keeps a WAV of what it heard. It
registers with a server if it is given one, and calls directly if it is not.

    alice = Baresip(Identity("201", "127.0.5.21"), folder, microphone=wav)
    with alice:                         # start() ... quit()
        alice.dial("sip:202@example.test")
        alice.wait_for(Event.ESTABLISHED, 10)
        alice.digits("#11#")
        alice.hangup()
        alice.wait_for(Event.CLOSED, 5)
    alice.heard()                       # -> [Path of a WAV]

client.py holds what they share, netns.py gives them hosts of their own.
Every wait has a limit in seconds and raises ClientError, with the end of the
client's log, when it passes. Only the standard library is used; nothing but
the processes that were started here is ever ended.
"""

from baresip import Baresip
from client import Client, ClientError, Event, Happened, Here, Identity, Place
from linphone import Linphone
from sipp import Sipp

__all__ = [
    "Baresip", "Client", "ClientError", "Event", "Happened", "Here", "Identity", "Linphone", "Place", "Sipp",
]  # fmt: skip
