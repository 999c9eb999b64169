"""Commands, digits, hold, the company's toggles, the operator's commands, exactness."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import sound
from clients import Client, Event
from phone import Phone, pcmu_tone
from service import Service, eventually
from stage import CARRIER, DOMAIN, HOSTS, NUMBER, SERVER, Stage, connect, decode, hang_up, heard, talk_for

RATE = 8000


def recording_switched(service: Service, on: bool, seconds: float = 12) -> None:
    word = "start or resume" if on else "pause"
    eventually(lambda: [c for c in service.calls() if c["recording"] is on], seconds, f"no {word} of the recording")


def positions(recording: dict, kind: str) -> list[int]:
    return [m["at"] for m in recording["sidecar"]["markers"] if m["kind"] == kind]


def check_one_pause(service: Service, how: str, talk_s: float = 1.0, edge_s: float = 0.1) -> dict:
    """The recording is tones, silence of both from `pause` to `resume`, tones."""
    recording = service.finished(1)[0]
    pauses, resumes = positions(recording, "pause"), positions(recording, "resume")
    assert len(pauses) == 1 and len(resumes) == 1, f"pauses {pauses}, resumes {resumes}"
    begin, end = pauses[0] / RATE, resumes[0] / RATE
    assert end - begin > 1.5, f"the pause is {end - begin} s"
    changes = recording["sidecar"]["changes"]
    assert [c["how"] for c in changes] == [how, how], changes
    wav = sound.read(service.wav(recording))
    for channel, tone in ((0, "4"), (1, "6")):
        samples = wav.channels[channel]
        inside = samples[int((begin + edge_s) * RATE) : int((end - edge_s) * RATE)]
        loud = max(map(abs, inside))
        assert loud <= sound.SILENCE, f"channel {channel} is not silent in the pause: {loud}, {sound.short(wav.track(channel))}"
        before = sound.track(samples[: int((begin - edge_s) * RATE)], RATE)
        after = sound.track(samples[int((end + edge_s) * RATE) :], RATE)
        sound.only(before, tone, share=0.7, at_least_s=talk_s)
        sound.only(after, tone, share=0.7, at_least_s=talk_s)
    cues = sound.riff_chunks(service.wav(recording))["cue "]
    places = [struct.unpack_from("<I", cues, 4 + 24 * n + 4)[0] for n in range(struct.unpack_from("<I", cues)[0])]
    assert pauses[0] in places and resumes[0] in places, f"no cue at the pause: {places}"
    return recording


def command_call(s: Stage, agent: Client, other: Client, service: Service) -> dict:
    """The agent calls, pauses after 2 s, starts again 2 s later."""
    connect(agent, other, f"sip:{other.identity.user}@{DOMAIN}")
    talk_for(2)
    agent.digits("#11#")
    recording_switched(service, False)
    talk_for(2)
    agent.digits("#12#")
    recording_switched(service, True)
    talk_for(2)
    hang_up(agent, other)
    assert not other.events(Event.DIGIT), f"a command reached the other party: {other.events(Event.DIGIT)}"
    how = "info" if agent.dtmf == "info" else "rfc4733"
    return check_one_pause(service, how)


def commands_baresip_rfc4733(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    command_call(s, alice, bob, service)
    alice.quit()
    bob.quit()
    # What the parties hear of each other goes on through the pause.
    for client, tone in ((alice, "6"), (bob, "4")):
        track = heard(client)
        assert track.count(".") < sound.windows(1), f"{client.identity.user} heard {sound.short(track)}"


def commands_linphone_rfc4733(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.linphone("201")
    command_call(s, alice, bob, service)


def commands_linphone_info(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.linphone("201", dtmf="info")
    command_call(s, alice, bob, service)


def commands_sipp_info(s: Stage) -> None:
    """A phone that offers no events and sends `application/dtmf-relay`."""
    service = s.service()
    speech = sound.write_rtp_pcap(s.folder / "speech.pcap", sound.CALLER_HZ, 12)
    bob = s.baresip("202")
    alice = s.sipp(
        "info-commands", "201", HOSTS["201"], f"{SERVER}:5060",
        keys={"callee": "202", "domain": DOMAIN, "speech_pcap": str(speech)},
        # Else it signs the address that it sends to, which is not the URI of its request.
        options=("-auth_uri", f"202@{DOMAIN}"),
    )  # fmt: skip
    bob.wait_for(Event.INCOMING, 8)
    bob.answer()
    alice.run(25)
    bob.wait_for(Event.CLOSED, 5)
    check_one_pause(service, "info")


def callee_commands_too(s: Stage) -> None:
    """Every leg of a user of the company is matched, the called one's as well."""
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1.5)
    bob.digits("#11#")
    recording_switched(service, False)
    talk_for(2)
    bob.digits("#12#")
    recording_switched(service, True)
    talk_for(1.5)
    hang_up(alice, bob)
    check_one_pause(service, "rfc4733")


