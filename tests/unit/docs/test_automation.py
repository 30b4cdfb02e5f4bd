"""The program in the how-to on automation is short, and runs."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil import viewer
from frazil.spice.channels import ChannelType
from frazil.spice.inputs_channel import Key
from frazil.spice.sound_channels import PlaybackServer, PlaybackStart, RecordServer, RecordStart, SoundData
from frazil.viewer import Box, Screenshot
from tests.fakes.spice_desktop import WITH_SOUND, SpiceDesktop
from tests.harness import captures
from tests.harness.watched import reached

TEXT = (Path(__file__).parents[3] / "docs" / "howto" / "automate-a-desktop.md").read_text(encoding="utf-8")
LINES_MAX = 20
START = (PlaybackServer.START, PlaybackStart(channels=2, format=1, frequency_hz=48_000, time_ms=0))
SOUND = (PlaybackServer.DATA, SoundData(time_ms=0, data=bytes(1920)))


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


async def test_the_program_with_sound_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = (text for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "record_sound" in text)
    monkeypatch.chdir(tmp_path)
    fake = SpiceDesktop(channels=WITH_SOUND, plays=[START, SOUND])
    names: dict[str, Any] = {"viewer": viewer, "numpy": np, "where": fake.give}
    exec("async def program():\n" + textwrap.indent(program.replace("for_s=10", "for_s=0.3"), "    "), names)
    running = asyncio.create_task(names["program"]())
    await reached(lambda: ChannelType.RECORD in fake.clients)
    fake.clients[ChannelType.RECORD].say(RecordServer.START, RecordStart(channels=2, format=1, frequency_hz=48_000))
    while not running.done():  # the block that comes behind the recording
        fake.clients[ChannelType.PLAYBACK].say(*SOUND)
        await asyncio.sleep(0.05)
    await running
    assert (tmp_path / "heard.wav").stat().st_size > 0.3 * 48_000 * 4
    assert len([record for _, record in fake.heard if isinstance(record, SoundData)]) == -(-48_000 // 512)


def test_what_it_names_is_there() -> None:
    for name in re.findall(r"`([a-z_]+)(?:\(\w+\))?`", TEXT.partition("Coordinates")[2].partition("## What it")[0]):
        known = any(hasattr(place, name) for place in (viewer, viewer.Desktop, Screenshot))
        assert known or name == "timeout_s", name
