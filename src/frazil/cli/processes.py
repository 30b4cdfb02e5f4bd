"""One of the three processes, run in the foreground: what `frazil up` and the service manager start."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial

import structlog
import uvloop

from frazil.model.errors import FrazilError
from frazil.runtime import SystemClock, SystemIds
from frazil.settings import Settings

CANCEL_AGAIN_S = 1.0
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"gateway": uvloop.new_event_loop}
"""Event loops other than Python's own (docs/adr/0121)."""

Serve = Callable[[Settings, Callable[[], None]], Coroutine[object, object, None]]
"""The work of one process: runs until cancelled, and calls the callback once it is ready."""


def run(name: str, settings: Settings, *, ready_fd: int | None, serve: Serve | None = None, number: int = 1) -> int:
    """Run process `name` until it is told to stop (SIGTERM or SIGINT). Returns the exit code.

    `serve` is what it does instead of its own part of Frazil: tests put a server on another hypervisor. `number`: of
    several controllers, which one.
    """
    log_as_json(name if number == 1 else f"{name}-{number}")
    log = structlog.get_logger().bind(process=name)
    tell = partial(tell_ready, ready_fd)
    failures: list[FrazilError] = []
    try:
        with asyncio.Runner(loop_factory=LOOPS.get(name)) as runner:
            runner.run(_until_stopped(serve(settings, tell) if serve else _serve(name, settings, tell, number)))
    except* FrazilError as failed:
        failures = _leaves(failed)
    for error in failures:
        log.error("process-failed", code=error.code, what=str(error))
    if not failures:
        log.info("process-stopped")
    return 1 if failures else 0


def log_as_json(name: str) -> None:
    """One JSON object a line on the standard error, with the time and the process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=name)


def tell_ready(ready_fd: int | None) -> None:
    """Tell whoever started us that we are ready: over the inherited pipe, and to the service manager, if any."""
    if ready_fd is not None:
        os.write(ready_fd, b"\n")
        os.close(ready_fd)
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        # sd_notify(3): an abstract socket's name is written with an @
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.connect("\0" + address[1:] if address.startswith("@") else address)
            manager.sendall(b"READY=1")


def _serve(name: str, settings: Settings, ready: Callable[[], None], number: int) -> Coroutine[object, object, None]:
    # imported here: each process loads its own part only, and an unprivileged one holds no hypervisor code
    serve = importlib.import_module(f"frazil.{name}.app").serve
    parts: dict[str, object] = {"clock": SystemClock(), "ready": ready}
    if name != "server":
        parts["ids"] = SystemIds()
    if name == "controller":
        parts["number"] = number
    work: Coroutine[object, object, None] = serve(settings, **parts)
    return work


async def _until_stopped(work: Coroutine[object, object, None]) -> None:
    """Run `work` to its end; the first signal cancels it, and it ends in its own order.

    It is cancelled anew every second until it ends: Python 3.11's TaskGroup drops a cancellation that arrives together
    with a child's error (python/cpython#116720, mended in 3.13), as when the other two processes stop at the same time.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def cancel() -> None:
        if not task.done():
            task.cancel()
            loop.call_later(CANCEL_AGAIN_S, cancel)

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise


def _leaves(group: BaseExceptionGroup[FrazilError]) -> list[FrazilError]:
    found: list[FrazilError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
