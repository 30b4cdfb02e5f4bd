"""Chromium, as the page tests drive it.

Screenshots go to the directory in ``FRAZIL_SCREENSHOTS``, when it is set.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.harness.pages import go
from tests.integration.portal.stack import PASSWORD

WIDE, NARROW = (1280, 800), (360, 740)
STEP_MS = 30_000
expect.set_options(timeout=STEP_MS)


class Watch:
    """What a page must not do: complain, break its own policy, ask anyone else."""

    def __init__(self, page: Page, url: str) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.scripts: dict[str, int] = {}
        self._url = url
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        # A picture that is not there yet, and pages that are shown for being refused, are told as failed loads.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:")):
            self.strangers.append(url)


async def context_of(browser: Browser, url: str, *, scheme: str, size: tuple[int, int]) -> BrowserContext:
    return await browser.new_context(
        base_url=url,
        ignore_https_errors=True,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
    )


async def sign_in(page: Page, name: str) -> None:
    await go(page, "/sign-in")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda address: "/sign-in" not in address)


async def keep(page: Page, name: str) -> None:
    directory = os.environ.get("FRAZIL_SCREENSHOTS")
    if directory:
        await page.screenshot(path=Path(directory) / f"{name}.png")
