"""What scripts add to the pages, in Chromium: live parts, pictures, the keyboard; and that all works without them."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.harness.pages import go
from tests.integration.portal.chromium import STEP_MS, WIDE, context_of, keep, sign_in
from tests.integration.portal.conftest import NewUser
from tests.integration.portal.test_pages import pool_is
from tests.integration.portal.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

SCRIPT_MAX_BYTES = 150_000


async def test_pictures_are_live_and_nothing_moves_when_they_come(
    browser: Browser, url: str, furnished: Visitor, new_user: NewUser
) -> None:
    await pool_is(furnished, "office", "ready")
    name = await new_user()
    context = await context_of(browser, url, scheme="light", size=WIDE)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(e => "
        "{ if (!e.hadRecentInput) window.shift += e.value; })).observe({type: 'layout-shift', buffered: true});"
    )
    await sign_in(page, name)
    await page.get_by_role("button", name="Open office").click()
    await page.wait_for_selector("#viewer")
    await go(page, "/")
    await expect(page.locator("img[data-live].seen")).to_have_count(1, timeout=STEP_MS)
    assert await page.evaluate("document.querySelector('img[data-live]').naturalWidth") > 0
    await keep(page, "portal-with-picture")
    assert await page.evaluate("window.shift") < 0.01
    await context.close()


async def test_waiting_turns_into_the_desktop_without_a_hand(
    browser: Browser, url: str, furnished: Visitor, new_user: NewUser
) -> None:
    name = await new_user()
    context = await context_of(browser, url, scheme="light", size=WIDE)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await sign_in(page, name)
    await page.get_by_role("button", name="slow-lab").click()
    await expect(page.locator("#live")).to_contain_text("Booting")
    await keep(page, "waiting")
    await go(page, "/")
    await page.get_by_role("button", name="broken-lab").click()
    await expect(page.get_by_role("alert")).to_contain_text("did not answer in time")
    await keep(page, "failed")
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_selector("#viewer")
    await context.close()


async def test_a_live_part_waits_while_one_decides(browser: Browser, url: str, furnished: Visitor) -> None:
    await pool_is(furnished, "office", "ready")
    desktop = (await furnished.get("/api/v1/desktops?pool=office")).json()["items"][0]["id"]
    context = await context_of(browser, url, scheme="light", size=WIDE)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await sign_in(page, "anna")
    await go(page, f"/console/desktops/{desktop}")
    await page.get_by_text("Cut its power…").click()
    question = page.get_by_text("What was not saved in it is lost")
    await expect(question).to_be_visible()
    async with page.expect_response(lambda answer: "screenshot" in answer.url, timeout=STEP_MS):
        pass  # several polls of the live part would have gone by
    await expect(question).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(question).not_to_be_visible()
    await context.close()


async def test_everything_is_reached_with_the_keyboard_and_the_focus_is_seen(
    browser: Browser, url: str, furnished: Visitor
) -> None:
    context = await context_of(browser, url, scheme="light", size=WIDE)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await sign_in(page, "anna")
    await go(page, "/console/pools")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    reached: set[str] = set()
    for _ in range(40):
        await page.keyboard.press("Tab")
        seen = await page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.textContent.trim(), s.outlineStyle, e === document.body]; })()"
        )
        if seen[2]:
            break
        assert seen[1] != "none", f"no focus is seen on {seen[0]!r}"
        reached.add(seen[0])
    assert {"Overview", "Make a pool", "office", "Copy"} <= reached
    await context.close()


async def test_the_scripts_are_small(furnished: Visitor) -> None:
    page = await furnished.get("/")
    sizes = []
    for piece in page.text.split('<script src="')[1:]:
        answer = await furnished.get(piece.split('"')[0])
        assert answer.status_code == 200, "build the browser code first: make web"
        sizes.append(len(answer.content))
    assert sizes
    assert sum(sizes) < SCRIPT_MAX_BYTES


async def test_a_page_works_without_scripts(browser: Browser, url: str, furnished: Visitor, new_user: NewUser) -> None:
    name = await new_user()
    context = await browser.new_context(base_url=url, ignore_https_errors=True, java_script_enabled=False)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    await sign_in(page, name)
    await page.get_by_role("button", name="broken-lab").click()
    await page.get_by_text("did not answer in time").wait_for()  # The page loads itself again until then.
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/sessions/*")
    await context.close()