def analyst_may_not_command(s: Stage) -> None:
    """The command is swallowed, and changes nothing."""
    service = s.service()
    bob, carol = s.baresip("202"), s.baresip("203", microphone=s.low)
    connect(carol, bob, f"sip:202@{DOMAIN}")
    talk_for(1.5)
    carol.digits("#11#")
    talk_for(2)
    assert service.call()["recording"], "an analyst paused the recording"
    hang_up(carol, bob)
    assert not bob.events(Event.DIGIT), "the refused command reached the other party"
    wav = sound.read(service.wav(service.finished(1)[0]))
    sound.only(wav.track(0), "4", at_least_s=3)
    sound.only(wav.track(1), "6", at_least_s=3)


def outside_party_cannot_command(s: Stage) -> None:
    """The carrier's digits pass, whatever they are."""
    service = s.service()
    alice, carrier = s.baresip("201", microphone=s.high), s.carrier(microphone=s.low)
    connect(carrier, alice, f"sip:{NUMBER}@{SERVER}")
    talk_for(1)
    carrier.digits("#11#")
    for _ in range(4):
        alice.wait_for(Event.DIGIT, 5)
    assert service.call()["recording"], "the outside party paused the recording"
    hang_up(carrier, alice)
    service.finished(1)


def digits_pass(s: Stage, caller: Client, callee: Client, service: Service, keys: str) -> None:
    connect(caller, callee, f"sip:{callee.identity.user}@{DOMAIN}")
    talk_for(1)
    caller.digits(keys)
    got = ""
    for _ in keys:
        got += callee.wait_for(Event.DIGIT, 8).text.split()[-1]
    talk_for(0.5)
    hang_up(caller, callee)
    assert got == keys, f"{keys} was pressed, {got} arrived"
    assert len(callee.events(Event.DIGIT)) == len(keys), "keys arrived more than once"
    service.finished(1)
    check_no_trace_of_digits(service, keys)


def check_no_trace_of_digits(service: Service, keys: str) -> None:
    """Not as a string, not one by one with anything between, in no file and no log line."""
    between = rb"[^0-9A-Za-z*#]{0,8}"
    together = re.compile(between.join(re.escape(k.encode()) for k in keys))
    single = re.compile(rb"(?i)\b(digits?|keys?|dtmf|signal|events?_code)\b[\"']?\s*[=:]\s*[\"']?[0-9*#]\b")
    service.run("call", "list")
    for path in [*service.data.rglob("*"), service.log_path]:
        if not path.is_file() or path.name == "reserve":
            continue
        data = path.read_bytes()
        for what in (together, single):
            found = what.search(data) if path.suffix != ".wav" or what is together else None
            if found:
                near = data[max(0, found.start() - 60) : found.end() + 60]
                raise AssertionError(f"the digits stand in {path.name}: {near!r}")


def digits_rfc4733_pass_and_leave_no_trace(s: Stage) -> None:
    service = s.service(filter="trace")
    bob, alice = s.baresip("202"), s.baresip("201")
    digits_pass(s, alice, bob, service, "7391846")


def digits_info_pass_and_leave_no_trace(s: Stage) -> None:
    service = s.service(filter="trace")
    bob, alice = s.baresip("202"), s.linphone("201", dtmf="info")
    digits_pass(s, alice, bob, service, "7391846")


