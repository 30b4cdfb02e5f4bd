"""Refusals are gathered, told once, and kept while the controller is away; never more than so many."""

from __future__ import annotations

from pathlib import Path

from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.refusals import PENDING_MAX, RefusedLinks
from frazil.model.errors import NotFound, Unavailable
from frazil.wire.sessions import Refusal, Refusals


class Controller(ControllerSide):
    """Takes what it is told, or raises."""

    def __init__(self) -> None:
        super().__init__([Path("/nowhere")])
        self.told: list[Refusal] = []
        self.error: Exception | None = None

    async def say_refusals(self, refusals: Refusals) -> None:
        if self.error is not None:
            raise self.error
        self.told += refusals.refusals


async def test_what_comes_together_is_told_as_one_and_only_once() -> None:
    controller = Controller()
    refused = RefusedLinks(controller)
    for _ in range(100):
        refused.say("s", "192.0.2.9", "No.")
    refused.say("s", "192.0.2.10", "No.")
    assert await refused.flush()
    assert await refused.flush()
    assert controller.told == [
        Refusal(session_id="s", remote_address="192.0.2.9", why="No.", times=100),
        Refusal(session_id="s", remote_address="192.0.2.10", why="No.", times=1),
    ]


async def test_what_could_not_be_told_is_told_later_with_what_came_meanwhile() -> None:
    controller = Controller()
    refused = RefusedLinks(controller)
    refused.say("s", "192.0.2.9", "No.")
    controller.error = Unavailable("It is away.")
    assert not await refused.flush()
    refused.say("s", "192.0.2.9", "No.")
    controller.error = None
    assert await refused.flush()
    assert [refusal.times for refusal in controller.told] == [2]


async def test_a_controller_of_before_is_told_nothing_and_nothing_is_kept() -> None:
    controller = Controller()
    refused = RefusedLinks(controller)
    controller.error = NotFound("There is nothing at this address.")
    refused.say("s", "192.0.2.9", "No.")
    assert await refused.flush()
    controller.error = None
    assert await refused.flush()
    assert controller.told == []


async def test_memory_is_bounded() -> None:
    controller = Controller()
    refused = RefusedLinks(controller)
    for number in range(PENDING_MAX + 5):
        refused.say("s", f"192.0.2.{number}", "No.")
    refused.say("s", "192.0.2.0", "No.")
    await refused.flush()
    assert len(controller.told) == PENDING_MAX
    assert controller.told[0].times == 2
