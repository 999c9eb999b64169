"""What people do on the page, with what comes of it on the telephone and on the disk."""

from __future__ import annotations

import array
import io
import math
import wave

from clients import Event
from playwright.sync_api import expect
from scenario_policy import check_one_pause, recording_switched
from scenario_texts import said
from service import eventually
from stage import CARRIER, DOMAIN, SERVER, connect, hang_up, talk_for
from world import NUMBER, OUTSIDE, SHARED, SOON_MS, WEB_PASSWORDS, Tab, World


def inbound_call(w: World, seconds: float = 3) -> str:
    """A customer talks with Alice; the call's id, once its recording is there."""
    service = w.services[0]
    alice, carrier = w.baresip("201", microphone=w.high), w.carrier(OUTSIDE, microphone=w.low)
    connect(carrier, alice, f"sip:{NUMBER}@{SERVER}")
    call = service.call()["record"]["id"]
    talk_for(seconds)
    hang_up(carrier, alice)
    service.call_over(call)
    eventually(lambda: [r for r in service.recordings() if r["call"] == call], 8, "the recording is not there")
    for phone in (alice, carrier):
        phone.quit()
    return call


def internal_call(w: World, seconds: float = 1.5) -> str:
    """Bob talks with Carol; the call's id, once it is over."""
    service = w.services[0]
    bob, carol = w.baresip("202"), w.baresip("203", microphone=w.low)
    connect(bob, carol, f"sip:203@{DOMAIN}")
    call = service.call()["record"]["id"]
    talk_for(seconds)
    hang_up(bob, carol)
    service.call_over(call)
    for phone in (bob, carol):
        phone.quit()
    return call


def an_agent_hears_her_call_and_sees_no_other(w: World) -> None:
    """Her call comes into the list by itself, and sounds; a colleague's is as one that there is not."""
    w.open()
    alice = w.logged_in("201")
    expect(alice.page.get_by_role("heading", name="No calls yet")).to_be_visible()
    alice.never_reloaded()
    others = internal_call(w)
    hers = inbound_call(w)
    entries = alice.page.locator("#calls").get_by_role("link", name=OUTSIDE)
    expect(entries).to_have_count(1, timeout=SOON_MS)
    expect(alice.page.locator("#calls").get_by_text("Carol")).to_have_count(0)
    assert alice.is_same(), "the list was loaded anew as a whole"
    entries.click()
    alice.page.wait_for_url(f"**/calls/{hers}")
    player = alice.page.get_by_role("group", name="Recording")
    expect(player).to_have_attribute("data-drawn", "")
    sound = player.locator("audio")
    player.get_by_role("button", name="Play").click()
    alice.page.wait_for_function("() => document.querySelector('.player audio').currentTime > 0.5")
    begun = sound.evaluate("sound => sound.currentTime")
    alice.page.wait_for_function("from => document.querySelector('.player audio').currentTime > from + 0.3", arg=begun)
    # The other party is muted, and the sound goes on.
    mute = player.get_by_role("button", name="Mute").first
    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")

    alice.allow(404)
    alice.go(f"/calls/{others}")
    assert alice.title() == "There is nothing here"
    assert alice.ask(f"/calls/{others}") == 404
    recording = next(r["id"] for r in w.services[0].recordings() if r["call"] == others)
    assert alice.ask(f"/recordings/{recording}/audio") == 404
    alice.go("/calls")
    expect(alice.page.locator("#calls [data-id]")).to_have_count(1)

    # Whoever is called by it sees the other one.
    carol = w.logged_in("203")
    expect(carol.page.locator(f"#calls [data-id='{others}']")).to_have_count(1)
    expect(carol.page.locator(f"#calls [data-id='{hers}']")).to_have_count(0)


def a_toggle_is_switched_and_the_next_call_obeys(w: World) -> None:
    """Internal calls are recorded, until an admin says otherwise."""
    service = w.open()
    before = internal_call(w)
    ada = w.logged_in("100", "/settings")
    switch = ada.page.get_by_role("switch", name="Record Internal Calls")
    expect(switch).to_be_checked()
    switch.click()
    form = ada.page.locator("form", has=switch)
    form.get_by_role("button", name="Save").click()
    eventually(lambda: ada.page.reload() and not switch.is_checked(), 10, "the switch is not kept")
    after = internal_call(w)
    assert [r["call"] for r in service.finished(1)] == [before], "the call after the switch was recorded"
    ada.go("/calls")
    row = ada.page.locator("#calls")
    expect(row.locator(f"[data-id='{before}']").get_by_text("Recorded", exact=True)).to_be_visible()
    expect(row.locator(f"[data-id='{after}']").get_by_text("Not recorded", exact=True)).to_be_visible()
    ada.go(f"/calls/{after}")
    expect(ada.page.get_by_text("At the answer: not recorded", exact=False)).to_be_visible()