def digits_become_info(s: Stage) -> None:
    """Pressed as events, they reach a phone that offers no events as INFO."""
    service = s.service()
    bob, alice = s.linphone("202", dtmf="info"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    alice.digits("739")
    got = "".join(re.search(r"tone (\S)", bob.wait_for(Event.DIGIT, 8).text).group(1) for _ in range(3))
    assert got == "739", got
    hang_up(alice, bob)
    service.finished(1)


def digits_between_commands(s: Stage) -> None:
    """`#1` is held while it can become a command, and arrives when it cannot."""
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    alice.digits("#15")
    got = "".join(bob.wait_for(Event.DIGIT, 8).text.split()[-1] for _ in range(3))
    assert got == "#15", got
    assert service.call()["recording"]
    hang_up(alice, bob)


def hold_and_resume(caller: Client, callee: Client, service: Service, by_callee: bool = False) -> None:
    holder, who, held_channel = (callee, "callee", 0) if by_callee else (caller, "caller", 1)
    connect(caller, callee, f"sip:{callee.identity.user}@{DOMAIN}")
    talk_for(2)
    holder.hold()
    eventually(lambda: service.call()[who]["held"], 5, "the service does not know of the hold")
    talk_for(2)
    holder.resume()
    eventually(lambda: not service.call()[who]["held"], 5, "the service does not know of the resume")
    talk_for(2)
    hang_up(caller, callee)
    recording = service.finished(1)[0]
    assert recording["state"] == "complete", recording["problem"]
    holds, unholds = positions(recording, "hold"), positions(recording, "unhold")
    assert len(holds) == 1 and len(unholds) == 1, f"holds {holds}, unholds {unholds}"
    begin, end = holds[0] / RATE, unholds[0] / RATE
    assert end - begin > 1.5, f"held for {end - begin} s"
    wav = sound.read(service.wav(recording))
    held = wav.channels[held_channel][int((begin + 0.1) * RATE) : int((end - 0.1) * RATE)]
    assert max(map(abs, held)) <= sound.SILENCE, f"the held party is heard: {sound.short(wav.track(held_channel))}"
    for channel, tone in ((0, "4"), (1, "6")):
        sound.only(wav.track(channel)[: sound.windows(begin)], tone, share=0.8)
        sound.only(wav.track(channel)[sound.windows(end + 0.2) :], tone, share=0.8)


def hold_baresip(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    hold_and_resume(alice, bob, service)


def hold_by_the_callee(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    hold_and_resume(alice, bob, service, by_callee=True)


def hold_linphone(s: Stage) -> None:
    service = s.service()
    bob, alice = s.baresip("202"), s.linphone("201")
    hold_and_resume(alice, bob, service)


def toggle_off_leaves_no_file(s: Stage) -> None:
    service = s.service(extra="record_internal = false")
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()
    assert not call["recording"]
    talk_for(1.5)
    assert not service.files(), service.files()
    hang_up(alice, bob)
    record = service.call_over(call["record"]["id"])
    assert record["decision"] == {"record": False, "because": {"source": "company", "direction": "internal"}}, record
    assert not service.recordings() and not service.files() and not service.events()


def started_by_command(s: Stage) -> None:
    """A call that the company does not record, and `#12#`: the file begins there."""
    service = s.service(extra="record_internal = false")
    bob, alice = s.baresip("202"), s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(2)
    alice.digits("#12#")
    recording_switched(service, True)
    talk_for(2)
    hang_up(alice, bob)
    recording = service.finished(1)[0]
    side = recording["sidecar"]
    # What held at the answer, and what began the recording.
    assert side["decision"]["record"] is False and side["decision"]["because"]["source"] == "company", side["decision"]
    assert [(c["wanted"], c["decision"]["because"]["source"]) for c in side["changes"]] == [(True, "agent_command")]
    assert 2000 < recording["sidecar"]["offset_ms"] < 6000, recording["sidecar"]["offset_ms"]
    assert 1.5 < recording["samples"] / RATE < 3.5, recording["samples"] / RATE


def operator_commands(s: Stage) -> None:
    """`call list|show|pause|resume|hangup`, and what they say where there is nothing."""
    service = s.service()
    bob, alice = s.baresip("202"), s.baresip("201")
    assert service.calls() == []
    connect(alice, bob, f"sip:202@{DOMAIN}")
    call = service.call()["record"]["id"]
    assert call in service.run("call", "list").stdout
    assert "Alice" in service.run("call", "show", call).stdout
    talk_for(1.5)
    service.run("call", "pause", call)
    recording_switched(service, False)
    talk_for(2)
    service.run("call", "resume", call)
    recording_switched(service, True)
    talk_for(1.5)
    service.run("call", "hangup", call)
    alice.wait_for(Event.CLOSED, 5)
    bob.wait_for(Event.CLOSED, 5)
    recording = check_one_pause(service, "cli")
    assert recording["sidecar"]["end_reason"] == {"reason": "operator"}
    assert service.call_record(call)["outcome"] == "completed"
    assert service.run("call", "hangup", call, check=False).returncode != 0
    identity = recording["id"]
    assert identity in service.run("recording", "show", identity).stdout
    service.run("recording", "delete", identity)
    assert not service.files(), service.files()
    wanted = ["recording.finished", "recording.deleted"]
    eventually(lambda: [e["kind"] for e in service.events()] == wanted, 2, "no event of the deletion")


def payloads(capture: Path, source: str) -> bytes:
    """The G.711 payloads that `source` sent, in order of sequence (tcpdump's Ethernet pcap)."""
    found, data, at = {}, capture.read_bytes(), 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame, at = data[at + 16 : at + 16 + size], at + 16 + size
        ip = frame[14:]
        if frame[12:14] != b"\x08\x00" or ip[9] != 17 or ".".join(map(str, ip[12:16])) != source:
            continue
        udp = ip[(ip[0] & 15) * 4 :]
        port, rtp = struct.unpack_from("!H", udp)[0], udp[8:]
        if port != 5060 and len(rtp) == 172 and rtp[0] == 0x80 and rtp[1] & 0x7F in (0, 8):
            found.setdefault(struct.unpack_from("!H", rtp, 2)[0], rtp[12:])
    numbers = sorted(found)
    assert numbers and numbers[-1] - numbers[0] == len(numbers) - 1, f"{source}: not one unbroken run of packets"
    return b"".join(found[n] for n in numbers)


def exact_call(s: Stage, codec: str, decoder: list[str]) -> None:
    """Each channel is what another program decodes from the packets on the wire, sample by sample."""
    fixtures = Path(__file__).resolve().parent.parent.parent / "fixtures" / "speech"
    service = s.service()
    voices = {user: s.folder / f"voice-{user}.wav" for user in ("201", "202")}
    for user, name in (("201", "customer"), ("202", "agent")):
        subprocess.run(["sox", fixtures / f"{name}.wav", voices[user], "repeat", "2"], check=True)
    codecs = (f"{codec}/8000/1",)
    bob = s.baresip("202", microphone=voices["202"], codecs=codecs)
    alice = s.baresip("201", microphone=voices["201"], codecs=codecs)
    capture = s.folder / "wire.pcap"
    with s.dump(capture):
        connect(alice, bob, f"sip:202@{DOMAIN}")
        talk_for(4)
        hang_up(alice, bob)
    wav = sound.read(service.wav(service.finished(1)[0]))
    for channel, user in ((0, "201"), (1, "202")):
        raw = s.folder / f"{user}.raw"
        raw.write_bytes(payloads(capture, HOSTS[user]))
        wire = decode([*[str(raw) if a == "IN" else a for a in decoder]])
        ours = wav.channels[channel].tobytes()
        check_exact(ours, wire, user)


def check_exact(ours: bytes, wire: bytes, who: str) -> None:
    """The recording runs from the answer to the BYE; what it holds of the wire is one piece of it."""
    # Silence stands where a packet came before the answer or was not there yet.
    first = next(at for at in range(0, len(ours), 2) if ours[at : at + 2] != b"\0\0")
    probe = ours[first + 16000 : first + 18000]
    at = wire.index(probe) if probe in wire else -1
    assert at >= 0, f"{who}: nothing of the wire stands in the recording"
    offset = at - (first + 16000)  # bytes of the wire before our first sample
    # Packets that came before the answer are not recorded; from then on all are.
    begin = max(0, -offset)
    end = min(len(ours), len(wire) - offset)
    # A packet's time before the answer, at most.
    edge = 2 * 400
    same = ours[begin + edge : end - edge] == wire[begin + offset + edge : end + offset - edge]
    assert same, f"{who}: the recording differs from the wire"
    assert end - begin > 2 * RATE * 3, f"{who}: only {(end - begin) / 2 / RATE} s could be compared"


def exact_pcmu_by_sox(s: Stage) -> None:
    coded = ["-t", "raw", "-e", "u-law", "-b", "8", "-r", "8000", "-c", "1", "IN"]
    exact_call(s, "PCMU", ["sox", "-D", *coded, "-t", "raw", "-e", "signed", "-b", "16", "-"])


def exact_pcma_by_ffmpeg(s: Stage) -> None:
    exact_call(s, "PCMA", ["ffmpeg", "-v", "error", "-f", "alaw", "-ar", "8000", "-ac", "1", "-i", "IN", "-f", "s16le", "-"])


ULAW_PCM = [0] * 256
for _code in range(256):
    _low = ~_code & 0xFF
    _size = (((_low & 15) << 3) + 0x84) << ((_low & 0x70) >> 4)
    ULAW_PCM[_code] = 0x84 - _size if _low & 0x80 else _size - 0x84


def canary_leaves_no_trace(s: Stage) -> None:
    """Both sides send a known pattern while the recording is paused; after the resume it is nowhere."""
    service = s.service(filter="trace")
    dice = random.Random(4711)
    loud = [code for code in range(256) if code not in (0x7F, 0xFF)]
    canaries = {who: bytes(dice.choices(loud, k=160)) for who in ("a", "b")}
    beacon = bytes(dice.choices(loud, k=160))
    tones = pcmu_tone(sound.CALLER_HZ), pcmu_tone(sound.CALLEE_HZ)
    carrier = s.stack.enter_context(Phone("+442079460000", CARRIER, SERVER, s.host(CARRIER)))
    alice = s.stack.enter_context(Phone("201", HOSTS["201"], SERVER, s.host(HOSTS["201"]), DOMAIN, "alice-secret"))
    alice.register()
    carrier.speak(tones[0])
    alice.speak(tones[1])
    carrier.call(f"sip:{NUMBER}@{SERVER}", alice)
    call = service.call()["record"]["id"]
    talk_for(1)
    carrier.speak(lambda _: beacon)
    talk_for(0.5)
    service.run("call", "pause", call)
    carrier.speak(lambda _: canaries["a"])
    alice.speak(lambda _: canaries["b"])
    talk_for(2)
    for phone, canary in ((alice, canaries["a"]), (carrier, canaries["b"])):
        assert canary in phone.heard(), "the canary did not reach the other side: the test proves nothing"
    carrier.speak(tones[0])
    alice.speak(tones[1])
    talk_for(0.5)
    service.run("call", "resume", call)
    talk_for(1.5)
    for phone in (carrier, alice):
        phone.mute()
    needles = canary_needles(canaries)
    found = [f"{what} at {where}" for what, where in search_memory(service.process.pid, needles)]
    assert not found, "in the process image: " + "; ".join(found[:10])
    for path in [*service.data.rglob("*"), service.log_path]:
        if path.is_file():
            data = path.read_bytes()
            for what, needle in needles:
                assert not needle.search(data), f"{what} stands in {path.name}"
    carrier.hang_up()
    recording = service.finished(1)[0]
    assert len(positions(recording, "pause")) == 1 and len(positions(recording, "resume")) == 1
    data = service.wav(recording).read_bytes()
    for what, needle in needles:
        assert not needle.search(data), f"{what} stands in the recording"
    # What was said before the pause is found this way, so what is not found is not there.
    assert any(needle.search(data) for _, needle in canary_needles({"beacon": beacon})), "the search finds nothing at all"


def canary_needles(canaries: dict[str, bytes]) -> list[tuple[str, re.Pattern]]:
    """As G.711, as samples of one channel, and as one channel of two; any 12 in a row."""
    needles = []
    for who, canary in canaries.items():
        for at in range(0, 160, 16):
            piece = canary[at : at + 12]
            samples = [struct.pack("<h", ULAW_PCM[b]) for b in piece]
            needles.append((f"payload of {who}", re.compile(re.escape(piece))))
            needles.append((f"samples of {who}", re.compile(re.escape(b"".join(samples)))))
            needles.append((f"channel of {who}", re.compile(b"(?s:..)".join(map(re.escape, samples)))))
    return needles


def search_memory(pid: int, needles: list[tuple[str, re.Pattern]]) -> list[tuple[str, str]]:
    """What of `needles` stands in any readable mapping of the process."""
    found = []
    # One pass for what is common to the needles of a kind would find less; the image is small.
    anything = re.compile(b"|".join(b"(?:" + n.pattern + b")" for _, n in needles))
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            span, access, *rest = line.split(maxsplit=5)
            name = rest[-1] if len(rest) == 4 else "anonymous"
            if "r" not in access or name.startswith("[v"):
                continue
            begin, end = (int(n, 16) for n in span.split("-"))
            for at in range(begin, end, 1 << 24):
                try:
                    memory.seek(at)
                    block = memory.read(min(end, at + (1 << 24) + 4096) - at)
                except OSError:
                    continue
                for hit in anything.finditer(block):
                    what = next(w for w, n in needles if n.match(hit.group()))
                    found.append((what, f"{name} {at + hit.start():#x}"))
    return found


SCENARIOS = [
    commands_baresip_rfc4733, commands_linphone_rfc4733, commands_linphone_info, commands_sipp_info,
    callee_commands_too, analyst_may_not_command, outside_party_cannot_command,
    digits_become_info, digits_rfc4733_pass_and_leave_no_trace, digits_info_pass_and_leave_no_trace, digits_between_commands,
    hold_baresip, hold_by_the_callee, hold_linphone, toggle_off_leaves_no_file, started_by_command, operator_commands,
    exact_pcmu_by_sox, exact_pcma_by_ffmpeg, canary_leaves_no_trace,
]  # fmt: skip
