"""Chromium's words on the command line, and going to a page while the machine's networks change beside it."""

from __future__ import annotations

from playwright.async_api import Error as AsyncError
from playwright.async_api import Page as AsyncPage
from playwright.async_api import Response as AsyncResponse
from playwright.sync_api import Error, Page, Response

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NETWORK_CHANGED = ("ERR_NETWORK_CHANGED", "chrome-error://chromewebdata/", "is interrupted by another navigation")
"""Chromium drops what it is loading when an address of the machine comes or goes, as with each test's guests.

It says so at once, or of the next page, when the one that tells about it comes in between, or goes there by itself.
"""
TRIES = 5


async def go(page: AsyncPage, url: str) -> AsyncResponse | None:
    """`page.goto`, again when a network's change cut off the page or something that it is made of."""
    lost: list[str] = []
    page.on("requestfailed", lambda request: lost.append(request.failure or ""))
    for _ in range(TRIES):
        lost.clear()
        try:
            response = await page.goto(url)
        except AsyncError as exc:
            if not _by_network(exc.message):
                raise
        else:
            if not any(map(_by_network, lost)):
                return response
    raise AssertionError(f"The networks changed each time that {url} was asked for.")


def go_now(page: Page, url: str) -> Response | None:
    """`go` for tests that wait without a loop."""
    lost: list[str] = []
    page.on("requestfailed", lambda request: lost.append(request.failure or ""))
    for _ in range(TRIES):
        lost.clear()
        try:
            response = page.goto(url)
        except Error as exc:
            if not _by_network(exc.message):
                raise
        else:
            if not any(map(_by_network, lost)):
                return response
    raise AssertionError(f"The networks changed each time that {url} was asked for.")


def _by_network(said: str) -> bool:
    return any(word in said for word in NETWORK_CHANGED)
