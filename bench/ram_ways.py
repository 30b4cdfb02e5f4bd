"""A template's memory as a sealed memfd: nobody can write to it or cut it, not even who has it open for writing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLDER = """
import fcntl, os, signal, sys
size, fd = int(sys.argv[1]), os.memfd_create("template", os.MFD_ALLOW_SEALING)
os.ftruncate(fd, size)
at = 0
while data := sys.stdin.buffer.read(1 << 20):
    if data.strip(b"\\0"):
        os.pwrite(fd, data, at)
    at += len(data)
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
print(f"/proc/{os.getpid()}/fd/{fd}", flush=True)
signal.pause()
"""
"""Keeps the memfd until it is killed. Runs as QEMU's user, who may then open it by its path."""


@contextmanager
def sealed_memfd(ram: Path) -> Iterator[Path]:
    """A copy of `ram`, the path that QEMU is to open."""
    found = ram.stat()
    with ram.open("rb") as file, subprocess.Popen(
        ["setpriv", f"--reuid={found.st_uid}", f"--regid={found.st_gid}", "--clear-groups", "--pdeathsig=KILL",
         "/usr/bin/python3", "-c", HOLDER, str(found.st_size)],
        stdin=file, stdout=subprocess.PIPE, text=True, cwd="/",
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        try:
            yield Path(holder.stdout.readline().strip())
        finally:
            holder.kill()
