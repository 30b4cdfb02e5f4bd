"""A benchmark's helper processes: told by lines on their input, answering by lines, ending with their input."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
DEADLINE_S = 60.0
ENDING_S = 10.0


class Child:
    """A script of this directory at work. Use as a context manager."""

    def __init__(self, script: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / script, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        print(line, file=self._to, flush=True)

    def answer(self, *, deadline_s: float = DEADLINE_S) -> str:
        """Its next line. Raises RuntimeError when it ends without one, as it is made to at the deadline."""
        late = threading.Timer(deadline_s, self._process.kill)
        late.start()
        try:
            line = self._from.readline()
        finally:
            late.cancel()
        if not line:
            command = " ".join(str(word) for word in self._process.args[1:])  # type: ignore[index]
            raise RuntimeError(f"No answer from {command} within {deadline_s:.0f} s; what it said stands above.")
        return line.rstrip("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._to.close()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()


def allow_files(wanted: int) -> None:
    """Let this process and its children have so many open. Raises RuntimeError where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = hard if hard == resource.RLIM_INFINITY else max(hard, wanted)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        except ValueError as exc:
            raise RuntimeError(f"{wanted} open files are needed and {hard} allowed: run this as root.") from exc
