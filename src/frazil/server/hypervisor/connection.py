"""Connections to libvirtd that come back by themselves, and libvirt's event loop.

libvirt's calls block. Each `Connection` owns one connection and a bounded pool of threads for its calls; the server
uses one for lifecycle calls, one for guest agents (a silent guest may hold a thread for its whole timeout), and one
for events, so that none waits for another (libvirtd serves five requests a connection by default).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import libvirt

from frazil.model.errors import Unavailable
from frazil.server.hypervisor.errors import connection_lost, translated

T = TypeVar("T")

KEEPALIVE_S = 5
KEEPALIVE_TRIES = 3

_loop_started = threading.Lock()
_loop_running = False


def run_event_loop() -> None:
    """Start libvirt's event loop in a thread of its own; once a process, before the first connection."""
    global _loop_running
    with _loop_started:
        if _loop_running:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()

        def turn() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(target=turn, name="libvirt-events", daemon=True).start()
        _loop_running = True


class Connection:
    """One connection to libvirtd, opened when first needed and again after it broke."""

    def __init__(self, uri: str, *, threads: int, name: str) -> None:
        self._uri = uri
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"libvirt-{name}")
        self._lock = threading.Lock()
        self._connection: libvirt.virConnect | None = None

    def _open(self) -> libvirt.virConnect:
        """The living connection. Called in the pool's threads."""
        with self._lock:
            if self._connection is not None and self._connection.isAlive() == 1:
                return self._connection
            self._connection = None
            connection = libvirt.open(self._uri)
            connection.setKeepAlive(KEEPALIVE_S, KEEPALIVE_TRIES)
            self._connection = connection
            return connection

    async def call(
        self,
        do: Callable[[libvirt.virConnect], T],
        *,
        doing: str,
        deadline_s: float = 30.0,
        discard: Callable[[T], None] | None = None,
    ) -> T:
        """`do(connection)` in a thread. Raises our errors; Unavailable also when the deadline passes.

        After the deadline the thread is still busy until libvirt gives up; the pool's bound keeps that finite.
        discard: gets, in a thread, what comes after nobody waits for it any more.
        """

        def run() -> T:
            try:
                connection = self._open()
            except libvirt.libvirtError as exc:
                raise Unavailable(
                    f"The hypervisor could not be reached to {doing}: {exc.get_error_message()}.",
                    remedy="See that libvirtd runs (frazil doctor).",
                ) from exc
            try:
                return do(connection)
            except libvirt.libvirtError as exc:
                if connection_lost(exc):
                    with self._lock:
                        self._connection = None
                raise translated(exc, doing=doing) from exc

        answer = self._pool.submit(run)
        try:
            # Not wait_for: Python 3.11's forgets a cancellation that comes together with the answer.
            async with asyncio.timeout(deadline_s):
                return await asyncio.wrap_future(answer)
        except (TimeoutError, asyncio.CancelledError) as exc:
            if discard is not None:
                answer.add_done_callback(partial(_discarded, discard))
            if isinstance(exc, asyncio.CancelledError):
                raise
            raise Unavailable(
                f"The hypervisor did not answer within {deadline_s:.0f} s to {doing}.",
                remedy="See that libvirtd runs (frazil doctor).",
            ) from exc

    def close(self) -> None:
        """Let go of threads and connection; calls under way end on their own."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._connection = None


def _discarded(discard: Callable[[T], None], answer: Future[T]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        discard(answer.result())
