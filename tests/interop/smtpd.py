#!/usr/bin/env python3
"""A mail server (aiosmtpd) that takes mails over STARTTLS from whoever logs in, and keeps each as a file.

    smtpd.py ADDRESS PORT CERTIFICATE KEY NAME PASSWORD FOLDER

Prints `ready` when it listens. Ends with its standard input.
"""

import ssl
import sys
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Keep:
    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        kept = self.folder / f"{self.count}.part"
        kept.write_bytes(f"X-To: {','.join(envelope.rcpt_tos)}\r\n".encode() + envelope.content)
        kept.rename(self.folder / f"{self.count}.eml")
        return "250 taken"


def main() -> None:
    address, port, certificate, key, name, password, folder = sys.argv[1:]

    def who(server, session, envelope, mechanism, data) -> AuthResult:
        good = (data.login, data.password) == (name.encode(), password.encode())
        return AuthResult(success=good, handled=good)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    controller = Controller(
        Keep(Path(folder)), hostname=address, port=int(port), tls_context=context, require_starttls=True,
        auth_required=True, auth_require_tls=True, authenticator=who,
    )  # fmt: skip
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()
    controller.stop()


main()
