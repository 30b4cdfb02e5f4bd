"""Every page of a real installation in Chromium: accessible in light and dark, wide and narrow, and quiet."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser

from tests.harness.pages import go
from tests.integration.portal.chromium import NARROW, STEP_MS, WIDE, Watch, context_of, keep, sign_in
from tests.integration.portal.test_pages import pool_is
from tests.integration.portal.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def console_paths(administrator: Visitor) -> list[str]:
    """Every page of the console, with one of each kind of thing; a desktop that runs and one that failed."""
    paths = ["", "/hosts", "/images", "/pools", "/pools/new", "/desktops", "/sessions", "/users", "/groups", "/events"]
    for kind in ("hosts", "images", "pools", "users"):
        first = (await administrator.get(f"/api/v1/{kind}")).json()["items"][0]
        paths += [f"/{kind}/{first['id']}"]
    for pool in ("office", "broken-lab"):
        desktops = (await administrator.get(f"/api/v1/desktops?pool={pool}")).json()["items"]
        paths += [f"/desktops/{desktops[0]['id']}"]
    return ["/", "/account", "/nowhere", *(f"/console{path}" for path in paths)]


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("dark", NARROW)], ids=["light", "dark", "narrow"]
)
async def test_every_page_is_accessible_and_quiet(
    browser: Browser, url: str, furnished: Visitor, scheme: str, size: tuple[int, int]
) -> None:
    await pool_is(furnished, "office", "ready")
    await pool_is(furnished, "broken-lab", "failed")
    context = await context_of(browser, url, scheme=scheme, size=size)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    watch = Watch(page, url)
    found: list[str] = []

    async def judge(name: str) -> None:
        await keep(page, f"{name}-{size[0]}-{scheme}")
        outcome = await Axe().run(page, options={"runOnly": RULES})
        found.extend(
            f"{name}: {fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in outcome.response["violations"]
        )
        width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if width > 0:
            found.append(f"{name}: {width} px wider than the window")

    await go(page, "/sign-in")
    await judge("sign-in")
    await sign_in(page, "anna")
    for path in await console_paths(furnished):
        await go(page, path)
        await judge(path.strip("/").replace("/", "-")[:24] or "home")
    assert found == []
    assert watch.complaints == []
    assert watch.strangers == []
    await context.close()
