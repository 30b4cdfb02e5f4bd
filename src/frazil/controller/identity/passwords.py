"""Passwords: argon2id, in threads of their own, behind all others, so that sign-ins delay nobody else's call."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from frazil.model.errors import Unavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREADS = 2
WAIT_MAX_S = 20.0
"""Longer than this nobody waits for a hash; too many people are signing in at once."""
NICER = 10
"""So much nicer these threads are than the process (sched(7)): they could take all processors at once."""


def _behind_others() -> None:
    # Linux has a nice value for each thread, which setpriority(2) calls a process.
    me = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, me, min(19, os.getpriority(os.PRIO_PROCESS, me) + NICER))


class Passwords:
    """Makes and verifies hashes. Close it when done."""

    def __init__(self, *, time_cost: int = 3, memory_cost_kib: int = 65536, parallelism: int = 1) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost_kib, parallelism=parallelism)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords", initializer=_behind_others)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Raises Unavailable when too many others are waiting for theirs."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether it fits. For an unknown person (None) it takes as long as for a known one, and does not fit."""
        return await self._run(self._verify, known, password)

    async def _run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        except TimeoutError as exc:
            raise Unavailable("Too many people are signing in at once.", remedy="Try again in a moment.") from exc

    def _verify(self, known: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        try:
            self._hasher.verify(known if known is not None else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return known is not None

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
