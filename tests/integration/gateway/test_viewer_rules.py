"""The viewer for everyone: accessibility rules, a strict page policy, no error in the console."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page

from tests.integration.gateway.page import MARKS, becomes, keep, show
from tests.integration.gateway.stage import Stage

pytestmark = MARKS


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everyone_can_use_it(stage: Stage, page: Page, scheme: Literal["light", "dark"]) -> None:
    """axe's rules, with the picture there, with the keys' menu open, and with words in its place."""
    await page.emulate_media(color_scheme=scheme)
    session_id = stage.controller.open_session()
    await show(stage, page, session_id)
    await becomes(page, "connected")
    await page.get_by_role("button", name="Keys").click()
    results = [await Axe().run(page)]
    stage.controller.end_session(session_id)
    await becomes(page, "ended")
    assert not await page.get_by_role("button", name="Ctrl-Alt-Del").is_visible()
    assert not await page.locator(".fv-hint").is_visible()
    await keep(page, f"viewer-ended-{scheme}")
    results.append(await Axe().run(page))
    for result in results:
        assert result.violations_count == 0, result.generate_report()


async def test_no_script_is_refused_and_none_fails(stage: Stage, page: Page) -> None:
    """The page's strict policy holds while all of it is used."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    await show(stage, page, stage.controller.open_session())
    await becomes(page, "connected")
    await page.locator("canvas").first.click(position={"x": 200, "y": 200}, button="right")
    await page.mouse.wheel(0, 300)
    await page.get_by_role("button", name="Reconnect").click()
    await becomes(page, "connected")
    assert said == []
