"""Doing for many at once what each of them asks for alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[A, B]):
    asked: A
    answer: B | Exception | None = None
    done: bool = False


class Together(Generic[A, B]):
    """Whoever asks while others are being answered is in the next lot: the busier it is, the larger the lots.

    answer: takes at most `at_once` questions, and gives an answer or an error to each, in their order. What it raises
    is everybody's. Used from the event loop only.
    """

    def __init__(self, answer: Callable[[Sequence[A]], Awaitable[Sequence[B | Exception]]], *, at_once: int) -> None:
        self._answer = answer
        self._at_once = at_once
        self._waiting: list[_Waiting[A, B]] = []
        self._answering = asyncio.Lock()

    async def ask(self, what: A) -> B:
        """Raises the error that is the answer."""
        mine: _Waiting[A, B] = _Waiting(what)
        self._waiting.append(mine)
        async with self._answering:
            while not mine.done:
                await self._next()
        if isinstance(mine.answer, Exception):
            raise mine.answer
        return mine.answer  # type: ignore[return-value]

    async def _next(self) -> None:
        """Those that have waited longest. They stay in the list if this is cancelled: another one goes on with them."""
        lot = self._waiting[: self._at_once]
        answers: Sequence[B | Exception]
        try:
            answers = await self._answer([one.asked for one in lot])
        except Exception as exc:  # noqa: BLE001 - each of them is told
            answers = [exc] * len(lot)
        for one, answer in zip(lot, answers, strict=True):
            one.answer, one.done = answer, True
        self._waiting = [one for one in self._waiting if not one.done]
