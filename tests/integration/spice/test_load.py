"""`frazil spice load` on an editor of Debian's Xspice: the real spice-server answers, and the text is gone after it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.harness.waiting import until
from tests.harness.xspice import possible, xspice

EDITOR = "xedit"
WHITE = 0xFFFFFF
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not (possible() and shutil.which(EDITOR)), reason="xserver-xspice or its clients are missing"),
]


def test_an_editor_answers_each_key_and_is_empty_again() -> None:
    with tempfile.TemporaryDirectory() as place, xspice(Path(place)) as server:
        server.run("xdotool", "mousemove", "4000", "4000")
        with server.running(EDITOR, "-geometry", "500x300+90+90"):
            until(lambda: server.screen()[380, 580] == WHITE, "the editor is there")
            command = [sys.executable, "-m", "frazil.cli.main", "spice", "load", f"spice://127.0.0.1:{server.port}"]
            words = ["--seconds", "4", "--keys-per-second", "8", "--answers-in", "120,205,560,370", "--json"]
            done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)
            assert (found["viewers"], found["failures"], found["unanswered"]) == (1, [], 0)
            assert found["keys"] > 4
            assert found["restless"] < 0.5, "only the rest of an answer may come late"
            assert 0 < found["key_to_picture_ms"]["p50"] < 5000
            until(lambda: (server.screen()[203:215, 120:580] == WHITE).all(), "what was typed is erased")
