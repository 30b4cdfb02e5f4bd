"""The browser's viewer against a real desktop through the real gateway, in Chromium."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import ImageChops
from playwright.async_api import Browser, Page

from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.page import MARKS, becomes, keep, picture, same_as_guest, show
from tests.integration.gateway.stage import Stage

pytestmark = MARKS


def _wide(changed: tuple[int, int, int, int] | None) -> bool:
    """Twenty-two letters of nine pixels each."""
    return changed is not None and changed[2] - changed[0] >= 9 * 21


async def test_the_picture_arrives_and_keys_are_typed(
    stage: Stage, page: Page, back_end: BackEnd, tmp_path: Path
) -> None:
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    await same_as_guest(page, back_end, tmp_path)
    before = await picture(page)
    canvas = page.locator("canvas").first
    await canvas.click()
    await page.keyboard.type("echo Frazil_42 + (6*7)", delay=20)
    async with asyncio.timeout(20):
        while not _wide(ImageChops.difference(before, await picture(page)).getbbox()):
            await asyncio.sleep(0.05)
    await same_as_guest(page, back_end, tmp_path)
    await keep(page, "viewer-connected")


async def test_fit_and_real_size(stage: Stage, page: Page) -> None:
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    canvas = page.locator("canvas").first
    fitted = await canvas.bounding_box()
    assert fitted is not None
    assert fitted["width"] == pytest.approx(1274, abs=2) or fitted["height"] == pytest.approx(794, abs=2)
    await page.get_by_role("button", name="Real size").click()
    real = await canvas.bounding_box()
    assert real is not None
    assert real["width"] == await canvas.evaluate("c => c.width")
    await page.get_by_role("button", name="Fit to window").click()


async def test_tools_hide_and_the_keyboard_comes_back(stage: Stage, page: Page) -> None:
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    await page.locator("canvas").first.click(position={"x": 300, "y": 300})
    assert await page.evaluate("document.activeElement.tagName") == "CANVAS"
    await page.get_by_text("Your keyboard goes to the desktop.").wait_for()
    await page.get_by_role("toolbar").wait_for(state="hidden", timeout=15_000)
    await keep(page, "viewer-tools-hidden")
    await page.keyboard.press("Control+Alt+Shift")
    assert await page.evaluate("document.activeElement.textContent") == "Full screen"
    await page.get_by_role("button", name="Keys").click()
    await page.get_by_role("button", name="Ctrl-Alt-Del").wait_for()
    await keep(page, "viewer-keys")


async def test_a_phone_shows_it_too(stage: Stage, browser: Browser) -> None:
    context = await browser.new_context(
        ignore_https_errors=True, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page = await context.new_page()
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    box = await page.locator("canvas").first.bounding_box()
    assert box is not None
    assert box["width"] <= 360
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.touchscreen.tap(180, 370)
    await keep(page, "viewer-phone")
    await context.close()
