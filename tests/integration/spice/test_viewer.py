"""The viewer and its commands on a desktop of Debian's Xspice: what is typed and clicked arrives, and is seen."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from frazil import viewer
from frazil.cli.main import run
from frazil.viewer import Box, ImageCompression, Screenshot
from tests.harness.xspice import DEADLINE_S, XSpice, possible, xspice

pytestmark = pytest.mark.skipif(not possible(), reason="xserver-xspice and its clients are not installed")

WINDOW = Box(100, 100, 400, 300)
CORNER = 40
"""Pixels at the lower right that are not compared: there X draws its pointer, which its screenshot leaves out."""


@pytest.fixture(scope="module")
def server() -> Iterator[XSpice]:
    with tempfile.TemporaryDirectory() as place, xspice(Path(place)) as made:
        yield made


class Events:
    """What X tells the window of."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def keys(self) -> list[str]:
        """Names of the keys that went down."""
        return re.findall(r"KeyPress event.*?keysym 0x\w+, (\w+)", self._text, re.DOTALL)

    @property
    def clicks(self) -> list[tuple[int, int, int]]:
        """Buttons that went down, and where on the screen."""
        found = re.findall(r"ButtonPress event.*?root:\((\d+),(\d+)\),.*?button (\d)", self._text, re.DOTALL)
        return [(int(button), int(x), int(y)) for x, y, button in found]

    @property
    def _text(self) -> str:
        return self._file.read_text()


@contextmanager
def window(server: XSpice, place: Path) -> Iterator[Events]:
    """A white one that gets what is typed and clicked."""
    file = place / "events"
    size = f"{WINDOW.right - WINDOW.left}x{WINDOW.bottom - WINDOW.top}+{WINDOW.left}+{WINDOW.top}"
    with server.running("stdbuf", "-oL", "-eL", "xev", "-geometry", size, output=file):
        yield Events(file)


async def test_a_window_is_found_typed_into_and_looked_at(server: XSpice, tmp_path: Path) -> None:
    server.run("xdotool", "mousemove", "4000", "4000")
    server.run("xsetroot", "-solid", "steelblue")
    white = Screenshot(np.full((20, 20, 3), 255, np.uint8))
    async with viewer.connect(f"spice://127.0.0.1:{server.port}", compression=ImageCompression.GLZ) as desktop:
        await desktop.wait_for_picture()
        with window(server, tmp_path) as events:
            found = await desktop.wait_for(white)
            assert found.left >= WINDOW.left
            assert found.top >= WINDOW.top
            await desktop.click(*found.middle)
            await desktop.type("Hi, you!\n")
            await desktop.press("ctrl+alt+t", "up")
            async with asyncio.timeout(DEADLINE_S):
                while events.keys[-1:] != ["Up"]:
                    await asyncio.sleep(0.02)
            keys = "Shift_L H i comma space y o u Shift_L exclam Return Control_L Alt_L t Up"
            assert events.keys == keys.split()
            assert events.clicks == [(1, *found.middle)]
            await desktop.move(1000, 700)
            seen = await desktop.wait_still()
            theirs = server.screen()[:-CORNER, :-CORNER]
            assert np.array_equal(packed(seen)[: theirs.shape[0], : theirs.shape[1]], theirs)
        gone = await desktop.wait_until(lambda now: now.find(white) is None)
        assert gone.pixel(*found.middle) == (0x46, 0x82, 0xB4), "steelblue"


def test_commands_do_the_same(server: XSpice, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"spice://127.0.0.1:{server.port}"
    with window(server, tmp_path) as events:
        assert run(["spice", "click", where, "200", "200", "--button", "right"]) == 0
        assert run(["spice", "type", where, r"ok\n"]) == 0
        assert run(["spice", "screenshot", where, str(tmp_path / "seen.png"), "--settle", "0.2"]) == 0
        assert events.keys == ["o", "k", "Return"]
        assert events.clicks == [(3, 200, 200)]
    assert Screenshot.load(tmp_path / "seen.png").pixel(390, 290) == (255, 255, 255)
    assert run(["spice", "watch", where, "--for", "0.1"]) == 0
    assert "the whole screen" in capsys.readouterr().out


def packed(seen: Screenshot) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """Numbers 0x00RRGGBB."""
    wide = seen.rgb.astype(np.uint32)
    return np.asarray(wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2], np.uint32)
