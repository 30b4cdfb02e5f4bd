"""Many viewers at once, that type, move the pointer and wait for the picture to answer; and what they measured.

All of them are in one event loop. None decodes a picture (ADR 0128): each is told where its desktop draws.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from frazil.model.errors import FrazilError
from frazil.viewer.connecting import Where, connect
from frazil.viewer.desktop import Desktop
from frazil.viewer.outline import Outline
from frazil.viewer.screenshot import Box

LATE_S = 5.0
"""A key without an answer for so long is not waited for any more."""
OPENING_AT_ONCE = 8
MOVE_EVERY = 8
"""Keys between two motions of the pointer."""
STILL_S, STILL_AFTER_S = 1.0, 10.0
"""When what was opened by keys is taken to be there: nothing is drawn for so long, or so much has passed."""
LETTERS = "etaoinshrdlu"
ERASING_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What each viewer does for `seconds`, from when all are open: `keys_per_s` keys, or fewer when answers take long.

    An answer is the first drawing that touches `answers_in`, which is clicked on first, or the first one at all without
    it. `first` are keys that are pressed as soon as the desktop is there, such as those that open a terminal.
    `timeout_s` is for the opening.
    """

    seconds: float
    keys_per_s: float = 4.0
    answers_in: Box | None = None
    first: tuple[str, ...] = ()
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Viewers that ended with one kind of error (`FrazilError.code`); the first one's words."""

    code: str
    viewers: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of it while viewers typed; only `opening_ms` is of before.

    `took_ms` has a value for each key that was answered, `unanswered` counts the others. `restless` is the share of
    pauses in which something was drawn that nobody had asked for: where it is not small, some answers are none. `cpu_s`
    is this whole process's.
    """

    viewers: int
    seconds: float
    keys: int
    unanswered: int
    drawings: int
    received_bytes: int
    sent_bytes: int
    restless: float
    cpu_s: float
    took_ms: Sequence[float]
    opening_ms: Sequence[float]
    failures: Sequence[Failure]


class Load:
    """`desktops` are functions that say where one is, asked just before it is connected to, some at a time.

    Made and run in one event loop. `told` hears how many viewers are open, and how many are so or have failed.
    """

    def __init__(
        self,
        desktops: Sequence[Callable[[], Awaitable[Where]]],
        plan: Plan,
        *,
        told: Callable[[int, int], None] = lambda _open, _settled: None,
    ) -> None:
        self._desktops = desktops
        self._plan = plan
        self._told = told
        self._viewers: list[_Viewer] = []
        self._errors: list[FrazilError] = []
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._settled, self._go, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """End it now, with what was measured."""
        self._settled.set()
        self._over.set()

    async def run(self) -> Measured:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._one(desktop, random.Random(number)))  # noqa: S311 - no secret
                for number, desktop in enumerate(self._desktops)
            ]
            await self._settled.wait()
            began_s, cpu_s = time.monotonic(), time.process_time()
            self._go.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._plan.seconds):
                    await self._over.wait()
            seconds, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
            for task in running:
                task.cancel()
        return self._measured(seconds, cpu_s)

    async def _one(self, desktop: Callable[[], Awaitable[Where]], chance: random.Random) -> None:
        viewer = _Viewer(self._plan, chance)
        try:
            async with AsyncExitStack() as stack:
                async with self._opening:
                    began_s = time.monotonic()
                    opened = await stack.enter_async_context(
                        connect(await desktop(), outline=viewer.outline, timeout_s=self._plan.timeout_s)
                    )
                    await opened.wait_for_screen(timeout_s=self._plan.timeout_s)
                    viewer.opening_ms = (time.monotonic() - began_s) * 1000
                    await viewer.prepare(opened)
                self._viewers.append(viewer)
                self._tell()
                await self._go.wait()
                await viewer.work(opened)
        except FrazilError as exc:
            self._errors.append(exc)
            self._tell()

    def _tell(self) -> None:
        """Somebody is open now, or will not be."""
        failed = len(self._errors)
        if not self._go.is_set():
            settled = len(self._viewers) + failed
            self._told(len(self._viewers), settled)
            if settled == len(self._desktops):
                self._settled.set()
        if failed == len(self._desktops):
            self._over.set()

    def _measured(self, seconds: float, cpu_s: float) -> Measured:
        counts = [viewer.counts for viewer in self._viewers]
        pauses = sum(count.pauses for count in counts)
        by_code = Counter(error.code for error in self._errors)
        words = {error.code: str(error) for error in reversed(self._errors)}
        return Measured(
            viewers=len(self._viewers),
            seconds=seconds,
            keys=sum(count.keys for count in counts),
            unanswered=sum(count.unanswered for count in counts),
            drawings=sum(count.drawings for count in counts),
            received_bytes=sum(count.received_bytes for count in counts),
            sent_bytes=sum(count.sent_bytes for count in counts),
            restless=sum(count.restless for count in counts) / pauses if pauses else 0.0,
            cpu_s=cpu_s,
            took_ms=[ms for count in counts for ms in count.took_ms],
            opening_ms=[viewer.opening_ms for viewer in self._viewers],
            failures=[Failure(code=code, viewers=n, words=words[code]) for code, n in by_code.most_common()],
        )


@dataclass(slots=True)
class _Counts:
    """One viewer's, while it typed."""

    keys: int = 0
    unanswered: int = 0
    drawings: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    pauses: int = 0
    restless: int = 0
    took_ms: list[float] = field(default_factory=list)


