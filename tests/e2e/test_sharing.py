"""What passes between a person's machine and their desktop: in the browser, and where a policy forbids it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from frazil.model.desktop import Phase
from frazil.wire.rest import SessionRequest
from tests.e2e.conftest import FORBIDDEN_S, NOISE, Desk, may
from tests.harness import work
from tests.harness.browser import Seat, same, seat
from tests.harness.guests import Guests
from tests.harness.native import NativeClient, native_client
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(FORBIDDEN_S + 420),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]


STILL_MS = 1000
HEARD_WITHIN_MS = 5000
"""More than a page needs to play what its desktop does."""


@pytest.fixture
def window(stack: Stack, browser: Browser) -> Iterator[Seat]:
    """One that may read and write the clipboard, as after a person's yes."""
    with seat(stack, browser) as made:
        made.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield made


def set_clipboard(window: Seat, text: str) -> None:
    """Copy in the page's machine, in another window than the viewer's."""
    window.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    window.page.evaluate("window.dispatchEvent(new Event('focus'))")


def clipboard(window: Seat) -> str:
    text: str = window.page.evaluate("navigator.clipboard.readText()")
    return text


def played_s(window: Seat) -> float:
    """How much sound the page has played, by its own player's clock."""
    played: float = window.page.evaluate("document.querySelector('audio')?.currentTime ?? 0")
    return played


@contextmanager
def noise(guests: Guests, desktop: str) -> Iterator[None]:
    """In the block the desktop plays, for half a minute at most."""
    work.in_session(guests, desktop, "left_open timeout 30 aplay -q -D plughw:0 -t raw -f dat /dev/urandom")
    yield
    guests.run(desktop, "/usr/bin/pkill", "-x", "aplay")


def plays(guests: Guests, desktop: str, window: Seat) -> None:
    """The page plays what its desktop does, and is silent again afterwards."""
    window.focus()
    window.page.keyboard.press("Shift")  # Browsers play nothing before a key or a click.
    with noise(guests, desktop):
        before_s = played_s(window)
        until(lambda: played_s(window) > before_s + 0.5, "the page plays sound")

    def stands_still() -> bool:
        was_s = played_s(window)
        window.page.wait_for_timeout(STILL_MS)
        return played_s(window) == was_s

    until(stands_still, "the page is silent")


def send(window: Seat, file: Path) -> str:
    """Choose a file to send; what the viewer says in the end."""
    window.page.mouse.move(640, 4)
    with window.page.expect_file_chooser() as chosen:
        window.page.get_by_role("button", name="Send files").click()
    chosen.value.set_files(file)
    told = window.page.locator(".fv-files[data-outcome]:not([data-outcome=sending]) .fv-files-text")
    return told.inner_text(timeout=30_000)


def enter(stack: Stack, desk: Desk, window: Seat, person: Person) -> str:
    window.sign_in(person)
    window.open(desk.pool.id)
    desktop_id = person.client.open_session(SessionRequest(pool=desk.pool.name)).session.desktop.id
    work.in_session(stack.guests, desktop_id, "true")
    return desktop_id


