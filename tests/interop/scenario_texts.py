"""Text messages: a carrier as sipp plays it, a phone as baresip is one."""

from __future__ import annotations

from service import eventually
from stage import CARRIER, DOMAIN, NUMBER, SERVER, Stage

OUTSIDE = "+442079460000"
TEXT = "Is the bolt in stock?"
ANSWER = "Twenty of them"
# What baresip shows of a text needs a terminal; that it has one to show, it says by playing this.
ARRIVED = "message.wav"


def brings(s: Stage, text: str = TEXT) -> None:
    """The carrier brings a text to the number."""
    keys = {"number": NUMBER, "text": text}
    s.sipp("text-carrier", OUTSIDE, CARRIER, target=f"{SERVER}:5060", keys=keys).run(10)


def takes(s: Stage):
    """The carrier, which takes the answer."""
    return s.sipp("text-taken", OUTSIDE, CARRIER, keys={"answer": ANSWER})


def said(service) -> list[tuple[str, str]]:
    """Kind and state of what was written, the oldest first; nothing before there is a conversation."""
    conversations = service.ask("conversation", "list")["conversations"]
    if not conversations:
        return []
    shown = service.ask("conversation", "show", str(conversations[0]["id"]))["messages"]
    return [(message["kind"], message["state"]) for message in shown]


def text_comes_and_is_answered(s: Stage) -> None:
    """A text to her number shows on Alice's phone; her answer leaves from that number, and is delivered."""
    service = s.service()
    alice = s.baresip("201", contact=f"sip:{OUTSIDE}@{DOMAIN}")
    brings(s)
    alice.wait_for_line(ARRIVED, 8)
    carrier = takes(s)
    alice.write(ANSWER)
    carrier.run(10)
    eventually(lambda: said(service) == [("in", "received"), ("out", "delivered")], 5, "the answer is not delivered")


def phone_that_was_off_gets_what_it_missed(s: Stage) -> None:
    """The text waits for Alice's phone, also while the service is started anew."""
    service = s.service()
    alice = s.baresip("201", contact=f"sip:{OUTSIDE}@{DOMAIN}")
    alice.quit()
    brings(s)
    eventually(lambda: len(said(service)) == 1, 5, "the text is not stored")
    assert service.terminate(10) == 0
    service.restart()
    alice.start()
    alice.wait_for_line(ARRIVED, 10)
    carrier = takes(s)
    alice.write(ANSWER)
    carrier.run(10)


SCENARIOS = [text_comes_and_is_answered, phone_that_was_off_gets_what_it_missed]