def a_live_call_is_paused_on_the_page_and_the_file_shows_it(w: World) -> None:
    """Both parties are silent in the file from the one press to the other, and the page says where."""
    service = w.open()
    ada = w.logged_in("100", "/live")
    expect(ada.page.get_by_role("heading", name="Nobody is talking")).to_be_visible()
    ada.never_reloaded()
    alice, carrier = w.baresip("201", microphone=w.high), w.carrier(OUTSIDE, microphone=w.low)
    connect(carrier, alice, f"sip:{NUMBER}@{SERVER}")
    talk_for(2)
    live = ada.page.locator("#live")
    expect(live.get_by_text("Recording now", exact=True)).to_be_visible(timeout=SOON_MS)
    # On the call's own page somebody is writing, who sees what happens all the same.
    call = service.call()["record"]["id"]
    writing = w.logged_in("100", f"/calls/{call}").page
    note = writing.get_by_label("New note")
    note.press_sequentially("She asked for")
    live.get_by_role("button", name="Pause the recording").click()
    recording_switched(service, False)
    expect(live.get_by_text("Paused", exact=True)).to_be_visible()
    expect(writing.get_by_text("Paused", exact=True)).to_be_visible()
    expect(note).to_be_focused()
    note.press_sequentially(" the long one")
    expect(note).to_have_value("She asked for the long one")
    talk_for(2)
    live.get_by_role("button", name="Record from here on").click()
    recording_switched(service, True)
    expect(live.get_by_text("Recording now", exact=True)).to_be_visible()
    talk_for(2)
    hang_up(carrier, alice)
    expect(ada.page.get_by_role("heading", name="Nobody is talking")).to_be_visible()
    player = writing.get_by_role("group", name="Recording")
    expect(player).to_have_attribute("data-drawn", "")
    expect(note).to_have_value("She asked for the long one")
    # Whoever takes notes while listening goes on where they were.
    player.get_by_label("Speed").select_option("1.5")
    player.get_by_role("button", name="Mute").first.click()
    player.locator(".seek").fill("3")
    writing.get_by_role("button", name="Add the note").click()
    expect(writing.locator(".note")).to_have_count(1)
    expect(note).to_have_value("")
    expect(player.get_by_label("Speed")).to_have_value("1.5")
    expect(player.get_by_role("button", name="Mute").first).to_have_attribute("aria-pressed", "true")
    expect(player.locator(".seek")).to_have_value("3")
    # What happened leads into it, also from the list that came with the note.
    told = writing.locator(".marks").get_by_role("listitem").filter(has_text="Recording goes on")
    told.get_by_role("button").click()
    writing.wait_for_function("() => !document.querySelector('.player audio').paused")
    player.get_by_role("button", name="Play").click()
    writing.wait_for_function("() => document.querySelector('.player audio').paused")
    # A click in the pause comes to where one clicked.
    paused = player.locator(".wave-mark.paused")
    box = paused.bounding_box()
    paused.click(position={"x": box["width"] * 0.75, "y": 20})
    whole = player.locator(".wave-layer").bounding_box()
    length = float(player.locator(".seek").get_attribute("max"))
    expected = (box["x"] + box["width"] * 0.75 - whole["x"]) / whole["width"] * length
    at = float(player.locator(".seek").input_value())
    assert abs(at - expected) < 0.2, (at, expected)
    assert ada.is_same(), "the page of live calls was loaded anew as a whole"
    check_one_pause(service, "api")
    ada.go(f"/calls/{call}")
    expect(ada.page.locator(".wave-mark.paused")).to_have_count(1)
    told = ada.page.locator(".marks").get_by_role("listitem")
    expect(told.filter(has_text="Paused: nothing of this stretch was recorded")).to_be_visible()
    expect(told.filter(has_text="Recording goes on")).to_be_visible()


def leave_message(w: World, caller: str, callee: str) -> None:
    phone = w.baresip(caller, microphone=w.low)
    phone.dial(f"sip:{callee}@{DOMAIN}")
    phone.wait_for(Event.ESTABLISHED, 8)
    # Whoever knows the greeting skips it.
    phone.digits("#")
    talk_for(4)
    phone.hangup()
    phone.quit()


def a_subscriber_is_added_and_the_voicemail_appears_without_reload(w: World) -> None:
    """Bob goes on vacation and gives Carol his box: what comes then is in her list by itself."""
    w.open()
    carol = w.logged_in("203", "/voicemail")
    expect(carol.page.get_by_role("heading", name="No messages yet")).to_be_visible()
    carol.never_reloaded()
    bob = w.logged_in("202", "/mailbox/8202")
    bob.page.get_by_role("button", name="Vacation cover").click()
    bob.page.get_by_role("dialog").get_by_role("button", name="Carol").click()
    expect(bob.page.locator("#cover").get_by_text("Carol")).to_be_visible()
    leave_message(w, "201", "202")
    row = carol.page.locator("#messages [data-id]").filter(has_text="Alice")
    expect(row).to_be_visible(timeout=SOON_MS)
    assert carol.is_same(), "the list was loaded anew as a whole"
    message = row.get_attribute("data-id")
    # It sounds, and to Bob it is new still when Carol has heard it.
    row.get_by_role("button", name="Play the message of Alice").click()
    carol.page.wait_for_function("() => [...document.querySelectorAll('audio')].some(sound => sound.currentTime > 0.3)")
    bob.go("/voicemail")
    expect(bob.page.locator(f"#messages [data-id='{message}'][data-new]")).to_be_visible()
    # He is reminded of it until it is over.
    bob.page.get_by_text("Your new messages also go to Carol.").get_by_role("link").click()
    bob.page.get_by_role("button", name="End the cover by Carol").click()
    expect(bob.page.get_by_role("button", name="End the cover by Carol")).to_have_count(0)
    bob.go("/voicemail")
    expect(bob.page.get_by_text("Your new messages also go to", exact=False)).to_have_count(0)
    # Alice, who left it, hears it not.
    alice = w.logged_in("201", "/voicemail")
    expect(alice.page.locator("#messages [data-id]")).to_have_count(0)
    alice.allow(404)
    alice.go(f"/voicemail/{message}")
    assert alice.title() == "There is nothing here"


