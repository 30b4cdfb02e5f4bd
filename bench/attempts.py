"""Parts of a benchmark of which each may fail: the others' figures are told all the same."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

from websockets.exceptions import WebSocketException

FAILURES = (
    OSError, EOFError, RuntimeError, ValueError, AssertionError, ExceptionGroup, WebSocketException,
    subprocess.SubprocessError,
)  # fmt: skip
Found = TypeVar("Found")


class Attempts:
    """Measures one part after the other. `failed`: what went wrong with which."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def take(self, what: str, measured: Callable[[], Found], *, times: int = 1) -> Found | None:
        """None when it has failed so many times."""
        why = ""
        for time in range(1, times + 1):
            try:
                return measured()
            except FAILURES as exc:
                traceback.print_exception(exc)
                print(f"{what} has failed, attempt {time} of {times}", file=sys.stderr)
                why = f"{type(exc).__name__}: {exc}"
        self.failed[what] = why
        return None
