#!/usr/bin/env python3
"""Ten minutes of speech without a key in it, and keys that are there, through `replay`.

    python3 tests/interop/talk_off.py --binary target/debug/telegraphone

The speech is made with voices of espeak-ng and goes into a capture without
telephone events, so the service listens to the audio for keys. It must hear
none in the speech, and each of those that are mixed in afterwards.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sound import ulaw  # noqa: E402

TEXT = (
    "Good morning, thank you for calling Acme Plumbing, my name is Sarah, how can I help you today? "
    "I would like to order three boxes of the blue tiles, please, and have them delivered on Tuesday. "
    "May I have your account number? It is seven seven two, nine four one, zero eight. Thank you. "
    "The price is two hundred and forty nine dollars and ninety nine cents, including delivery. "
    "Yes, I have the card here. One moment, I will pause the recording. The weather has been awful lately. "
    "We had hail the size of golf balls, and the roof of the garage is ruined. Peter Piper picked a peck of "
    "pickled peppers. How much wood would a woodchuck chuck? Oh no, I forgot to mention the discount code. "
    "Eee, aah, ooh, mmm, hello? Are you still there? We were away a year ago. Zebras zigzag zealously."
)
VOICES = ["en-us", "en-gb", "en-gb-scotland", "en-us+f1", "en-us+f3", "en-gb+f5", "en-us+m3", "en-us+m7", "en-gb+croak", "de", "fr", "es"]
SPEEDS = [130, 175]
RATE, FRAME = 8000, 160
ROWS, COLUMNS, PAD = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"
LEAST_S = 600


def speech(folder: Path) -> array:
    """Every voice at every speed, one after the other, at -6 dB of full scale."""
    samples = array("h")
    for voice in VOICES:
        for speed in SPEEDS:
            said, raw = folder / "said.wav", folder / "said.raw"
            subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", said, TEXT], check=True)
            subprocess.run(["sox", said, "-r", str(RATE), "-c", "1", "-t", "s16", raw, "gain", "-n", "-6"], check=True)
            part = array("h")
            part.frombytes(raw.read_bytes())
            samples.extend(part)
    return samples


def keys(text: str) -> array:
    """60 ms of each key and 60 ms of silence."""
    samples = array("h")
    for key in text:
        row, column = ROWS[PAD.index(key) // 4], COLUMNS[PAD.index(key) % 4]
        wave = lambda hz, n: 5000 * math.sin(2 * math.pi * hz * n / RATE)
        samples.extend(round(wave(row, n) + wave(column, n)) for n in range(480))
        samples.extend([0] * 480)
    return samples


def capture(path: Path, samples: array) -> None:
    """The samples as a stream of PCMU and nothing else, and a second one back that is silent."""
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for at in range(len(samples) // FRAME):
        loud = bytes(map(ulaw, samples[at * FRAME : (at + 1) * FRAME]))
        for source, port, to, to_port, ssrc, payload in (
            (11, 21000, 12, 22000, 1, loud),
            (12, 22000, 11, 21000, 2, b"\xff" * FRAME),
        ):
            rtp = struct.pack("!BBHII", 0x80, 0, at & 0xFFFF, at * FRAME, ssrc) + payload
            udp = struct.pack("!HHHH", port, to_port, 8 + len(rtp), 0) + rtp
            ends = bytes([198, 51, 100, source, 198, 51, 100, to])
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends + udp
            frame = bytes(12) + b"\x08\x00" + ip
            out += struct.pack("<IIII", at // 50, at % 50 * 20000, len(frame), len(frame)) + frame
    path.write_bytes(out)


def heard(binary: Path, folder: Path, name: str, samples: array) -> int:
    """How many keys the replay found; it never says which."""
    target = folder / f"{name}.pcap"
    capture(target, samples)
    argv = [binary, "replay", "--json", "--rtp-only", "--out", folder / name, target]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    calls = [call for one in (report if isinstance(report, list) else [report]) for call in one["calls"]]
    assert len(calls) == 1, f"{len(calls)} calls"
    assert calls[0]["callee"]["other_digits"] == 0, "keys in silence"
    return calls[0]["caller"]["other_digits"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    binary = parser.parse_args().binary
    with tempfile.TemporaryDirectory(prefix="talk-off-") as name:
        folder = Path(name)
        said = speech(folder)
        seconds = len(said) / RATE
        assert seconds >= LEAST_S, f"only {seconds:.0f} s of speech"
        false = heard(binary, folder, "speech", said)
        assert false == 0, f"{false} keys in {seconds:.0f} s of speech"
        found = heard(binary, folder, "keys", said[: RATE * 5] + keys(PAD * 2) + said[: RATE * 5])
        assert found == 2 * len(PAD), f"{found} of {2 * len(PAD)} keys"
    print(f"no key in {seconds:.0f} s of speech, all of {2 * len(PAD)} that were there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