def a_removed_member_loses_the_conversation_in_an_open_tab(w: World) -> None:
    """Carol reads the team's conversation in two tabs; an admin takes her out of the inbox."""
    w.open()
    words = "Is the bolt in stock?"
    w.text(words)
    carol = w.person("203")
    first = carol.log_in().go("/messages")
    first.page.get_by_role("main").get_by_role("link", name="Max").click()
    first.page.wait_for_url("**/messages/*")
    expect(first.page.locator("#thread").get_by_text(words)).to_be_visible()
    second = carol.tab(first.page.url.removeprefix("http://127.0.0.1:8080"))
    expect(second.page.locator("#thread").get_by_text(words)).to_be_visible()
    place = second.page.url.rsplit("/", 1)[1]
    for tab in (first, second):
        tab.allow(404)

    ada = w.logged_in("100", "/inboxes/support")
    form = ada.page.locator("form", has=ada.page.get_by_role("heading", name="Name and members"))
    form.get_by_role("checkbox", name="Carol").uncheck()
    form.get_by_role("button", name="Save").click()
    for tab in (first, second):
        expect(tab.page.get_by_text(words)).to_have_count(0, timeout=SOON_MS)
    assert second.ask(f"/conversations/{place}") == 404
    # What comes now does not reach her either, and Bob has both.
    w.text("And the nut?", caller=OUTSIDE)
    bob = w.logged_in("202", f"/messages/{place}")
    for text in (words, "And the nut?"):
        expect(bob.page.locator("#thread").get_by_text(text)).to_be_visible()
    expect(second.page.get_by_text("And the nut?")).to_have_count(0)
    second.go("/messages")
    expect(second.page.get_by_text("And the nut?")).to_have_count(0)


def logging_out_in_one_tab_ends_the_others(w: World) -> None:
    w.open()
    inbound_call(w, seconds=1)
    alice = w.person("201")
    first = alice.log_in()
    second = alice.tab("/calls")
    expect(second.page.locator("#calls [data-id]")).to_have_count(1)
    for tab in (first, second):
        tab.allow(401)
    first.page.get_by_role("button", name="Log out").click()
    first.page.wait_for_url("**/login*")
    second.page.wait_for_url("**/login*")
    expect(second.page.get_by_text(OUTSIDE)).to_have_count(0)
    # The way back shows nothing of what was there.
    second.page.go_back()
    second.page.wait_for_url("**/login*")
    expect(second.page.get_by_text(OUTSIDE)).to_have_count(0)


def what_arrives_is_read_and_answered_by_the_team(w: World) -> None:
    """A customer's text comes into an open conversation by itself; the answer goes out as the team's number."""
    service = w.open()
    w.text("Is the bolt in stock?")
    bob = w.logged_in("202", "/messages")
    bob.page.get_by_role("main").get_by_role("link", name="Max").click()
    bob.page.wait_for_url("**/messages/*")
    bob.never_reloaded()
    w.text("And the nut?")
    expect(bob.page.locator("#thread").get_by_text("And the nut?")).to_be_visible(timeout=SOON_MS)
    assert bob.is_same(), "the conversation was loaded anew as a whole"
    carrier = w.sipp("text-taken", OUTSIDE, CARRIER, keys={"answer": "Twenty of both"})
    bob.page.get_by_label("Your message").fill("Twenty of both")
    bob.page.get_by_role("button", name="Send").click()
    carrier.run(10)
    expect(bob.page.locator("#thread").get_by_text("Twenty of both")).to_be_visible()
    all_of_it = [("in", "received"), ("in", "received"), ("out", "delivered")]
    eventually(lambda: said(service) == all_of_it, 8, "the answer is not delivered")


