"""What the viewer says and does when the picture is not there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, WebSocketRoute

from frazil.gateway.close_codes import CloseCode
from frazil.spice import link
from frazil.spice.channels import ChannelType
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.page import MARKS, becomes, keep, same_as_guest, show
from tests.integration.gateway.stage import Stage
from tests.integration.gateway.wire import Wire

pytestmark = MARKS


async def test_a_lost_line_mends_itself(stage: Stage, page: Page, back_end: BackEnd, tmp_path: Path) -> None:
    wire = Wire(stage.port)
    async with wire.running():
        await show(stage, page, stage.controller.open_session(), port=wire.port)
        await becomes(page, "connected")
        wire.cut()
        await becomes(page, "lost")
        assert "Your desktop goes on running" in await page.locator(".fv-card").inner_text()
        assert await page.locator(".fv-ghost").is_visible()
        await keep(page, "viewer-lost")
        async with asyncio.timeout(20):
            while wire.refused < 2:
                await asyncio.sleep(0.05)
        wire.mend()
        await becomes(page, "connected")
        await same_as_guest(page, back_end, tmp_path)
        assert not await page.locator(".fv-ghost").is_visible()
    assert len(stage.controller.redeemed) == 2


async def test_the_last_picture_stays_while_the_desktop_is_away(stage: Stage, page: Page, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    with BackEnd(own) as mine:
        stage.displays.back_end = mine.socket
        await show(stage, page, stage.controller.open_session())
        await becomes(page, "connected")
        await page.wait_for_timeout(500)
    await becomes(page, "lost")
    assert await page.locator(".fv-ghost").is_visible()
    assert "Trying again in" in (await page.locator(".fv-ticking").inner_text())
    await keep(page, "viewer-lost")
    again = tmp_path / "again"
    again.mkdir()
    with BackEnd(again) as mine:
        stage.displays.back_end = mine.socket
        await becomes(page, "connected")
        await same_as_guest(page, mine, tmp_path)


@pytest.mark.parametrize("channel", [ChannelType.INPUTS, ChannelType.DISPLAY])
@pytest.mark.parametrize("how", ["ends", "stays silent"])
async def test_a_channel_that_is_not_made_is_tried_again(
    stage: Stage, page: Page, channel: ChannelType, how: str
) -> None:
    """Without keys, or without a picture, a desktop is not there, whatever its other channels do."""
    spoilt: list[WebSocketRoute] = []

    def spoil(to_page: WebSocketRoute) -> None:
        to_gateway = to_page.connect_to_server()

        async def first(message: str | bytes) -> None:
            is_it = isinstance(message, bytes) and message[:4] == link.MAGIC and message[20] == channel
            if not is_it or spoilt:
                to_gateway.send(message)
                return
            spoilt.append(to_page)
            if how == "ends":
                await to_page.close(code=CloseCode.UNAVAILABLE)

        to_page.on_message(first)

    await page.route_web_socket("**/spice/**", spoil)
    await page.clock.install()
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "waiting" if how == "stays silent" else "lost")
    await page.clock.run_for(22_000)
    await becomes(page, "connected")
    assert len(spoilt) == 1


async def test_an_ended_session_says_so(stage: Stage, page: Page) -> None:
    session_id = stage.controller.open_session()
    await show(stage, page, session_id)
    await becomes(page, "connected")
    stage.controller.end_session(session_id)
    await becomes(page, "ended")
    assert await page.get_by_role("link", name="Back to your desktops").get_attribute("href") == "/leave"
    await keep(page, "viewer-ended")


async def test_two_windows_do_not_fight(stage: Stage, page: Page, browser: Browser) -> None:
    session_id = stage.controller.open_session()
    await show(stage, page, session_id)
    await becomes(page, "connected")
    other = await browser.new_page(ignore_https_errors=True)
    await show(stage, other, session_id)
    await becomes(other, "connected")
    await becomes(page, "elsewhere")
    await page.wait_for_timeout(1500)
    assert await other.get_attribute("#viewer", "data-state") == "connected"
    await page.get_by_role("button", name="Use it here").click()
    await becomes(page, "connected")
    await becomes(other, "elsewhere")


async def test_waiting_is_shown_truthfully_in_the_pages_words(stage: Stage, page: Page) -> None:
    stage.controller.refuse_tickets_with = 409
    stage.controller.step = "Starting the desktop"
    words = json.dumps({"notReady": "Az asztal még nem áll készen.", "usually": "Általában {seconds} mp."})
    await show(stage, page, stage.controller.open_session(), strings=words)
    await becomes(page, "notready")
    panel = page.locator(".fv-card")
    assert "Az asztal még nem áll készen." in await panel.inner_text()
    assert "Starting the desktop" in await panel.inner_text()
    assert "Általában 7 mp." in await panel.inner_text()
    await keep(page, "viewer-waiting")
    stage.controller.refuse_tickets_with = None
    await becomes(page, "connected")


async def test_that_the_session_is_being_opened_is_said_until_it_is_there(stage: Stage, page: Page) -> None:
    stage.controller.step = "Opening the person's session"
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    said = page.get_by_role("status").filter(has_text="Opening your session…")
    await said.wait_for()
    await keep(page, "viewer-opening")
    stage.controller.step = ""
    await said.wait_for(state="hidden")


@pytest.mark.parametrize(("status", "state"), [(401, "signedout"), (403, "refused"), (404, "ended")])
async def test_what_can_not_be_mended_is_said(stage: Stage, page: Page, status: int, state: str) -> None:
    stage.controller.refuse_tickets_with = status
    await show(stage, page, stage.controller.open_session())
    await becomes(page, state)
    assert "r-1" in await page.locator(".fv-card").inner_text() or state == "signedout"
