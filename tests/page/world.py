"""A service with its page, real phones, and people at browsers; all of it ends with the story.

Service, phones and browsers stand in the network namespaces of the interop suite: a browser sees this
service and nothing else, so that whatever asked for another host would fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import urllib.parse
from pathlib import Path
from typing import Iterator, Optional

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright  # noqa: E402
from service import Service  # noqa: E402
from stage import CARRIER, DOMAIN, PASSWORDS, SERVER, Stage  # noqa: E402
from stage import NUMBER as SHARED  # noqa: E402

HTTP = "127.0.0.1:8080"
BASE = f"http://{HTTP}"
# Alice’s; the shared one is that which the carrier of the interop suite writes to.
NUMBER = "+15550101"
OUTSIDE = "+442079460000"
WEB_PASSWORDS = {**PASSWORDS, "100": "ada-secret", "olga": "olga-secret", "rita": "rita-secret"}
# For what takes milliseconds on a machine that is not overloaded.
SOON_MS = 45_000

CONFIG = f"""
[sip]
listen = [
  {{ transport = "udp", address = "{SERVER}:5060" }},
  {{ transport = "tcp", address = "{SERVER}:5060" }},
]
[http]
listen = ["{HTTP}"]
[recording]
refuse_free_mib = 1
warn_free_mib = 2
[shutdown]
grace_s = 2
"""

COMPANY = f"""
[[company]]
key = "acme"
name = "Acme"
domains = ["{DOMAIN}", "{SERVER}"]
realm = "{DOMAIN}"
default_number = "{NUMBER}"
[company.settings]
record_inbound = true
record_outbound = true
record_internal = true
agent_pause = true
country_code = "1"
destinations = ["+1", "+44"]
[[user]]
extension = "100"
name = "Ada"
password = "{WEB_PASSWORDS['100']}"
role = "admin"
[[user]]
extension = "201"
name = "Alice"
password = "{PASSWORDS['201']}"
role = "agent"
[[user]]
extension = "202"
name = "Bob"
password = "{PASSWORDS['202']}"
role = "agent"
[[user]]
extension = "203"
name = "Carol"
password = "{PASSWORDS['203']}"
role = "agent"
[[group]]
name = "sales"
label = "Sales"
members = ["201", "202"]
[[inbox]]
name = "support"
label = "Support"
members = ["202", "203"]
messaging = ["{SHARED}"]
history = true
[[number]]
number = "{NUMBER}"
route = "user:201"
[[number]]
number = "{SHARED}"
route = "flow:main"
[[flow]]
name = "main"
[[flow.step]]
name = "record"
do = "recording"
on = true
next = "team"
[[flow.step]]
name = "team"
do = "ring"
target = "group:sales"
seconds = 20
next = "message"
[[flow.step]]
name = "message"
do = "voicemail"
box = "8000"
[[voicemail]]
number = "8202"
name = "Bob"
owner = "user:202"
password = "4711"
review = false
[[voicemail]]
number = "8000"
name = "Everybody"
access = "global"
password = "2580"
review = false
[[trunk]]
name = "carrier"
addresses = ["{CARRIER}"]
host = "{CARRIER}"
port = 5060
transport = "udp"
"""

# Chromium of the namespace: no sandbox, since this is root; sounds need no gesture and no device, and the microphone
# is one that beeps.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


def chromium() -> Optional[str]:
    return os.environ.get("TELEGRAPHONE_CHROMIUM") or shutil.which("chromium")


class Tab:
    """A page of a browser, and what went wrong on it. What is expected to go wrong is said before."""

    def __init__(self, page: Page, who: str):
        self.page, self.who = page, who
        self.problems: list[str] = []
        # axe tries styles of its own, which the page's policy does not let it: no fault of the page.
        self.is_examined = False
        self._allowed: set[int] = set()
        page.set_default_timeout(SOON_MS)
        page.set_default_navigation_timeout(4 * SOON_MS)
        page.on("console", lambda message: message.type == "error" and self._console(message))
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("request", lambda request: self._request(request.url))

    def allow(self, *statuses: int) -> None:
        """Answers with these statuses are no fault from here on."""
        self._allowed.update(statuses)

    def go(self, path: str) -> "Tab":
        self.page.goto(BASE + path)
        return self

    def title(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def row(self, text: str):
        """The entry of a list that has this text."""
        return self.page.get_by_role("listitem").filter(has_text=text)

    def ask(self, path: str) -> int:
        """The status of an answer of the API to whoever is logged in here."""
        return self.page.evaluate("async path => (await fetch(path)).status", f"/api/v1{path}")

    def never_reloaded(self) -> None:
        """From here on a new document is a fault that `is_same` finds."""
        self.page.evaluate("window.sameDocument = true")

    def is_same(self) -> bool:
        return self.page.evaluate("window.sameDocument === true")

    def _console(self, message) -> None:
        # Whoever comes to the log-in may have a session: it is asked for, and there is none.
        if "/login" in self.page.url and message.location.get("url", "").endswith("/api/v1/me"):
            return
        # A refused request is a line on the console.
        if any(f"status of {status} " in message.text for status in self._allowed):
            return
        if self.is_examined and "Applying inline style" in message.text:
            return
        self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != HTTP:
            self.problems.append(f"a request to another host: {url}")


class Person:
    """A browser of somebody's own: cookies are shared by its tabs."""

    def __init__(self, context: BrowserContext, who: str, tabs: list[Tab]):
        self.context, self.who, self._tabs = context, who, tabs

    def tab(self, path: str = "") -> Tab:
        tab = Tab(self.context.new_page(), self.who)
        self._tabs.append(tab)
        return tab.go(path) if path else tab

    def log_in(self, password: str = "") -> Tab:
        """At the company; operators and resellers, who have names, above the companies."""
        tab = self.tab("/login")
        page = tab.page
        is_user = self.who.isdigit()
        page.get_by_label("Company").fill("acme" if is_user else "")
        page.get_by_label("Extension or user name").fill(self.who)
        page.get_by_label("Password").fill(password or WEB_PASSWORDS[self.who])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/calls" if is_user else "**/companies")
        return tab


