"""Run one command of the installation: its output is kept, shown only when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from progress import Failed

TAIL_LINES = 25


def as_root(argv: Sequence[str]) -> list[str]:
    """`argv` with sudo before it where this is not root already."""
    if os.geteuid() == 0:
        return list(argv)
    if shutil.which("sudo") is None:
        raise Failed("Installing Debian packages needs root, and there is no sudo here. Run the same command as root.")
    return ["sudo", *argv]


def run(
    argv: Sequence[str],
    *,
    doing: str,
    way_out: str,
    read: Callable[[str], None] = lambda line: None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> None:
    """Run `argv`, giving each line that it writes to `read`. Raises Failed with the end of its output.

    `log`: where it writes the rest of its words itself; their end is shown instead.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd,
        env={**os.environ, **(env or {})},
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            tail.append(line)
            read(line)
    if child.returncode != 0:
        if log is not None:
            tail.extend(log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True))
        raise Failed(
            f"{doing} failed: `{' '.join(argv)}` ended with {child.returncode} after saying:\n\n"
            + "".join(f"    {line}" for line in tail)
            + f"\n{way_out}"
        )
