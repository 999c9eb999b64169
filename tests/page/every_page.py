"""Every page as it looks: without faults of accessibility, without errors, at three sizes, dark and light."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import expect
from stories import inbound_call, internal_call, leave_message
from world import HERE, OUTSIDE, SHARED, SOON_MS, WEB_PASSWORDS, Tab, World

TABLE = HERE.parent.parent / "src/page/table.rs"
SIZES = [(360, 740), (1280, 800), (3840, 2160)]
THEMES = ["light", "dark"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_PAINT = "() => performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint')?.startTime"


def pages() -> list[str]:
    """The paths of the table, so that a new page is looked at without being named here."""
    paths = re.findall(r'page\(\s*"(/[^"]*)"', TABLE.read_text())
    assert len(paths) > 20, paths
    return paths


def filled(path: str, things: dict[str, str]) -> str:
    """The path with something that is there."""
    first = path.split("/")[1]
    names = re.findall(r"\{[^}]+\}", path)
    if not names:
        return path
    assert first in things, f"{path}: say here what {names[0]} stands for"
    return path.replace(names[0], quote(things[first], safe=""))


def lay(w: World) -> dict[str, str]:
    """Something of everything: calls, a message, texts, a webhook."""
    service = w.open()
    call = inbound_call(w)
    internal_call(w)
    leave_message(w, "201", "202")
    w.text("Is the bolt in stock?")
    service.run("webhook", "add", "acme", "https://hooks.example/telegraphone")
    hook = service.ask("webhook", "list")["webhooks"][0]
    conversation = service.ask("conversation", "list")["conversations"][0]["id"]
    return {
        "calls": call, "mailbox": "8202", "boxes": "8202", "messages": str(conversation), "contacts": OUTSIDE,
        "users": "202", "groups": "sales", "numbers": SHARED, "inboxes": "support", "trunks": "carrier",
        "flows": "main", "webhooks": str(hook["id"]), "companies": "acme",
    }  # fmt: skip


def settled(tab: Tab) -> None:
    """What a page fetches by itself is there; streams of events stay open, and are no reason to wait."""
    tab.page.wait_for_load_state("load")
    tab.page.wait_for_function("() => !document.querySelector('.player[data-source]:not([data-drawn]):not([hidden])')")
    tab.page.evaluate("() => document.fonts.ready.then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))")


def faults(tab: Tab, axe: str) -> list[str]:
    tab.is_examined = True
    tab.page.evaluate(axe)
    found = tab.page.evaluate("rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES)
    return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}" for one in found["violations"]]


def shot(tab: Tab, folder: Path, name: str) -> None:
    """The window at each size; nothing of a page is wider than the window."""
    for width, height in SIZES:
        tab.page.set_viewport_size({"width": width, "height": height})
        settled(tab)
        wide = tab.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            tab.problems.append(f"{name} at {width}x{height} is {wide} px wider than the window")
        path = folder / f"{width}x{height}"
        path.mkdir(parents=True, exist_ok=True)
        tab.page.screenshot(path=path / f"{name}.png", timeout=3 * SOON_MS)
    tab.page.set_viewport_size({"width": 1280, "height": 800})


def look_at(w: World, who: str, paths: list[str], things: dict[str, str], shots: Path) -> list[str]:
    """What is wrong on these pages for this person; prints when each was first painted."""
    axe = Path(os.environ["TELEGRAPHONE_AXE"]).read_text()
    wrong = []
    for theme in THEMES:
        tab = w.logged_in(who, color_scheme=theme)
        for path in paths:
            tab.go(filled(path, things))
            settled(tab)
            if tab.page.locator("[data-problem]").count():
                wrong.append(f"{path}: {tab.title()}")
                continue
            name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\{[^}]+\}", "one", path.lower())).strip("-")
            painted = tab.page.evaluate(FIRST_PAINT)
            print(f"    {theme:5} {path}: first paint after {painted:.0f} ms" if painted else f"    {theme:5} {path}", flush=True)
            wrong += [f"{path} in {theme}: {fault}" for fault in faults(tab, axe)]
            shot(tab, shots / theme, f"{who}-{name}")
    return wrong


def every_page_is_accessible_and_is_looked_at(w: World, shots: Path) -> None:
    things = lay(w)
    # What is above the company, and what is for whom it was left or written.
    others = ("/companies", "/staff", "/staff/lockouts", "/staff/me", "/voicemail/{id}", "/messages/{id}")
    paths = [path for path in pages() if path not in others]
    wrong = look_at(w, "100", paths, things, shots)
    assert not wrong, "\n".join(wrong)


def pages_of_an_agent_are_accessible_and_looked_at(w: World, shots: Path) -> None:
    things = lay(w)
    bob = w.logged_in("202", "/voicemail")
    row = bob.page.locator("#messages [data-id]").first
    expect(row).to_be_visible()
    things["voicemail"] = row.get_attribute("data-id")
    paths = ["/calls", "/live", "/voicemail", "/voicemail/{id}", "/mailbox/{box}", "/messages", "/messages/{id}"]
    wrong = look_at(w, "202", [*paths, "/contacts", "/analytics", "/me"], things, shots)
    assert not wrong, "\n".join(wrong)


def pages_above_the_companies_are_accessible_and_looked_at(w: World, shots: Path) -> None:
    """An operator, and a reseller with one company."""
    things = lay(w)
    service = w.services[0]
    service.run("staff", "add", "olga", "--password", WEB_PASSWORDS["olga"])
    service.run("staff", "add", "rita", "--reseller", "--password", WEB_PASSWORDS["rita"])
    service.run("staff", "give", "rita", "acme")
    wrong = look_at(w, "olga", ["/companies", "/staff", "/staff/lockouts", "/staff/me"], things, shots)
    wrong += look_at(w, "rita", ["/companies"], things, shots)
    # In a company one does what its admins do.
    tab = w.logged_in("rita")
    tab.page.get_by_role("button", name="Enter").or_(tab.page.get_by_role("link", name="Enter")).first.click()
    tab.page.wait_for_url("**/calls")
    expect(tab.page.locator("#call-rows [data-id]").first).to_be_visible()
    assert not wrong, "\n".join(wrong)


def the_log_in_and_empty_pages_are_accessible(w: World, shots: Path) -> None:
    """A company in which nothing has happened yet."""
    w.open()
    axe = Path(os.environ["TELEGRAPHONE_AXE"]).read_text()
    wrong = []
    for theme in THEMES:
        tab = w.person("203", color_scheme=theme).tab("/login")
        settled(tab)
        wrong += [f"/login in {theme}: {fault}" for fault in faults(tab, axe)]
        shot(tab, shots / theme, "login")
    # A wrong password is told to everybody, screen readers too.
    tab.allow(401)
    tab.page.get_by_label("Company").fill("acme")
    tab.page.get_by_label("Extension or user name").fill("203")
    tab.page.get_by_label("Password").fill("wrong")
    tab.page.get_by_role("button", name="Log in").click()
    expect(tab.page.get_by_role("alert")).to_be_visible()
    wrong += [f"/login, refused: {fault}" for fault in faults(tab, axe)]
    wrong += look_at(w, "203", ["/calls", "/live", "/voicemail", "/messages", "/contacts", "/analytics"], {}, shots / "empty")
    assert not wrong, "\n".join(wrong)


def everything_is_reached_by_the_keyboard(w: World, shots: Path) -> None:
    """From the log-in to a call that sounds, without a mouse."""
    w.open()
    call = inbound_call(w)
    tab = w.person("201").tab("/login")
    keys = tab.page.keyboard
    tab.page.get_by_label("Company").focus()
    keys.type("acme")
    keys.press("Tab")
    keys.type("201")
    keys.press("Tab")
    keys.type("alice-secret")
    keys.press("Enter")
    tab.page.wait_for_url("**/calls")
    # The first stop leads past the navigation.
    keys.press("Tab")
    assert tab.page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    keys.press("Enter")
    for _ in range(60):
        keys.press("Tab")
        at = tab.page.evaluate("[document.activeElement.getAttribute('href'), document.activeElement.matches(':focus-visible')]")
        assert at[1], f"the focus is not to be seen at {at[0]}"
        if at[0] == f"/calls/{call}":
            break
    keys.press("Enter")
    tab.page.wait_for_url(f"**/calls/{call}")
    tab.page.locator(".player[data-drawn]").focus()
    keys.press("Space")
    tab.page.wait_for_function("() => document.querySelector('.player audio').currentTime > 0.3")


STORIES = [
    every_page_is_accessible_and_is_looked_at,
    pages_of_an_agent_are_accessible_and_looked_at,
    pages_above_the_companies_are_accessible_and_looked_at,
    the_log_in_and_empty_pages_are_accessible,
    everything_is_reached_by_the_keyboard,
]
for story in STORIES:
    story.takes_pictures = True
    story.seconds = 1_500