class World(Stage):
    """The stage of the interop suite, with browsers."""

    def __init__(self, binary: Path, folder: Path, stack: contextlib.ExitStack, playwright: Playwright):
        super().__init__(binary, folder, stack)
        self._playwright = playwright
        self._browser: Optional[Browser] = None
        self._tabs: list[Tab] = []

    def open(self) -> Service:
        """The service of the company above, with its page."""
        service = Service(self.binary, self.folder / "service", CONFIG, COMPANY, place=self.lan.hub)
        self.services.append(service)
        return self.stack.enter_context(service)

    def browser(self) -> Browser:
        if self._browser is None:
            wrapper = self.folder / "chromium"
            command = self.lan.hub.command([chromium() or "chromium"])
            wrapper.write_text("#!/bin/sh\nexec " + " ".join(command) + ' "$@"\n')
            wrapper.chmod(0o755)
            launched = self._playwright.chromium.launch(executable_path=str(wrapper), args=ARGUMENTS)
            self._browser = launched
            self.stack.callback(launched.close)
        return self._browser

    def person(self, who: str, **options) -> Person:
        """Somebody at a browser, not logged in."""
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        return Person(self.browser().new_context(**options), who, self._tabs)

    def logged_in(self, who: str, path: str = "", **options) -> Tab:
        tab = self.person(who, **options).log_in()
        return tab.go(path) if path else tab

    def check_tabs(self) -> None:
        """Whatever the story was: no script failed, nothing was refused, no other host was asked."""
        wrong = [f"{tab.who} at {tab.page.url}: {problem}" for tab in self._tabs for problem in tab.problems]
        assert not wrong, "\n".join(wrong)

    def pictures(self, folder: Path) -> None:
        """What everybody saw at last, for whoever looks into a failure."""
        for number, tab in enumerate(self._tabs):
            with contextlib.suppress(Exception):
                folder.mkdir(parents=True, exist_ok=True)
                tab.page.screenshot(path=folder / f"{number}-{tab.who}.png", timeout=3_000)
                (folder / f"{number}-{tab.who}.json").write_text(json.dumps({"url": tab.page.url, "problems": tab.problems}))

    # -- what people do by telephone --

    def text(self, text: str, caller: str = OUTSIDE) -> None:
        """The carrier brings a text to the shared number."""
        keys = {"number": SHARED, "text": text}
        self.sipp("text-carrier", caller, CARRIER, target=f"{SERVER}:5060", keys=keys).run(10)


@contextlib.contextmanager
def world(binary: Path) -> Iterator[World]:
    # Chromium's own sockets live in TMPDIR, whose path is limited: /tmp, whatever the tester has.
    with tempfile.TemporaryDirectory(prefix="telegraphone-page-", dir="/tmp") as folder:
        with sync_playwright() as playwright, contextlib.ExitStack() as stack:
            yield World(binary, Path(folder), stack, playwright)
