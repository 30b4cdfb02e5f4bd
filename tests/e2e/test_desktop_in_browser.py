"""From signing in to a real desktop in the page: its picture, its keyboard, and who is kept out."""

from __future__ import annotations

import io
import os
import random
import signal
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from frazil.gateway.close_codes import CloseCode
from frazil.model.desktop import Phase
from frazil.model.errors import NotFound, Refused
from frazil.server.density import measuring
from frazil.spice.link_errors import LinkError
from frazil.wire.rest import SessionRequest
from tests.e2e.conftest import Desk
from tests.harness import spice, work
from tests.harness.browser import Seat, same, seat
from tests.harness.pages import go_now
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(420),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
SEED = int(os.environ.get("FRAZIL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def _enter(window: Seat, desk: Desk) -> str:
    """Sign in, click, be there; the desktop's id."""
    window.sign_in(desk.person)
    window.open(desk.pool.id)
    return desk.session.desktop.id


def test_the_canvas_is_the_guests_screen_at_any_moment(stack: Stack, desk: Desk, window: Seat, tmp_path: Path) -> None:
    desktop = _enter(window, desk)
    window.terminal(desktop)
    window.type("while :; do seq $RANDOM; done")  # a screen that never stands still
    chance = random.Random(SEED)
    try:
        for moment in range(3):
            after_ms = chance.uniform(300, 2500)
            print(f"FRAZIL_SEED={SEED}: moment {moment}, {after_ms:.0f} ms")
            window.page.wait_for_timeout(after_ms)
            stack.root.act(desktop, "pause")
            stack.phase(desktop, Phase.PAUSED)
            seen = window.drained()
            truth = stack.guests.screenshot(desktop, tmp_path / "guest.png")
            if not same(seen, truth):
                seen.save(tmp_path / "canvas.png")
            assert same(seen, truth), f"seed {SEED}, moment {moment}: see {tmp_path}"
            stack.root.act(desktop, "start")
            stack.phase(desktop, Phase.READY)
            until(lambda before=seen: not same(window.picture(), before), "it goes on")  # type: ignore[misc]
    finally:
        stack.root.act(desktop, "start")
        stack.phase(desktop, Phase.READY)
        window.focus()
        window.page.keyboard.press("Control+KeyC")
        window.type("exit")


def test_what_is_typed_arrives_in_the_guest(stack: Stack, desk: Desk, window: Seat) -> None:
    desktop = _enter(window, desk)
    window.terminal(desktop)
    window.type_into(desktop, "/tmp/typed", "Frazil_42")
    window.type("exit")


def test_the_desktop_is_a_fork_and_its_session_the_persons_own(stack: Stack, desk: Desk, window: Seat) -> None:
    desktop = _enter(window, desk)
    until(lambda: work.has_panel(stack.guests, desktop), "the person's panel is up", timeout_s=120)
    assert measuring.processes()[desktop].forked
    said = stack.guests.run(desktop, "/usr/bin/loginctl", "--no-legend", "list-sessions").stdout.split()
    assert said[2:4] == [desk.person.name, "seat0"]
    assert int(said[1]) > 1000


def test_another_person_is_kept_out(stack: Stack, desk: Desk, window: Seat, browser: Browser) -> None:
    _enter(window, desk)
    session, bela = desk.session, desk.other.client
    # by the page
    with seat(stack, browser) as others:
        others.sign_in(desk.other)
        answer = go_now(others.page, f"{stack.url}/sessions/{session.id}")
        assert answer is not None
        assert answer.status == 404
        assert others.page.locator("#viewer").count() == 0
        others.page.get_by_text("There is no such session").first.wait_for()
        picture = others.page.request.get(f"{stack.url}/api/v1/desktops/{session.desktop.id}/screenshot")
        assert picture.status == 404
    # by the API
    for refused in (
        lambda: bela.session(session.id),
        lambda: bela.ticket(session.id),
        lambda: bela.end_session(session.id),
        lambda: bela.desktop(session.desktop.id),
        lambda: bela.screenshot(session.desktop.id),
        lambda: bela.act(session.desktop.id, "stop"),
        lambda: bela.open_session(SessionRequest(desktop=session.desktop.id)),
    ):
        with pytest.raises((NotFound, Refused)):
            refused()
    assert session.id not in [one.id for one in bela.sessions()]
    assert session.desktop.id not in [one.id for one in bela.desktops()]
    # by the WebSocket: neither with a ticket that is good elsewhere, nor with none
    spice_path = desk.person.client.ticket(session.id).spice_path
    own = bela.open_session(SessionRequest(pool="blank")).session
    stack.phase(own.desktop.id, Phase.READY)
    for ticket in (bela.ticket(own.id).ticket, "", "frazil"):
        assert spice.give(stack, spice_path, ticket) == spice.Answer(LinkError.PERMISSION_DENIED, CloseCode.REFUSED)
    bela.end_session(own.id)
    # and the one whose desktop it is has noticed nothing
    assert window.page.locator("#viewer").get_attribute("data-state") == "connected"


def test_a_ticket_is_good_once(stack: Stack, desk: Desk) -> None:
    session = desk.session
    stack.phase(session.desktop.id, Phase.READY, timeout_s=300)
    ticket = desk.person.client.ticket(session.id)
    assert spice.give(stack, ticket.spice_path, ticket.ticket).result is LinkError.OK
    again = spice.give(stack, ticket.spice_path, ticket.ticket)
    assert again == spice.Answer(LinkError.PERMISSION_DENIED, CloseCode.REFUSED)


def test_the_bar_has_its_tools(desk: Desk, window: Seat) -> None:
    _enter(window, desk)
    page = window.page
    page.mouse.move(640, 4)
    canvas = page.locator("#fv-screen canvas").first
    page.get_by_role("button", name="Real size").click()
    real = canvas.bounding_box()
    assert real is not None
    assert real["width"] == canvas.evaluate("canvas => canvas.width")
    page.get_by_role("button", name="Fit to window").click()
    page.get_by_role("button", name="Full screen", exact=True).click()
    until(lambda: page.evaluate("document.fullscreenElement !== null"), "it fills the screen")
    page.get_by_role("button", name="Leave full screen").click()
    until(lambda: page.evaluate("document.fullscreenElement === null"), "it is a window again")
    page.get_by_role("button", name="Keys").click()
    assert page.get_by_role("button", name="Ctrl-Alt-Del").is_visible()
    page.get_by_role("link", name="Leave").click()
    page.get_by_role("heading", name="Your desktops").wait_for()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lost_line_is_mended_by_itself(
    stack: Stack, desk: Desk, window: Seat, number: signal.Signals, tmp_path: Path
) -> None:
    desktop = _enter(window, desk)
    with window.loses_its_line():
        stack.back("gateway", instead_of=stack.kill("gateway", number))
    window.terminal(desktop)
    window.type("exit")
    until(
        lambda: same(window.picture(), stack.guests.screenshot(desktop, tmp_path / "guest.png")), "the picture is back"
    )


@pytest.mark.soak  # what it shows, the tests above and the portal's look at
def test_pictures_for_the_readme(
    stack: Stack, desk: Desk, window: Seat, browser: Browser, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """The documentation's pictures are of the real thing; taken anew with --regenerate-output."""
    folder = PICTURES if pytestconfig.getoption("--regenerate-output") else tmp_path
    folder.mkdir(exist_ok=True)
    desktop = _enter(window, desk)
    window.terminal(desktop)
    window.type("clear; uname -srm; uptime -p; free -h")
    window.drained()
    window.page.get_by_role("toolbar").wait_for(state="hidden")
    window.page.locator(".fv-hint").wait_for(state="hidden")
    _save(window, folder / "desktop.png")
    go_now(window.page, stack.url)
    thumbnail = window.page.locator("#live img").first
    thumbnail.wait_for()
    shown = "img => img.complete && img.naturalWidth > 0 && getComputedStyle(img).opacity === '1'"
    until(lambda: thumbnail.evaluate(shown), "the thumbnail is there")
    _save(window, folder / "portal.png")
    if "mona" not in [user.name for user in stack.root.users()]:
        stack.user("mona", administrator=True)
    with seat(stack, browser) as console:
        console.sign_in(next(person for person in stack.people if person.name == "mona"))
        go_now(console.page, f"{stack.url}/console")
        console.page.get_by_role("heading").first.wait_for()
        _save(console, folder / "console.png")
    assert stack.guests.run(desktop, "/usr/bin/pkill", "xterm").code == 0


def _save(window: Seat, file: Path) -> None:
    """A small PNG of the page: 256 colours are enough for what is drawn."""
    shot = Image.open(io.BytesIO(window.page.screenshot())).convert("RGB")
    assert len(shot.getcolors(1 << 24) or []) > 16, "the page is empty"
    shot.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
