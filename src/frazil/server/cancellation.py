"""A cancellation that Python 3.11 lost.

TaskGroup drops the cancellation of its own task when a child's error arrives together with it (python/cpython#116720,
mended in 3.13). A loop that goes on after such errors would then go on for ever.
"""

from __future__ import annotations

import asyncio


def due() -> None:
    """Call after handling a TaskGroup's errors: raises CancelledError if this task was told to end meanwhile."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
