"""A message that a telephone leaves is mailed, over a real mail server."""

from __future__ import annotations

import email
import email.policy
import os
import subprocess
import sys
from pathlib import Path

import sound
from clients import Event
from service import eventually
from stage import DOMAIN, SERVER, Stage, talk_for

PORT = 2525
BOX = """
[[voicemail]]
number = "202"
name = "Bob"
owner = "user:202"
password = "4711"
email = "bob@example.org"
language = "de"
attach_audio = true
"""


def mail_server(s: Stage) -> Path:
    """Starts aiosmtpd beside the service; the folder of its mails."""
    s.certificate("smtp")
    folder = s.folder / "mails"
    folder.mkdir()
    python = os.environ.get("TELEGRAPHONE_SMTPD_PYTHON", sys.executable)
    argv = [python, str(Path(__file__).resolve().parent / "smtpd.py"), SERVER, str(PORT)]
    argv += [str(s.folder / "smtp.crt"), str(s.folder / "smtp.key"), "voice", "mail-secret", str(folder)]
    server = subprocess.Popen(s.lan.hub.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    s.stack.callback(server.kill)
    assert server.stdout and server.stdout.readline() == "ready\n", "aiosmtpd did not start: pip install aiosmtpd"
    return folder


def message_is_mailed_with_its_audio(s: Stage) -> None:
    mails = mail_server(s)
    (s.folder / "smtp.password").write_text("mail-secret\n")
    mail = f"""
[mail]
server = "{SERVER}"
port = {PORT}
encryption = "starttls"
user = "voice"
password_file = "{s.folder}/smtp.password"
authorities = "{s.folder}/ca.crt"
from = "Voicemail <voice@{DOMAIN}>"
"""
    service = s.service(start=False)
    service.config.write_text(service.config.read_text() + mail)
    service.company.write_text(service.company.read_text() + BOX)
    s.stack.enter_context(service)
    # Bob has no device: the call goes to his box. Alice speaks after the tone, and hangs up.
    alice = s.baresip("201")
    alice.dial(f"sip:202@{DOMAIN}")
    alice.wait_for(Event.ESTABLISHED, 10)
    talk_for(18)
    alice.hangup()
    found = eventually(lambda: list(mails.glob("*.eml")), 20, "no mail came")
    message = email.message_from_bytes(found[0].read_bytes(), policy=email.policy.default)
    assert message["X-To"] == "bob@example.org" and message["From"] == f"Voicemail <voice@{DOMAIN}>", dict(message)
    assert message["Subject"] == "Neue Sprachnachricht von Alice <201> im Postfach 202", message["Subject"]
    body = message.get_body(("plain",)).get_content()
    assert "Guten Tag Bob," in body and "Länge: 0:" in body, body
    audio = [part for part in message.iter_attachments() if part.get_content_type() == "audio/wav"]
    assert len(audio) == 1, [part.get_content_type() for part in message.walk()]
    path = s.folder / "message.wav"
    path.write_bytes(audio[0].get_content())
    wav = sound.read(path)
    assert len(wav.channels) == 1, "a message is mono"
    assert max(map(abs, wav.channels[0])) > 1000, "nothing is heard in the message"


SCENARIOS = [message_is_mailed_with_its_audio]
