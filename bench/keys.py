"""The keys of `bench/viewer.py`: from a key to the picture that answers it, on a still screen and on a busy one."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from compare import added_percent, together
from figures import spread
from ways import THROUGH, WAYS, Behind

from tests.harness.busy_screen import MARKS, SHOWS, WINDOW, BusyScreen, mark_in
from tests.harness.headless import Headless
from tests.harness.video import Box

AT_A_TIME = 20
QUIET_S = 0.3
PAUSE_S = (0.05, 0.12)
"""Between keys on a still screen: at random, so that QEMU's beat is met at every moment of it."""
TYPING_S = (0.05, 0.12)
"""Between keys on a busy one, whose answers are not waited for."""
FORGETTING_S = 1.5
"""Until spice-server has ended the streams of what was shown before."""
SETTLING_S = 3.0
"""Until spice-server has found its streams and their first quality."""
LATE_S = 6.0
"""For the last answers on a busy screen: what did not come then counts as this late."""
DEADLINE_S = 60.0
Row = dict[str, object]
Took = dict[str, list[float]]
"""Milliseconds from each key to its mark, by way."""


class Marks:
    """What one viewer sees of the marks. It is the guest's only one at the time."""

    def __init__(self, guest: BusyScreen, seen: Headless) -> None:
        self._guest, self._seen = guest, seen
        self._waiting: dict[int, tuple[float, asyncio.Future[float]]] = {}
        self.draws = self.frames = 0
        seen.watch = self._drawn

    def _drawn(self, box: Box) -> None:
        self.draws += 1
        self.frames += box.holds(WINDOW.left, WINDOW.top)
        mark = mark_in(box)
        if mark is not None and mark in self._waiting:
            began_s, answer = self._waiting.pop(mark)
            answer.set_result((time.monotonic() - began_s) * 1000)

    async def press(self) -> asyncio.Future[float]:
        """The milliseconds until its mark is drawn."""
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[self._guest.marked % MARKS] = (time.monotonic(), answer)
        self._guest.marked += 1
        await self._seen.press("q")
        return answer


@dataclass(slots=True)
class Pressed:
    """By one way, in milliseconds: all of it, and what of it was not QEMU's own time."""

    all_ms: list[float] = field(default_factory=list)
    path_ms: list[float] = field(default_factory=list)

    def qemu_ms(self) -> list[float]:
        return [whole - path for whole, path in zip(self.all_ms, self.path_ms, strict=True)]


def still(behind: Behind, guest: BusyScreen, line: str, presses: int) -> Row:
    """On a screen on which nothing else moves."""
    row = asyncio.run(_still(behind, guest, line, presses))
    print(f"still, {line}: {row}", file=sys.stderr)
    return row


async def _still(behind: Behind, guest: BusyScreen, line: str, presses: int) -> Row:
    chance = random.Random(1)
    pressed = {way: Pressed() for way in WAYS}
    with behind.over(line) as ports, guest.watched():
        # QEMU has one display client: each way is opened anew for a few keys, and the ways take turns.
        while len(pressed[WAYS[-1]].all_ms) < presses:
            for way in WAYS:
                async with asyncio.timeout(DEADLINE_S), ports.look(way) as seen:
                    await seen.picture()
                    await seen.still(for_s=QUIET_S)
                    marks = Marks(guest, seen)
                    for _ in range(min(AT_A_TIME, presses)):
                        await _press(marks, guest, pressed[way], chance)
    return _still_row(pressed)


async def _press(marks: Marks, guest: BusyScreen, pressed: Pressed, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(*PAUSE_S))
    guest.forget()
    took_ms = await (await marks.press())
    pressed.all_ms.append(took_ms)
    pressed.path_ms.append(took_ms - guest.draws_in())


def _still_row(pressed: dict[str, Pressed]) -> Row:
    """QEMU's own time is the same by all ways but for chance: its median over all of them is taken for each."""
    qemu_ms = median([one for way in pressed.values() for one in way.qemu_ms()])
    base = pressed["straight"].path_ms
    return {
        "qemu_ms": round(qemu_ms, 2),
        **{
            way: {"ms": spread(of.all_ms, digits=2), "path_ms": spread(of.path_ms, digits=2)}
            for way, of in pressed.items()
        },
        "added_percent": {
            way: added_percent([(base, pressed[way].path_ms)], middle=median, both=qemu_ms) for way in THROUGH
        },
    }


def busy(
    behind: Behind, guest: BusyScreen, line: str, shows: str, ways: Sequence[str], seconds: float
) -> tuple[Row, Took]:
    """On a screen that shows a film or a text, for so long by each way, in this order."""
    row, took = asyncio.run(_busy(behind, guest, line, shows, ways, seconds))
    print(f"{shows}, {line}: {row}", file=sys.stderr)
    return row, took


async def _busy(
    behind: Behind, guest: BusyScreen, line: str, shows: str, ways: Sequence[str], seconds: float
) -> tuple[Row, Took]:
    chance = random.Random(1)
    rows: dict[str, Row] = {}
    took: Took = {}
    with behind.over(line) as ports:
        for way in ways:
            async with asyncio.timeout(DEADLINE_S + seconds), ports.look(way) as seen:
                await seen.picture()
                await seen.press(SHOWS["nothing"])  # a way that failed may have left something on
                await seen.still(for_s=FORGETTING_S)
                before = seen.streams.created
                await seen.press(SHOWS[shows])
                await asyncio.sleep(SETTLING_S)
                rows[way], took[way] = await _typed(Marks(guest, seen), seen, seconds, chance)
                rows[way]["streams"] = seen.streams.created - before
                await seen.press(SHOWS["nothing"])
                await seen.still(for_s=QUIET_S)
    return {**{way: rows[way] for way in WAYS if way in rows}, "added_percent": added([took])}, took


def added(lines: Sequence[Took]) -> dict[str, dict[str, float]]:
    """What the gateway adds, by way, over these lines."""
    return {
        way: added_percent([(together(took[WAYS[0]]), together(took[way])) for took in lines])
        for way in THROUGH
        if lines and all(way in took for took in lines)
    }


async def _typed(marks: Marks, seen: Headless, seconds: float, chance: random.Random) -> tuple[Row, list[float]]:
    began_s, display_bytes = time.monotonic(), seen.display_bytes
    answers = []
    while time.monotonic() < began_s + seconds:
        await asyncio.sleep(chance.uniform(*TYPING_S))
        answers.append(await marks.press())
    took_s = time.monotonic() - began_s
    passed = seen.display_bytes - display_bytes
    row: Row = {
        "keys": len(answers), "frames_per_s": round(marks.frames / took_s, 1),
        "draws_per_s": round(marks.draws / took_s), "mbit_per_s": round(passed * 8e-6 / took_s, 1),
    }  # fmt: skip
    _, missing = await asyncio.wait(answers, timeout=LATE_S)
    took_ms = [answer.result() if answer.done() else LATE_S * 1000 for answer in answers]
    return {
        "mean_ms": round(fmean(took_ms)), "ms": spread(took_ms, digits=0), "unanswered": len(missing), **row,
    }, took_ms  # fmt: skip
