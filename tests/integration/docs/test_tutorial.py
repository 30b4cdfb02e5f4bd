"""What the tutorial tells people to type works, in its order. Blocks marked `sh` are run; others are of the machine.

Frazil's own parts are real; the desktops are those of the hypervisor of files.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness.howto import DOCS, Shell, blocks
from tests.harness.stack import Stack

TUTORIAL = DOCS / "tutorial" / "first-desktop.md"
pytestmark = [pytest.mark.timeout(150), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]


def test_the_tutorials_commands_work(place: Path) -> None:
    to_type = blocks(TUTORIAL)
    assert len(to_type) >= 7
    with Stack(fake=True) as stack:
        stack.start()
        stack.empty_image("debian-icewm")  # the name that `make run` gives the image that it builds
        shell = Shell(place, stack.config)
        said = []
        for block in to_type:
            said.append(shell.type(block.text))
            if "pool create" in block.text:
                stack.desktops("class", count=2, timeout_s=60)
        everything = "".join(said)
        assert "Class 7b" in everything
        assert "class-1" in everything
        assert {user.name for user in stack.root.users()} >= {"anna", "bela", "csilla"}
        assert stack.root.pools() == []
        assert not (place / "first-password").exists()
        assert (place / "class-1.png").read_bytes().startswith(b"\x89PNG")
