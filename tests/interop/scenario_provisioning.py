"""A softphone that is set up by a link."""

from __future__ import annotations

import http.client
import json

from stage import DOMAIN, HOSTS, PASSWORDS, SERVER, Stage, connect, hang_up, talk_for

PORT = 8080


def ask(s: Stage, host: str, method: str, path: str, body: dict | None = None, headers: dict | None = None):
    """A request to the API from that host: its status, headers and body."""
    connection = http.client.HTTPConnection(SERVER, PORT, timeout=10)
    with s.host(host).entered():
        connection.connect()
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def link_for(s: Stage, user: str) -> str:
    """A link that they make for themselves."""
    credentials = {"company": "acme", "user": user, "password": PASSWORDS[user]}
    status, headers, body = ask(s, HOSTS[user], "POST", "/api/v1/session", credentials)
    assert status == 200, body
    session = {"Cookie": headers["set-cookie"].split(";")[0], "X-CSRF-Token": json.loads(body)["csrf_token"]}
    status, _, body = ask(s, HOSTS[user], "POST", "/api/v1/me/provisioning", {"password": PASSWORDS[user]}, session)
    assert status == 200, body
    return json.loads(body)["url"]


def set_up(s: Stage, tls: bool) -> None:
    service = s.service(tls=tls, start=False)
    # Its own host stands for a proxy: nobody else may come without TLS.
    more = f'\n[http]\nlisten = ["{SERVER}:{PORT}"]\nproxies = ["{HOSTS["202"]}"]\n'
    service.config.write_text(service.config.read_text() + more)
    s.stack.enter_context(service)
    url = link_for(s, "202")
    assert url.startswith(f"http://{SERVER}:{PORT}/provision/"), url
    transport = "tls" if tls else "tcp"
    bob = s.linphone("202", provisioning=url, transport=transport)
    status, _, _ = ask(s, HOSTS["202"], "GET", url.split(str(PORT), 1)[1])
    assert status == 404, "a link is fetched once"
    alice = s.baresip("201")
    connect(alice, bob, f"sip:202@{DOMAIN}")
    talk_for(1)
    hang_up(alice, bob)


def softphone_is_set_up_by_a_link(s: Stage) -> None:
    """Linphone knows nothing but the link: it registers where and as that says, and is called."""
    set_up(s, tls=False)


def softphone_is_set_up_over_tls_by_a_link(s: Stage) -> None:
    """The same, and the link says TLS and SRTP."""
    set_up(s, tls=True)


SCENARIOS = [softphone_is_set_up_by_a_link, softphone_is_set_up_over_tls_by_a_link]