def the_access_log_grows_without_gaps(w: World) -> None:
    """Lines come by themselves, also where more came than one part of the list holds; searched, it is the same log."""
    service = w.open()
    ada = w.logged_in("100", "/audit")
    lines = ada.page.locator("#log-lines [data-id]")

    def seqs() -> list[int]:
        return [int(seq) for seq in lines.evaluate_all("rows => rows.map(row => row.dataset.id)")]

    def has(newest: int) -> None:
        # It is looked at again every ten seconds.
        expect(lines.first).to_have_attribute("data-id", str(newest), timeout=20_000 + SOON_MS)
        shown = seqs()
        assert shown == list(range(newest, newest - len(shown), -1)), f"not one after the other: {shown}"

    newest = seqs()[0]
    service.run("user", "change", "202", "name=Robert")
    has(newest + 1)
    groups = service.folder / "groups.toml"
    groups.write_text("".join(f'[[group]]\ncompany = "acme"\nname = "more-{n}"\nmembers = ["202"]\n' for n in range(60)))
    service.run("apply", str(groups))
    has(newest + 61)
    # What is older is there when one goes down to it.
    ada.page.mouse.wheel(0, 100_000)
    expect(lines.last).to_have_attribute("data-id", "1", timeout=SOON_MS)
    ada.page.get_by_label("Search").fill("more-7")
    expect(lines).to_have_count(1, timeout=SOON_MS)
    expect(lines.first.get_by_role("link")).to_have_attribute("href", "/groups/more-7")


