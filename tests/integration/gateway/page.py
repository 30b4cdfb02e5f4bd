"""A page that holds the viewer, in Chromium, and what one asks of it."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import os
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from playwright.async_api import Page

from tests.harness.pages import go
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.controller import STATIC
from tests.integration.gateway.stage import Stage

MARKS = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.skipif(
        not (STATIC / "viewer/viewer.js").exists(), reason="the browser code is not built (make test does)"
    ),
]
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Viewer</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/viewer/viewer.css"><script type="module" src="/static/viewer/viewer.js"></script>
</head><body><main><h1 style="position:absolute;clip-path:inset(50%)">Desktop</h1><div id="viewer" {attributes}></div>
</main></body></html>"""
PICTURES = os.environ.get("FRAZIL_PICTURES")
"""A directory that keeps what the tests saw, for people to look at."""


async def show(stage: Stage, page: Page, session_id: str, *, port: int | None = None, **more: str) -> None:
    given = {
        "session-id": session_id,
        "tickets-url": f"/api/v1/sessions/{session_id}/tickets",
        "state-url": f"/api/v1/sessions/{session_id}",
        "leave-url": "/leave",
        "csrf": "csrf-1",
        "title": "Test desktop",
        **more,
    }
    attributes = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in given.items())
    stage.controller.page = PAGE.format(attributes=attributes)
    await go(page, f"https://localhost:{port or stage.port}/")


async def becomes(page: Page, state: str, *, seconds: float = 30) -> None:
    await page.wait_for_selector(f'#viewer[data-state="{state}"]', timeout=seconds * 1000)


async def keep(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


async def picture(page: Page) -> Image.Image:
    """The canvas's own pixels."""
    url = await page.evaluate("document.querySelector('canvas').toDataURL('image/png')")
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


async def same_as_guest(page: Page, back_end: BackEnd, directory: Path) -> None:
    """Wait until the canvas is the guest's screen, pixel by pixel: what is drawn may still be under way."""
    async with asyncio.timeout(20):
        while True:
            back_end.screenshot(directory / "guest.png")
            guest = Image.open(directory / "guest.png").convert("RGB")
            seen = await picture(page)
            if seen.size == guest.size and ImageChops.difference(seen, guest).getbbox() is None:
                return
            await asyncio.sleep(0.05)
