"""Which paused desktops lie folded in the host's compressed memory, and which is next."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from frazil.server.density import measuring
from frazil.server.density.folding import fold, worth_it
from frazil.server.density.measuring import Process
from frazil.server.density.zram import Held, Zram

AT_A_LOOK = 3
"""So many are folded between two looks: each costs up to a second of a CPU."""


class Folder:
    """One host's. Used in the event loop's thread; a desktop that is resumed unfolds by itself as it is used."""

    def __init__(self, zram: Zram) -> None:
        self._zram = zram
        self._there = False
        self._folded: dict[str, tuple[int, int]] = {}
        """The process, and how many KiB of it lay swapped once it was folded."""
        self._failed: dict[str, int] = {}
        """Processes that could not be folded, in the order of their last try."""
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fold", initializer=_after_all_others)
        self.held = Held(0, 0)

    async def begin(self) -> None:
        """Have the compressed memory; without it nothing is ever folded."""
        self._there = await asyncio.to_thread(self._zram.begin)

    def end(self) -> None:
        """Let go of the compressed memory; it stays while desktops lie in it."""
        self._aside.shutdown(wait=False)
        self._zram.put_back()

    def is_folded(self, desktop_id: str) -> bool:
        return desktop_id in self._folded

    async def look(
        self, paused: Iterable[str], processes: Mapping[str, Process], *, taken_mib: int, budget_mib: int
    ) -> None:
        """Fold a few of the paused ones, when memory is so far taken that it is worth it."""
        if not self._there:
            return
        loop = asyncio.get_running_loop()
        here = {one: processes[one].pid for one in paused if one in processes}
        self._failed = {one: pid for one, pid in self._failed.items() if here.get(one) == pid}
        self._folded = {one: at for one, at in self._folded.items() if here.get(one) == at[0] and _lies(*at)}
        if worth_it(taken_mib=taken_mib, budget_mib=budget_mib):
            for one, pid in self._next(here):
                self._failed.pop(one, None)
                if await loop.run_in_executor(self._aside, fold, pid):
                    self._folded[one] = (pid, measuring.swapped_kib(pid))
                else:
                    self._failed[one] = pid
        self.held = await asyncio.to_thread(self._zram.held)

    def _next(self, here: Mapping[str, int]) -> list[tuple[str, int]]:
        """The first few that are not folded; one that could not be waits until all others had their turn."""
        fresh = [pair for pair in here.items() if pair[0] not in self._folded and pair[0] not in self._failed]
        return [*fresh, *self._failed.items()][:AT_A_LOOK]


def _lies(pid: int, folded_kib: int) -> bool:
    """Whether most of it still lies folded: it may have been used, and paused again, between two looks."""
    return 2 * measuring.swapped_kib(pid) >= folded_kib


def _after_all_others() -> None:
    """The kernel compresses in the thread that asks: this one is to have a processor when nobody else wants it."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
