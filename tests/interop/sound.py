"""WAV files as strings of what is heard: one letter for every 40 ms of a channel.

The callers of this suite play 440 Hz, the callees 620 Hz, so a channel reads
like "....444444444444....": `.` silence, `4` and `6` the tones, `8` the 860 Hz
of a third party (who comes in by a transfer), `?` anything
else (both tones, a key, a window with an edge in it).
"""

from __future__ import annotations

import math
import re
import struct
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

WINDOW_MS = 40
CALLER_HZ, CALLEE_HZ, THIRD_HZ = 440, 620, 860
# Below this peak a window is silence: A-law's and mu-law's own zeroes are at most 8.
SILENCE = 40


@dataclass(frozen=True)
class Wav:
    """A WAV of 16-bit samples, a channel each."""

    rate: int
    channels: tuple[array, ...]

    @property
    def seconds(self) -> float:
        return len(self.channels[0]) / self.rate

    def track(self, channel: int = 0) -> str:
        return track(self.channels[channel], self.rate)


def read(path: Path) -> Wav:
    with wave.open(str(path)) as source:
        if source.getsampwidth() != 2:
            raise AssertionError(f"{path}: {source.getsampwidth()} bytes a sample")
        count, rate = source.getnchannels(), source.getframerate()
        samples = array("h", source.readframes(source.getnframes()))
    return Wav(rate, tuple(samples[at::count] for at in range(count)))


def read_raw(path: Path, rate: int, count: int) -> Wav:
    """The same of a file whose header is not final: 44 bytes or more before `data`."""
    data = path.read_bytes()
    start = data.index(b"data") + 8
    body = data[start : len(data) - (len(data) - start) % (2 * count)]
    samples = array("h", body)
    return Wav(rate, tuple(samples[at::count] for at in range(count)))


def write_tone(path: Path, hz: float, seconds: float = 60, rate: int = 8000, peak: int = 8000) -> Path:
    one = array("h", (round(peak * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate)))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        # A whole number of Hz repeats each second.
        for _ in range(math.ceil(seconds)):
            out.writeframes(one.tobytes())
    return path


def ulaw(sample: int) -> int:
    """G.711 mu-law of a 16-bit sample."""
    sign, rest = (0x80, -sample) if sample < 0 else (0, sample)
    rest = min(rest, 32635) + 132
    exponent = rest.bit_length() - 8
    return ~(sign | exponent << 4 | (rest >> exponent + 3) & 15) & 0xFF


def alaw(sample: int) -> int:
    """G.711 A-law of a 16-bit sample."""
    sign, rest = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    rest = min(rest, 32767) >> 3
    exponent = max(rest.bit_length() - 5, 0)
    mantissa = rest >> (exponent if exponent else 1) & 15
    return (sign | exponent << 4 | mantissa) ^ 0x55


def write_rtp_pcap(path: Path, hz: float, seconds: float, law: str = "u", ssrc: int = 0x1111) -> Path:
    """A capture of a tone as RTP packets of 20 ms, for sipp to play."""
    encode, kind = (ulaw, 0) if law == "u" else (alaw, 8)
    period = bytes(encode(round(8000 * math.sin(2 * math.pi * hz * n / 8000))) for n in range(8000))
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for at in range(round(seconds * 50)):
        payload = (period * 2)[at * 160 % 8000 :][:160]
        rtp = struct.pack("!BBHII", 0x80, kind | (0x80 if at == 0 else 0), at, at * 160, ssrc) + payload
        udp = struct.pack("!HHHH", 6000, 6000, 8 + len(rtp), 0) + rtp
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
        frame = bytes(12) + b"\x08\x00" + ip
        out += struct.pack("<IIII", at // 50, at % 50 * 20000, len(frame), len(frame)) + frame
    path.write_bytes(out)
    return path


def goertzel(samples, hz: float, rate: int) -> float:
    """Amplitude of `hz` in `samples`, through a Hann window."""
    count = len(samples)
    turn = 2 * math.pi * hz / rate
    factor, before, last = 2 * math.cos(turn), 0.0, 0.0
    for at, sample in enumerate(samples):
        weight = 1 - math.cos(2 * math.pi * (at + 0.5) / count)
        before, last = last, sample * weight + factor * last - before
    power = last * last + before * before - factor * last * before
    return 2 * math.sqrt(max(power, 0)) / count


def letter(samples, rate: int) -> str:
    if max(map(abs, samples)) <= SILENCE:
        return "."
    mean_square = sum(s * s for s in samples) / len(samples)
    whole = math.sqrt(2 * mean_square)
    heard = {"4": CALLER_HZ, "6": CALLEE_HZ, "8": THIRD_HZ}
    loud = {name: goertzel(samples, hz, rate) for name, hz in heard.items()}
    best = max(loud, key=loud.get)
    pure = all(level < 0.1 * whole for name, level in loud.items() if name != best)
    return best if pure and loud[best] > 0.8 * whole else "?"


def track(samples, rate: int) -> str:
    step = rate * WINDOW_MS // 1000
    return "".join(letter(samples[at : at + step], rate) for at in range(0, len(samples) - step + 1, step))


def windows(seconds: float) -> int:
    return round(seconds * 1000 / WINDOW_MS)


def runs(text: str) -> list[tuple[str, float, float]]:
    """(letter, begin s, length s) of every stretch of the same letter."""
    found = re.finditer(r"(.)\1*", text)
    unit = WINDOW_MS / 1000
    return [(m.group(1), m.start() * unit, len(m.group()) * unit) for m in found]


def short(text: str) -> str:
    """A track for people: `.x5 4x120`."""
    return " ".join(f"{what}x{round(length * 1000 / WINDOW_MS)}" for what, _, length in runs(text))


def only(text: str, wanted: str, share: float = 0.9, at_least_s: float = 1.0) -> None:
    """The track holds `wanted` and silence, and of edges no more than the rest of `share`."""
    good, strange = text.count(wanted), len(text) - text.count(wanted) - text.count(".")
    if good < windows(at_least_s) or strange > (1 - share) * len(text):
        raise AssertionError(f"expected only {wanted!r}: {short(text)}")
    foreign = {"4", "6", "8"} - {wanted}
    if any(other in text for other in foreign):
        raise AssertionError(f"a tone that does not belong here: {short(text)}")


def riff_chunks(path: Path) -> dict[str, bytes]:
    """The chunks of a WAV by name, without the audio itself."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AssertionError(f"{path} is no WAV")
    if struct.unpack("<I", data[4:8])[0] != len(data) - 8:
        raise AssertionError(f"{path}: the RIFF size is not the file's")
    at, chunks = 12, {}
    while at + 8 <= len(data):
        name, size = data[at : at + 4].decode("latin-1"), struct.unpack("<I", data[at + 4 : at + 8])[0]
        body = data[at + 8 : at + 8 + size]
        if name == "LIST":
            name = "LIST " + body[:4].decode("latin-1")
        chunks[name] = b"" if name == "data" else body
        at += 8 + size + size % 2
    return chunks
