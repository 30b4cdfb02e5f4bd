"""Runs a program on data that nobody trusts: another user, no capabilities, no network, bounded time, memory and files.

All of it by util-linux (unshare, prlimit, setpriv), so that it holds before the program's first instruction.
Files are handed over as descriptors: the program needs no right to reach them by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from frazil.model.errors import HostError, InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Who the program runs as, and what it may use. 65534 is `nobody`."""

    uid: int = 65534
    gid: int = 65534
    cpu_s: int = 30
    wall_s: float = 60.0
    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 0

    def command(self, program: Sequence[str]) -> list[str]:
        """`program` inside the sandbox. Needs root to start."""
        return [
            "unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child=KILL",
            "--mount-proc", "--",
            "prlimit", f"--cpu={self.cpu_s}", f"--as={self.memory_bytes}", f"--fsize={self.file_bytes}", "--core=0",
            "--nofile=64", "--nproc=64", "--",
            "setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--bounding-set=-all", "--",
            "env", "--ignore-environment", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
            *program,
        ]  # fmt: skip

    def output(self, program: Sequence[str], *, what: str, fds: Sequence[int], also: Sequence[int] = ()) -> bytes:
        """What `program` prints. fds: descriptors that it gets under the same numbers.

        also: exit codes besides 0 with which it has answered, if it printed anything.

        Raises InvalidInput where it fails or takes more than it may, HostError where it can't be started.
        """
        try:
            process = subprocess.Popen(
                self.command(program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=tuple(fds), start_new_session=True, cwd="/",
            )  # fmt: skip
        except FileNotFoundError as exc:
            raise HostError(f"{exc.filename} is not installed.", remedy="Install the package util-linux.") from exc
        try:
            out, err = process.communicate(timeout=self.wall_s)
        except subprocess.TimeoutExpired as exc:
            raise InvalidInput(
                f"{what} took more than {self.wall_s:.0f} s, which no sound image does.",
                remedy="Check the file at its source.",
            ) from exc
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode != 0 and not (process.returncode in also and out.strip()):
            words = err.decode("utf-8", "replace").strip().splitlines()
            last = words[-1] if words else f"exit code {process.returncode}"
            raise InvalidInput(
                f"{what} failed: {last}", remedy="The file is damaged or not of the format that was given."
            )
        return out