class _Viewer:
    """One of them."""

    def __init__(self, plan: Plan, chance: random.Random) -> None:
        self.outline = Outline(self._drawn)
        self.counts = _Counts()
        self.opening_ms = 0.0
        self._plan = plan
        self._chance = chance
        self._there = 0
        """Drawings where answers come."""
        self._drawn_at_s = 0.0
        self._written = 0

    def _drawn(self, box: Box) -> None:
        wanted = self._plan.answers_in
        if wanted is None or box.touches(wanted):
            if not self._there:
                self._drawn_at_s = time.monotonic()
            self._there += 1

    async def prepare(self, desktop: Desktop) -> None:
        """Bring up what takes text, and give it the keys."""
        if self._plan.first:
            await desktop.press(*self._plan.first)
            with suppress(TimeoutError):  # some desktops are never still
                async with asyncio.timeout(STILL_AFTER_S):
                    await self._still(desktop)
        if self._plan.answers_in is not None and desktop.info.absolute_mouse:
            await desktop.click(*self._plan.answers_in.middle)

    async def _still(self, desktop: Desktop) -> None:
        before = -1
        while desktop.drawings != before:
            before = desktop.drawings
            await asyncio.sleep(STILL_S)  # the length of a silence is what counts

    async def work(self, desktop: Desktop) -> None:
        """Until it is cancelled. What is typed is erased again."""
        before = desktop.info
        try:
            for number, key in enumerate(self._keys()):
                if number % MOVE_EVERY == 0:
                    await self._move(desktop)
                await self._pause()
                self._written += -1 if key == "backspace" else 1
                await self._type(desktop, key)
        finally:
            with suppress(FrazilError):  # what ended it is told
                await desktop.press(*["backspace"] * self._written, pause_s=ERASING_PAUSE_S)
            now = desktop.info
            self.counts.drawings = now.drawings - before.drawings
            self.counts.received_bytes = now.received_bytes - before.received_bytes
            self.counts.sent_bytes = now.sent_bytes - before.sent_bytes

    def _keys(self) -> Iterator[str]:
        while True:
            word = self._chance.choices(LETTERS, k=self._chance.randint(3, 9))
            yield from word
            yield from ["backspace"] * len(word)

    async def _pause(self) -> None:
        pause_s = self._chance.uniform(0.5, 1.5) / self._plan.keys_per_s
        await asyncio.sleep(pause_s / 2)  # the rest of an answer may come in this half
        self._there = 0
        await asyncio.sleep(pause_s / 2)
        self.counts.pauses += 1
        self.counts.restless += self._there > 0

    async def _move(self, desktop: Desktop) -> None:
        """Somewhere else, but to where text goes: some desktops give keys to what is below the pointer."""
        if not desktop.info.absolute_mouse:
            await desktop.move_by(self._chance.randint(-50, 50), self._chance.randint(-50, 50))
            return
        width, height = desktop.size
        place = self._plan.answers_in or Box(0, 0, width, height)
        x, y = self._chance.randrange(place.left, place.right), self._chance.randrange(place.top, place.bottom)
        await desktop.move(min(x, width - 1), min(y, height - 1))

    async def _type(self, desktop: Desktop, key: str) -> None:
        self._there, seen = 0, desktop.drawings
        self.counts.keys += 1
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(LATE_S):
                await desktop.press(key)
                while not self._there:
                    seen = await desktop.wait_for_drawing(after=seen, timeout_s=2 * LATE_S)
            self.counts.took_ms.append((self._drawn_at_s - began_s) * 1000)
        except TimeoutError:
            self.counts.unanswered += 1
