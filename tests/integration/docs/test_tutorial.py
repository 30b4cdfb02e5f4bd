"""What the tutorial tells people to type works, in its order. Blocks marked `sh` are run; others are of the machine.

Frazil's own parts are real; the desktops are those of the hypervisor of files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.stack import Stack

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorial" / "first-desktop.md"
pytestmark = [pytest.mark.timeout(150), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]


def test_the_tutorials_commands_work(place: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    program = place / "bin" / "frazil"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m frazil.cli.main "$@"\n')
    program.chmod(0o755)
    with Stack(fake=True) as stack:
        stack.start()
        stack.empty_image("debian-icewm")  # the name that `make run` gives the image that it builds
        own = {"FRAZIL_CONFIG": str(stack.config)}
        said = []
        for block in blocks:
            done = subprocess.run(
                ["bash", "-euc", block],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False, cwd=place,
                env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", **own},
            )  # fmt: skip
            assert done.returncode == 0, f"{block}\n{done.stderr}"
            said.append(done.stdout)
            if "pool create" in block:
                stack.desktops("class", count=2, timeout_s=60)
        everything = "".join(said)
        assert "Class 7b" in everything
        assert "class-1" in everything
        assert {user.name for user in stack.root.users()} >= {"anna", "bela", "csilla"}
        assert stack.root.pools() == []
        assert not (place / "first-password").exists()
        assert (place / "class-1.png").read_bytes().startswith(b"\x89PNG")
