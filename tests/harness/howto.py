"""Documents whose commands are typed as they stand: blocks marked `sh` are run, others are of people and machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TYPED_TIMEOUT_S = 1800.0
"""For the slowest command, which builds an image."""
_HEADING_OR_BLOCK = re.compile(r"^## (?P<heading>[^\n]*)$|^```sh(?: (?P<where>\w+))?\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands below a heading of the second order. `where`: the word after `sh`, for a machine of its own."""

    heading: str
    where: str
    text: str


def blocks(document: Path) -> list[Block]:
    """All that are to be run, in their order."""
    found, heading = [], ""
    for match in _HEADING_OR_BLOCK.finditer(document.read_text(encoding="utf-8")):
        if match["text"] is None:
            heading = match["heading"]
        else:
            found.append(Block(heading, match["where"] or "", match["text"]))
    return found


class Shell:
    """Root's shell on a machine with that settings file; `place` is where it works, and its home."""

    def __init__(self, place: Path, config: Path) -> None:
        self.place = place
        place.mkdir(exist_ok=True)
        program = place / "bin" / "frazil"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m frazil.cli.main "$@"\n')
        program.chmod(0o755)
        own = {"FRAZIL_CONFIG": str(config), "HOME": str(place), "XDG_CONFIG_HOME": str(place / ".config")}
        self._environment = {**os.environ, **own, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def type(self, text: str, *, code: int = 0) -> str:
        """What the commands said, on both outputs. They end with the first that fails; AssertionError for another end
        than `code`."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TYPED_TIMEOUT_S,
            check=False,
            cwd=self.place,
            env=self._environment,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{text}\nended with {done.returncode}:\n{said}"
        return said
