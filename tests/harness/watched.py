"""A viewer on a fake desktop in the same loop, and what that desktop has heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from frazil import viewer
from frazil.viewer import Desktop
from tests.fakes.spice_desktop import SpiceDesktop

DEADLINE_S = 10.0


@asynccontextmanager
async def opened(fake: SpiceDesktop, **options: Any) -> AsyncIterator[Desktop]:
    async with fake.there(), viewer.connect(fake.give, timeout_s=DEADLINE_S, **options) as desktop:
        yield desktop


async def reached(condition: Callable[[], bool], *, timeout_s: float = DEADLINE_S) -> None:
    """What the other side has to hear first."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def said(fake: SpiceDesktop, kind: type) -> list[Any]:
    return [record for _, record in fake.heard if isinstance(record, kind)]
