"""One QEMU for each module that asks for it, one gateway for each test."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from playwright.async_api import Browser, Page, async_playwright

from tests.harness.pages import ARGUMENTS
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.played import PlayedBackEnd
from tests.integration.gateway.stage import Stage, staged


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the gateway runs on, in its process too."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def back_end() -> Iterator[BackEnd]:
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory, BackEnd(Path(directory)) as running:
        yield running


@pytest.fixture
async def stage(back_end: BackEnd) -> AsyncIterator[Stage]:
    # A short path: a UNIX socket's name has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), back_end.socket) as running:
            yield running


@pytest.fixture
async def played() -> AsyncIterator[PlayedBackEnd]:
    """A back end that the test plays; no machine is behind it."""
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with PlayedBackEnd(Path(directory) / "display").running() as running:
            yield running


@pytest.fixture
async def played_stage(played: PlayedBackEnd) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        async with staged(Path(directory), played.socket) as running:
            yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800})
    yield await context.new_page()
    await context.close()
