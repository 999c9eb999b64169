"""Codecs beyond G.711: passed through, transcoded, and what the recording makes of them."""

from __future__ import annotations

import sound
from stage import DOMAIN, Stage, connect, hang_up, heard, talk_for

BARESIP = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "G722": "G722/16000/1", "opus": "opus/48000/2"}
LINPHONE = {"PCMU": "PCMU/8000", "PCMA": "PCMA/8000", "G722": "G722/8000", "opus": "opus/48000"}
RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "opus": 48000}


def phone(s: Stage, kind: str, user: str, codec: str):
    """A phone that has this one codec."""
    names = BARESIP if kind == "baresip" else LINPHONE
    return getattr(s, kind)(user, codecs=(names[codec],))


def call(s: Stage, caller: tuple[str, str], callee: tuple[str, str], share: float = 0.9) -> None:
    """Each side is a client and its codec; both WAVs and ours hold the other's tone."""
    service = s.service()
    bob, alice = phone(s, callee[0], "202", callee[1]), phone(s, caller[0], "201", caller[1])
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(3)
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["problem"]
    codecs = [party["codec"] for party in recording["sidecar"]["parties"]]
    assert codecs == [caller[1], callee[1]], codecs
    gaps = [marker for marker in recording["sidecar"]["markers"] if marker["kind"] == "gap"]
    assert not gaps, gaps
    ours = sound.read(service.wav(recording))
    assert ours.rate == min(RATES[caller[1]], RATES[callee[1]]), f"the recording has {ours.rate} Hz"
    sound.only(ours.track(0), "4", share)
    sound.only(ours.track(1), "6", share)
    alice.quit()
    bob.quit()
    sound.only(heard(alice), "6", share)
    sound.only(heard(bob), "4", share)
    service.run("recording", "verify")


def codec_g722(s: Stage) -> None:
    call(s, ("baresip", "G722"), ("baresip", "G722"))


def codec_opus(s: Stage) -> None:
    call(s, ("baresip", "opus"), ("baresip", "opus"))


def codec_g722_to_pcmu(s: Stage) -> None:
    call(s, ("baresip", "G722"), ("baresip", "PCMU"))


def codec_opus_to_pcmu(s: Stage) -> None:
    call(s, ("baresip", "opus"), ("baresip", "PCMU"))


def codec_linphone_opus(s: Stage) -> None:
    call(s, ("linphone", "opus"), ("baresip", "opus"), share=0.8)


def codec_linphone_opus_to_pcmu(s: Stage) -> None:
    call(s, ("linphone", "opus"), ("baresip", "PCMU"), share=0.8)


def codec_linphone_g722_to_pcmu(s: Stage) -> None:
    call(s, ("linphone", "G722"), ("baresip", "PCMU"), share=0.8)


def codec_pcma_to_g722_alone(s: Stage) -> None:
    """The called phone has neither the caller's codec nor G.711: it is offered the others."""
    call(s, ("baresip", "PCMA"), ("baresip", "G722"))


def codec_opus_to_g722_alone(s: Stage) -> None:
    call(s, ("baresip", "opus"), ("baresip", "G722"))


SCENARIOS = [
    codec_g722, codec_opus, codec_g722_to_pcmu, codec_opus_to_pcmu,
    codec_linphone_opus, codec_linphone_opus_to_pcmu, codec_linphone_g722_to_pcmu,
    codec_pcma_to_g722_alone, codec_opus_to_g722_alone,
]  # fmt: skip
