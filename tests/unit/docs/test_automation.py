"""The program in the how-to on automation is short, and runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from frazil import viewer
from frazil.spice.inputs_channel import Key
from frazil.viewer import Box, Screenshot
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures

TEXT = (Path(__file__).parents[3] / "docs" / "howto" / "automate-a-desktop.md").read_text(encoding="utf-8")
LINES_MAX = 20


async def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    program = found[1]
    assert len(program.splitlines()) < LINES_MAX
    monkeypatch.chdir(tmp_path)
    Screenshot(captures.screen("lz")).cut(Box(10, 10, 30, 30)).save("button.png")
    fake = SpiceDesktop()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    running: list[asyncio.Task[None]] = []
    monkeypatch.setattr(asyncio, "run", lambda main: running.append(loop.create_task(main)))
    exec(program.replace("127.0.0.1:5900", f"127.0.0.1:{port}"), {})
    async with asyncio.timeout(30):
        await running[0]
    typed = [record for _, record in fake.heard if isinstance(record, Key)]
    assert len(typed) > 2 * len("editor\nHello, desktop!\n")
    assert np.array_equal(Screenshot.load("hello.png").rgb, captures.screen("lz"))
    server.close()
    await server.wait_closed()


def test_what_it_names_is_there() -> None:
    for name in re.findall(r"`([a-z_]+)(?:\(\w+\))?`", TEXT.partition("Coordinates")[2].partition("## What it")[0]):
        known = any(hasattr(place, name) for place in (viewer, viewer.Desktop, Screenshot))
        assert known or name == "timeout_s", name