def a_long_list_stays_light_and_is_found_again_where_it_was_left(w: World) -> None:
    """Rows far from the window leave the document and come back; whoever opens one and returns stands where he stood."""
    service = w.open()
    groups = service.folder / "groups.toml"
    groups.write_text("".join(f'[[group]]\ncompany = "acme"\nname = "more-{n}"\nmembers = ["202"]\n' for n in range(1200)))
    service.run("apply", str(groups))
    ada = w.logged_in("100", "/audit")
    lines = ada.page.locator("#log-lines [data-id]")
    newest = int(lines.first.get_attribute("data-id"))
    in_view = """() => [...document.querySelectorAll('#log-lines [data-id]')].filter(row => {
      const { top, bottom } = row.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    }).map(row => [Number(row.dataset.id), Math.round(row.getBoundingClientRect().top)])"""
    # Nothing is missing where one looks.
    whole = "() => ![...document.querySelectorAll('.gone')].some(one => one.getBoundingClientRect().bottom > 0 && one.getBoundingClientRect().top < innerHeight)"

    def seen() -> list[list[int]]:
        ada.page.wait_for_function(whole)
        return ada.page.evaluate(in_view)

    def to_the_end() -> None:
        ada.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")

    eventually(lambda: to_the_end() or lines.last.get_attribute("data-id") == "1", 60, "the end is never reached")
    # The last part may have come after one went to the end.
    to_the_end()
    assert lines.count() < 600, f"{lines.count()} lines are in the document"
    # Upwards every line comes by, one after the other.
    passed = []
    while not passed or passed[-1] != newest:
        passed += [seq for seq, _ in reversed(seen()) if not passed or seq > passed[-1]]
        ada.page.evaluate("scrollBy(0, -innerHeight / 2)")
    assert passed == list(range(1, newest + 1)), "lines are missing"
    assert lines.count() < 600, f"{lines.count()} lines are in the document"

    ada.page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    left = seen()

    def same() -> None:
        now, was = dict(seen()), dict(left)
        # Parts of a pixel may be rounded in another way.
        apart = [seq for seq in now.keys() & was.keys() if abs(now[seq] - was[seq]) > 2]
        assert not apart and len(now.keys() & was.keys()) >= len(was) - 1, f"{now} and not {was}"

    # A line that comes above moves nothing.
    service.run("user", "change", "202", "name=Robert")
    expect(lines.first).to_have_attribute("data-id", str(newest + 1), timeout=20_000 + SOON_MS)
    same()
    middle = left[len(left) // 2][0]
    ada.page.locator(f"#log-lines [data-id='{middle}']").get_by_role("link").click()
    ada.page.wait_for_url("**/groups/*")
    service.run("user", "change", "202", "name=Bob")
    ada.page.go_back()
    expect(lines.first).to_have_attribute("data-id", str(newest + 2), timeout=SOON_MS)
    same()
    ada.page.reload()
    same()


def whoever_is_shut_out_while_listening_hears_no_more(w: World) -> None:
    """A right that is taken away ends what sounds by it; other changes leave the listener alone."""
    service = w.open()
    call = inbound_call(w, seconds=8)
    alice = w.logged_in("201", f"/calls/{call}")
    player = alice.page.get_by_role("group", name="Recording")
    expect(player).to_have_attribute("data-drawn", "")
    alice.never_reloaded()
    player.get_by_role("button", name="Play").click()
    alice.page.wait_for_function("() => document.querySelector('.player audio').currentTime > 0.2")
    # A right of hers that this is not about.
    service.run("user", "change", "201", "download=false")
    alice.page.wait_for_function("() => document.querySelector('.player audio').currentTime > 2.5")
    assert alice.is_same(), "a change of another right stopped the sound"
    service.run("user", "change", "201", "play=none")
    expect(alice.page.get_by_text("No recording to hear")).to_be_visible(timeout=SOON_MS)
    expect(player).to_have_count(0)
    expect(alice.page.locator("audio")).to_have_count(0)


def a_page_without_a_connection_says_so_until_there_is_one(w: World) -> None:
    """What was missed meanwhile is there when it is back."""
    service = w.open()
    ada = w.logged_in("100")
    ada.never_reloaded()
    # Requests are refused while the service is down, and the stream breaks.
    service.kill()
    notice = ada.page.locator("#unreached")
    expect(notice).to_have_text("No connection. What you see may be old.", timeout=SOON_MS)
    expect(notice).to_be_visible()
    service.start()
    call = internal_call(w)
    expect(notice).to_be_hidden(timeout=SOON_MS)
    expect(ada.page.locator(f"#calls [data-id='{call}']")).to_have_count(1, timeout=SOON_MS)
    assert ada.is_same(), "the page was loaded anew"
    # The connection was lost: the browser says so, too.
    ada.problems[:] = [problem for problem in ada.problems if "ERR_" not in problem]


def a_call_is_a_row_of_the_list_from_its_first_ring(w: World) -> None:
    """It has its state and buttons there, becomes one to listen to, and nothing around it moves."""
    service = w.open()
    before = internal_call(w)
    ada = w.logged_in("100")
    rows = ada.page.locator("#calls [data-id]")
    expect(rows).to_have_count(1)
    ada.never_reloaded()
    bob, carrier = w.baresip("202"), w.carrier(OUTSIDE, microphone=w.low)
    connect(carrier, bob, f"sip:{SHARED}@{SERVER}")
    call = service.call()["record"]["id"]
    row = ada.page.locator(f"#calls [data-id='{call}']")
    expect(row.get_by_text("Recording now", exact=True)).to_be_visible(timeout=SOON_MS)
    # A step of the flow has said so: which one stands there, and nobody can stop it.
    why = "the step “record” of the call flow “main”"
    expect(row.get_by_text(why)).to_be_visible()
    expect(row.get_by_role("button", name="Pause the recording")).to_have_count(0)
    expect(row.get_by_role("button", name="Hang up")).to_be_visible()
    expect(row.get_by_text("Support", exact=True)).to_be_visible()
    place = "id => document.querySelector(`#calls [data-id='${id}']`).getBoundingClientRect().top"
    stood = ada.page.evaluate(place, before)
    hang_up(carrier, bob)
    expect(row.get_by_role("button", name="Play the recording")).to_be_visible(timeout=SOON_MS)
    moved = ada.page.evaluate(place, before) - stood
    assert abs(moved) <= 2, f"the row below moved by {moved} px when the call ended"
    assert ada.is_same() and rows.evaluate_all("rows => rows.map(row => row.dataset.id)") == [call, before]
    row.locator(".cover").click()
    ada.page.wait_for_url(f"**/calls/{call}")
    expect(ada.page.get_by_text(f"At the answer: recorded, because of {why}.")).to_be_visible()


def the_first_steps_tick_themselves_off(w: World) -> None:
    """Users alone are no phones: the step is done when two are on, and what one has opened stays open."""
    w.open()
    ada = w.logged_in("100", "/welcome")
    phones = ada.page.get_by_role("listitem").filter(has=ada.page.get_by_role("heading", name="Two users with a phone each"))
    expect(phones.get_by_text("To do")).to_have_count(1)
    ada.page.get_by_text("Set up a phone by hand").click()
    ada.never_reloaded()
    first = w.baresip("202")
    expect(phones.get_by_text("phone is on")).to_have_count(1, timeout=SOON_MS)
    expect(phones.get_by_text("To do")).to_have_count(1)
    second = w.baresip("203")
    expect(phones.get_by_text("Done")).to_have_count(1, timeout=SOON_MS)
    expect(ada.page.get_by_text("the extension", exact=False).first).to_be_visible()
    assert ada.page.locator("#by-hand").evaluate("one => one.open"), "what was opened is shut"
    expect(ada.page.get_by_text("Call 203 from the phone of Bob, and answer.")).to_be_visible()
    connect(first, second, f"sip:203@{DOMAIN}")
    talk_for(1)
    hang_up(first, second)
    expect(ada.page.get_by_role("link", name="Hear it")).to_be_visible(timeout=SOON_MS)
    assert ada.is_same(), "the guide was loaded anew as a whole"


def a_reseller_has_settings_and_hears_no_messages_of_others(w: World) -> None:
    """Under Voicemail there is what an admin finds there; language and password are the reseller's own."""
    service = w.open()
    leave_message(w, "201", "202")
    leave_message(w, "203", SHARED)
    service.run("staff", "add", "rita", "--reseller", "--password", WEB_PASSWORDS["rita"])
    service.run("staff", "give", "rita", "acme")
    rita = w.logged_in("rita")
    page = rita.page
    page.get_by_role("button", name="Enter Acme").click()
    page.wait_for_url("**/calls")
    rita.go("/voicemail")
    messages = page.locator(".message-row")
    expect(messages).to_have_count(1)
    expect(messages.get_by_text("Everybody")).to_be_visible()
    rita.allow(404)
    rita.go("/messages/none")
    expect(page.get_by_role("link", name="Companies")).to_have_count(0)
    expect(page.locator(".nav-company")).to_be_visible()

    page.get_by_role("link", name="rita").click()
    page.wait_for_url("**/staff/me")
    page.get_by_role("combobox", name="Language").select_option("de")
    expect(page.get_by_role("heading", name="Sprache und Darstellung")).to_be_visible()
    page.get_by_role("combobox", name="Sprache").select_option("en")
    password = page.get_by_role("region", name="Password")
    password.get_by_label("The one you have").fill(WEB_PASSWORDS["rita"])
    password.get_by_label("The new one", exact=True).fill("rita-second-secret")
    password.get_by_label("The new one again").fill("rita-second-secret")
    rita.allow(401)
    password.get_by_role("button", name="Set the password").click()
    page.wait_for_url("**/login*")
    w.person("rita").log_in("rita-second-secret")


def tabs_at_two_companies_say_where_they_are(w: World) -> None:
    """The last choice is the browser's: a tab that comes into another company with it says so, and leads back."""
    service = w.open()
    service.run("staff", "add", "olga", "--password", WEB_PASSWORDS["olga"])
    olga = w.person("olga")
    first = olga.log_in()
    first.page.get_by_role("button", name="Add a company").click()
    new = first.page.get_by_role("dialog", name="Add a company")
    new.get_by_label("Name", exact=True).fill("Über Land")
    # The short name is made of the name.
    expect(new.get_by_label("Short name")).to_have_value("uber-land")
    new.get_by_label("SIP domains, one a line").fill("land.example")
    new.get_by_label("Extension of the first admin").fill("900")
    new.get_by_role("button", name="Add").click()
    # What is shown this once does not go by a key.
    for _ in range(3):
        first.page.keyboard.press("Escape")
    expect(first.page.get_by_role("button", name="I have it")).to_be_visible()
    with first.page.expect_navigation():
        first.page.get_by_role("button", name="I have it").click()
    # A link into a company is kept over the choice of one.
    first.go("/users/201")
    first.page.wait_for_url("**/companies?next=*")
    first.page.get_by_role("button", name="Enter Acme").click()
    first.page.wait_for_url("**/users/201")
    expect(first.page.locator(".nav-company")).to_have_text("acme")
    second = olga.tab("/companies")
    second.page.get_by_role("button", name="Enter Über Land").click()
    second.page.wait_for_url("**/calls")
    first.go("/users")
    moved = first.page.get_by_role("status").filter(has_text="You are in uber-land now")
    expect(moved).to_be_visible()
    moved.get_by_role("button", name="Back to acme").click()
    expect(first.page.get_by_role("link", name="Alice")).to_be_visible()
    expect(first.page.get_by_text("You are in", exact=False)).to_have_count(0)
    # The other tab is told in its turn, and stays.
    second.go("/users")
    second.page.get_by_role("button", name="Stay here").click()
    second.go("/groups")
    expect(second.page.get_by_role("link", name="Sales")).to_be_visible()
    expect(second.page.get_by_role("button", name="Stay here")).to_have_count(0)


def what_callers_hear_is_recorded_or_uploaded_in_the_browser(w: World) -> None:
    """A prompt and a greeting from the microphone, and a sound as a music program writes it, fit for the telephone."""
    w.open()

    def heard(tab: Tab, path: str) -> wave.Wave_read:
        """What the service has got, as a caller would hear it."""
        audio = tab.page.evaluate("async path => [...new Uint8Array(await (await fetch(path)).arrayBuffer())]", f"/api/v1{path}")
        sound = wave.open(io.BytesIO(bytes(audio)))
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (1, 8000, 2), path
        return sound

    def record(tab: Tab) -> None:
        dialog = tab.page.locator("#recorder")
        dialog.get_by_role("button", name="Record").click()
        expect(dialog.locator(".recorder-time")).to_have_text("0:02 / 2:00", timeout=SOON_MS)
        dialog.get_by_role("button", name="Stop").click()
        dialog.get_by_role("button", name="Keep it").click()
        expect(dialog).to_be_hidden()

    ada = w.logged_in("100", "/prompts")
    form = ada.page.locator("#prompt-form")
    form.get_by_role("button", name="Record").click()
    expect(ada.page.locator("#recorder")).to_be_hidden()
    form.get_by_label("Name").fill("hello")
    form.get_by_role("button", name="Record").click()
    record(ada)
    expect(ada.page.locator("#prompts [data-id='hello']")).to_be_visible()
    sound = heard(ada, "/prompts/hello/audio")
    samples = array.array("h", sound.readframes(sound.getnframes()))
    assert 2 <= len(samples) / 8000 < 10 and max(samples) > 3000, f"{len(samples)} samples, {max(samples)} at most"

    # Two channels at 44.1 kHz, one of them silent.
    file = w.folder / "tone.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(44_100)
        tone = (int(20_000 * math.sin(2 * math.pi * 440 * at / 44_100)) for at in range(44_100))
        out.writeframes(b"".join(value.to_bytes(2, "little", signed=True) + b"\0\0" for value in tone))
    form.get_by_label("Name").fill("tone")
    form.locator("input[type=file]").set_input_files(str(file))
    expect(ada.page.locator("#prompts [data-id='tone']")).to_be_visible()
    assert abs(heard(ada, "/prompts/tone/audio").getnframes() - 8000) <= 8
    file.write_bytes(b"no sound")
    form.get_by_label("Name").fill("noise")
    form.locator("input[type=file]").set_input_files(str(file))
    expect(ada.page.get_by_text("This file is no sound that the browser can read.")).to_be_visible()
    assert ada.page.locator("#prompts [data-id='noise']").count() == 0

    bob = w.logged_in("202", "/mailbox/8202")
    bob.page.locator("[data-record$=unavailable]").click()
    record(bob)
    assert heard(bob, "/voicemails/8202/greetings/unavailable").getnframes() > 16_000


def a_phone_s_list_is_the_history_of_a_calling_app(w: World) -> None:
    """Tapped, a call is heard; its page is behind its name. Elsewhere a click opens it."""
    w.open()
    call = inbound_call(w)
    alice = w.logged_in("201", viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    entry = alice.page.locator(f"#calls [data-id='{call}'] .cover")
    entry.tap()
    sound = alice.page.locator("#dock audio")
    expect(sound).to_have_count(1)
    alice.page.wait_for_function("() => document.querySelector('#dock audio').currentTime > 0.3")
    assert alice.page.url.endswith("/calls"), alice.page.url
    entry.tap()
    alice.page.wait_for_function("() => document.querySelector('#dock audio').paused")
    alice.page.locator("#dock a").tap()
    alice.page.wait_for_url(f"**/calls/{call}")
    wide = w.logged_in("201")
    wide.page.locator(f"#calls [data-id='{call}'] .cover").click()
    wide.page.wait_for_url(f"**/calls/{call}")
    # Back, one stands where one was.
    wide.page.go_back()
    expect(wide.page.locator(f"#calls [data-id='{call}'] .cover")).to_be_focused()


def an_inbox_that_is_looked_at_is_kept_from_page_to_page(w: World) -> None:
    """Until another is chosen, or the filters are taken away; and a search of a list is there again when one comes back."""
    w.open()
    ada = w.logged_in("100")
    page = ada.page
    clear = page.get_by_role("link", name="Clear filters")
    expect(clear).to_have_count(0)
    page.get_by_label("Inbox").select_option("Support")
    page.wait_for_url("**/calls?inbox=support")
    menu = page.get_by_role("navigation", name="Main")
    for name, place in (("Voicemail", "voicemail"), ("Contacts", "contacts"), ("Users", "users")):
        menu.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**/{place}?inbox=support")
        expect(page.get_by_label("Inbox")).to_have_value("support")
    expect(page.get_by_role("link", name="Carol")).to_be_visible()
    expect(page.get_by_role("link", name="Alice")).to_be_hidden()
    # On a page without such a filter it is not lost.
    menu.get_by_role("link", name="Trunks", exact=True).click()
    page.wait_for_url("**/trunks")
    menu.get_by_role("link", name="Numbers", exact=True).click()
    page.wait_for_url("**/numbers?inbox=support")
    expect(page.get_by_role("link", name=SHARED)).to_be_visible()
    expect(page.get_by_role("link", name=NUMBER)).to_be_hidden()
    menu.get_by_role("link", name="Calls", exact=True).click()
    clear.click()
    page.wait_for_url("**/calls")
    expect(page.get_by_label("Inbox")).to_have_value("")
    menu.get_by_role("link", name="Users", exact=True).click()
    page.get_by_role("searchbox").fill("caro")
    expect(page.get_by_role("listitem").filter(has_text="Bob")).to_be_hidden()
    page.get_by_role("link", name="Carol").click()
    page.wait_for_url("**/users/203")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("caro")
    expect(page.get_by_role("link", name="Carol")).to_be_focused()
    expect(page.get_by_role("listitem").filter(has_text="Bob")).to_be_hidden()


def whose_session_was_ended_logs_in_again(w: World) -> None:
    """The cookie of a session that is over leads to the log-in once, and is in nobody's way there."""
    service = w.open()
    alice = w.logged_in("201")
    alice.allow(401)
    service.run("user", "change", "201", "password=another-secret-1")
    alice.page.wait_for_url("**/login*", timeout=SOON_MS)
    alice.page.wait_for_load_state("networkidle")
    alice.never_reloaded()
    alice.page.get_by_label("Company").fill("Acme ")
    alice.page.get_by_label("Extension or user name").fill("201")
    alice.page.get_by_label("Password").fill("another-secret-1")
    assert alice.is_same(), "the log-in is loaded again and again"
    alice.page.get_by_role("button", name="Log in").click()
    alice.page.wait_for_url("**/calls")


def two_admins_at_one_thing_overwrite_nothing(w: World) -> None:
    """The second one is told; and nobody takes the last admin away from a company."""
    service = w.open()
    ada = w.person("100")
    first = ada.log_in().go("/groups/sales")
    second = ada.tab("/groups/sales")
    for tab in (first, second):
        tab.allow(412, 409)
        tab.page.get_by_role("checkbox", name="Carol").check()
    first.page.locator("form[data-tag]").get_by_role("button", name="Save").click()
    expect(first.page.get_by_text("Saved.")).to_be_visible()
    second.page.get_by_role("checkbox", name="Bob").uncheck()
    second.page.locator("form[data-tag]").get_by_role("button", name="Save").click()
    expect(second.page.get_by_text("Somebody else has changed this meanwhile", exact=False)).to_be_visible()
    members = [group["members"] for group in service.ask("group", "list")["groups"] if group["name"] == "sales"]
    assert members == [["201", "202", "203"]], members
    # The first one goes on from what it has saved.
    first.page.get_by_role("checkbox", name="Carol").uncheck()
    first.page.locator("form[data-tag]").get_by_role("button", name="Save").click()
    expect(first.page.locator("form[data-tag][data-dirty]")).to_have_count(0)

    # What only one of them changes is nobody's conflict.
    first.go("/settings")
    second.go("/settings")
    first.page.get_by_label("Users can transfer calls").uncheck()
    first.page.locator("#calls").get_by_role("button", name="Save").click()
    expect(first.page.get_by_text("Saved.")).to_be_visible()
    first.page.get_by_label("Channels").select_option("mono")
    first.page.locator("#file").get_by_role("button", name="Save").click()
    expect(first.page.locator("form[data-dirty]")).to_have_count(0)
    second.page.get_by_label("Keep recordings for").fill("90")
    second.page.locator("#file").get_by_role("button", name="Save").click()
    second.page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(second.page.get_by_text("Saved.")).to_be_visible()
    # What the other one changed in the same card is shown from there on, and not put back.
    expect(second.page.get_by_label("Channels")).to_have_value("mono")
    settings = first.page.evaluate("async () => (await fetch('/api/v1/settings')).json()")
    assert (settings["transfer"], settings["channels"], settings["retention_days"]) == (False, "mono", 90), settings
    first.page.get_by_label("Keep recordings for").fill("30")
    first.page.locator("#file").get_by_role("button", name="Save").click()
    first.page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(first.page.get_by_text("Somebody else has changed this meanwhile", exact=False)).to_be_visible()
    first.page.locator("#file").get_by_role("button", name="Discard").click()
    expect(first.page.get_by_label("Keep recordings for")).to_have_value("90")

    # What is in use says where, and leads there.
    first.go("/groups/sales")
    first.page.get_by_role("button", name="Remove").click()
    first.page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    used = first.page.get_by_role("dialog", name="It is still in use")
    expect(used.get_by_text("step team", exact=False)).to_be_visible()
    used.get_by_role("link", name="Call flow main").click()
    first.page.wait_for_url("**/flows/main")

    # What a browser would say in its own words is said at the field, until it is mended.
    first.go("/settings")
    days = first.page.get_by_label("Keep recordings for")
    days.fill("-1")
    first.page.locator("#file").get_by_role("button", name="Save").click()
    expect(first.page.get_by_text("From 0 to 36500.")).to_be_visible()
    expect(days).to_be_focused()
    days.fill("30")
    expect(first.page.get_by_text("From 0 to 36500.")).to_have_count(0)
    days.fill("90")
    first.page.get_by_label("Shortest message").fill("50")
    first.page.get_by_label("Longest message").fill("2")
    first.allow(422)
    first.page.locator("#voicemail").get_by_role("button", name="Save").first.click()
    expect(first.page.get_by_text("“Shortest message” 50 is longer than “Longest message” 2: no message fits")).to_be_visible()
    first.page.locator("#voicemail").get_by_role("button", name="Discard").first.click()

    first.go("/users/100")
    first.page.get_by_label("Role").select_option("agent")
    first.page.locator("form", has=first.page.get_by_label("Role")).get_by_role("button", name="Save").click()
    expect(first.page.get_by_text("the company would have no admin left", exact=False).first).to_be_visible()


STORIES = [
    an_agent_hears_her_call_and_sees_no_other,
    a_toggle_is_switched_and_the_next_call_obeys,
    a_live_call_is_paused_on_the_page_and_the_file_shows_it,
    a_subscriber_is_added_and_the_voicemail_appears_without_reload,
    a_removed_member_loses_the_conversation_in_an_open_tab,
    logging_out_in_one_tab_ends_the_others,
    what_arrives_is_read_and_answered_by_the_team,
    the_access_log_grows_without_gaps,
    a_long_list_stays_light_and_is_found_again_where_it_was_left,
    whoever_is_shut_out_while_listening_hears_no_more,
    a_page_without_a_connection_says_so_until_there_is_one,
    a_call_is_a_row_of_the_list_from_its_first_ring,
    the_first_steps_tick_themselves_off,
    a_reseller_has_settings_and_hears_no_messages_of_others,
    tabs_at_two_companies_say_where_they_are,
    what_callers_hear_is_recorded_or_uploaded_in_the_browser,
    whose_session_was_ended_logs_in_again,
    two_admins_at_one_thing_overwrite_nothing,
    a_phone_s_list_is_the_history_of_a_calling_app,
    an_inbox_that_is_looked_at_is_kept_from_page_to_page,
]
