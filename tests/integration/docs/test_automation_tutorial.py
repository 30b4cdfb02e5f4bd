"""The tutorial on automation works as it is written, on Debian's Xspice with an editor in place of Frazil's desktop."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frazil import viewer
from tests.harness.waiting import until
from tests.harness.xspice import XSpice, possible, xspice

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorial" / "automate-a-desktop.md"
EDITOR = "xedit"
LINES_MAX = 20
WHITE = 0xFFFFFF
OF_POOL = "[virt-viewer]\ntype=spice\nhost=127.0.0.1\nport={port}\n"
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not (possible() and shutil.which(EDITOR)), reason="xserver-xspice or its clients are missing"),
]


@contextmanager
def edited(server: XSpice) -> Iterator[None]:
    """An editor where the tutorial's has been; its pointer is elsewhere."""
    server.run("xdotool", "mousemove", "4000", "4000")
    with server.running(EDITOR, "-geometry", "500x300+90+90"):
        until(lambda: server.screen()[380, 580] == WHITE, "the editor is there")
        yield


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_tutorials_program_finds_a_window_and_writes(tmp_path: Path) -> None:
    looks, opens = blocks("sh")
    cuts, automates = blocks("python")
    assert len(automates.splitlines()) < LINES_MAX
    assert opens == "frazil connect class --vv class.vv\n", "what the test does in its place"

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with xspice(tmp_path) as server, edited(server):
        looks = looks.replace("frazil ", f"{sys.executable} -m frazil.cli.main ")
        run("sh", "-euc", looks.replace(" class ", f" spice://127.0.0.1:{server.port} "))
        run(sys.executable, "-c", cuts)
        window = viewer.Screenshot.load(tmp_path / "window.png")
        assert len({window.pixel(x, y) for x in range(window.width) for y in range(window.height)}) > 1
        (tmp_path / "class.vv").write_text(OF_POOL.format(port=server.port), encoding="utf-8")
        said = run(sys.executable, "-c", automates)
        found = re.fullmatch(r"Written at (\d+), (\d+)\.\n", said)
        assert found is not None, said
        left, top = int(found[1]), int(found[2])
        written = viewer.Screenshot.load(tmp_path / "written.png")
        for x, y in ((110, 205), (195, 212)):  # the first letter, and the last one
            assert left <= x < left + written.width
            assert top <= y < top + written.height