def test_the_browser_shares_clipboard_files_and_size(stack: Stack, desk: Desk, window: Seat, tmp_path: Path) -> None:
    guests = stack.guests
    desktop = enter(stack, desk, window, desk.person)

    set_clipboard(window, "kívülről\nfrom outside")
    until(lambda: work.copied(guests, desktop) == "kívülről\nfrom outside", "the guest has what was copied")
    work.copy(guests, desktop, "belülről, from inside")
    until(lambda: clipboard(window) == "belülről, from inside", "the page has what was copied")
    work.let_go(guests, desktop)

    file = tmp_path / "two words é.txt"
    file.write_bytes(os.urandom(300_000))
    assert send(window, file) == "two words é.txt is in the desktop's Downloads."
    found = work.in_session(guests, desktop, 'cd "/home/$user/Downloads" && sha256sum < "two words é.txt" && rm two*')
    assert found.split()[0] == hashlib.sha256(file.read_bytes()).hexdigest()

    plays(guests, desktop, window)

    for width, height in ((1024, 768), (1280, 800)):
        window.page.set_viewport_size({"width": width, "height": height})
        # The stage leaves a border of 3 pixels all round; a card's lines are a multiple of 8 long.
        size = ((width - 6) // 8 * 8, (height - 6) // 8 * 8)
        until(lambda size=size: window.picture().size == size, f"the desktop is as large as the window, {size}")  # type: ignore[misc]
    window.terminal(desktop)
    window.type("exit")
    until(lambda: same(window.drained(), guests.screenshot(desktop, tmp_path / "guest.png")), "the picture is right")


def test_what_a_policy_forbids_passes_in_no_viewer(stack: Stack, desk: Desk, window: Seat, tmp_path: Path) -> None:
    """A browser and a native client, both open while it is forbidden, tried again and again; then allowed again."""
    guests = stack.guests
    in_page = enter(stack, desk, window, desk.other)
    plays(guests, in_page, window)
    session = desk.session
    stack.phase(session.desktop.id, Phase.READY, Phase.PAUSED, timeout_s=300)
    file = tmp_path / "desktop.vv"
    file.write_text(desk.person.client.viewer_file(session.id, wait_s=20))
    sent = tmp_path / "sent.txt"
    sent.write_text("a file from outside\n")
    with native_client(file) as client:
        client.wait_for("picture")
        work.in_session(guests, session.desktop.id, "true")  # the agent begins when the panel is there
        client.wait_for("agent", there=True)
        until(lambda: send(window, sent).endswith("Downloads."), "the page's desktop takes files")
        work.in_session(guests, in_page, 'rm "/home/$user/Downloads/sent.txt"')
        for person in (desk.person, desk.other):
            may(stack, person, False)
        try:
            _nothing_passes(stack, window, in_page, client, session.desktop.id, sent)
        finally:
            for person in (desk.person, desk.other):
                may(stack, person, True)
        # The same, allowed: what was looked for above is found.
        client.do("copy", text="allowed")
        until(
            lambda: work.copied(guests, session.desktop.id) == "allowed", "it passes into the native client's desktop"
        )
        set_clipboard(window, "allowed")
        until(lambda: work.copied(guests, in_page) == "allowed", "it passes into the page's desktop")
        guests.run(session.desktop.id, *NOISE)
        client.wait_for("heard")
        plays(guests, in_page, window)
    window.terminal(in_page)
    window.type("exit")


def _nothing_passes(stack: Stack, window: Seat, in_page: str, client: NativeClient, in_client: str, file: Path) -> None:
    guests = stack.guests
    with window.keeps_its_line():
        files = {desktop: work.downloads(guests, desktop) for desktop in (in_page, in_client)}
        deadline = time.monotonic() + FORBIDDEN_S
        turn, played_before_s = 0, played_s(window)
        client.do("plug", file=str(file))
        client.do("share", folder=str(file.parent))
        while time.monotonic() < deadline:
            turn += 1
            client.do("copy", text=f"outside {turn}")
            client.do("send", file=str(file))
            set_clipboard(window, f"outside {turn}")
            assert send(window, file) == "sent.txt was not sent: files may not be sent to this desktop."
            assert not client.wait_for("sent")["ok"]
            for desktop in (in_page, in_client):
                assert "outside" not in work.copied(guests, desktop)
                work.copy(guests, desktop, f"inside {turn}")
                assert guests.run(desktop, *NOISE).code == 0
                assert work.downloads(guests, desktop) == files[desktop]
                work.let_go(guests, desktop)
            assert clipboard(window) == f"outside {turn}"
            assert work.shared(guests, in_client, file.name) == ""
        with noise(guests, in_page):
            window.page.wait_for_timeout(HEARD_WITHIN_MS)
        assert played_s(window) == played_before_s
        assert work.usb_drives(guests, in_client) == 0
        client.has_not("pasted", "sound", "heard", "disconnected")
