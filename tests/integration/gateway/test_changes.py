"""What the controller says of living sessions reaches them: over a real socket, without a desktop."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from frazil.gateway import revocations
from frazil.gateway.close_codes import CloseCode
from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.sessions import LiveSession, LiveSessions
from frazil.model.policy import Policy
from frazil.wire.sessions import HostRevoked, Revocation
from tests.integration.gateway.controller import FakeController

MUTE = Policy(sound=False)


class Main:
    """A main link that waits to be cut."""

    def __init__(self) -> None:
        self.cut_off = asyncio.Event()
        self.code: CloseCode | None = None
        self.changes: list[Policy] = []

    def change(self, policy: Policy) -> None:
        self.changes.append(policy)

    def cut(self, code: CloseCode, reason: str) -> None:
        self.code = code
        self.cut_off.set()


class Scene:
    """A controller that comes and goes, and who listens to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions = LiveSessions()
        self.controller = FakeController()
        self._running = AsyncExitStack()

    async def up(self, *, policies: dict[str, Policy] | None = None) -> None:
        before, self.controller = self.controller, FakeController()
        self.controller.sessions = before.sessions
        for session_id, policy in (policies or {}).items():
            self.controller.change_policy(session_id, policy)
        await self._running.enter_async_context(
            self.controller.running(self.directory / "internal", self.directory / "public")
        )
        async with asyncio.timeout(30):
            await self.controller.listening.wait()

    async def down(self) -> None:
        await self._running.aclose()

    def linked(self, *, host_id: str = "host-1") -> LiveSession:
        session_id = self.controller.open_session()
        return self.sessions.open(session_id, b"ticket", Main(), policy=Policy(), policy_version=0, host_id=host_id)

    async def heard(self) -> None:
        """Until all that was said so far was heard: lines come in order, and this one can be seen to."""
        last = self.linked()
        assert isinstance(last.main, Main)
        # The session itself goes on: asked for, it is not found to have ended before the lines are read.
        self.controller.say_line(Revocation(session_id=last.session_id, reason="heard").model_dump_json())
        async with asyncio.timeout(30):
            await last.main.cut_off.wait()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="frazil-") as directory:
        made = Scene(Path(directory))
        controller = ControllerSide([made.directory / "internal"])
        following = asyncio.create_task(revocations.follow(controller, made.sessions))
        try:
            yield made
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await controller.aclose()
            await made.down()


async def test_a_changed_policy_reaches_its_session_and_no_other(scene: Scene) -> None:
    await scene.up()
    session, other = scene.linked(), scene.linked()
    scene.controller.change_policy(session.session_id, MUTE)
    await scene.heard()
    assert (session.policy, other.policy) == (MUTE, Policy())
    assert isinstance(session.main, Main)
    assert session.main.changes == [MUTE]


async def test_a_policy_that_changed_while_nobody_listened_is_asked_for(scene: Scene) -> None:
    await scene.up()
    session = scene.linked()
    await scene.down()
    await scene.up(policies={session.session_id: MUTE})
    await scene.heard()
    assert session.policy == MUTE


async def test_links_to_a_host_that_was_revoked_are_cut(scene: Scene) -> None:
    await scene.up()
    there, here = scene.linked(host_id="host-2"), scene.linked()
    scene.controller.say_line(HostRevoked(host_id="host-2").model_dump_json())
    await scene.heard()
    assert isinstance(there.main, Main)
    assert isinstance(here.main, Main)
    assert (there.main.code, here.main.code) == (CloseCode.BACKEND_GONE, None)


async def test_a_host_that_was_revoked_while_nobody_listened_is_asked_for(scene: Scene) -> None:
    await scene.up()
    session = scene.linked()
    await scene.down()
    route = scene.controller.sessions[session.session_id]
    scene.controller.sessions[session.session_id] = route.model_copy(update={"host_trusted": False})
    await scene.up()
    await scene.heard()
    assert isinstance(session.main, Main)
    assert session.main.code is CloseCode.BACKEND_GONE


async def test_lines_of_other_versions_break_nothing(scene: Scene) -> None:
    await scene.up()
    first, second = scene.linked(), scene.linked()
    scene.controller.say_line('{"kind": "wallpaper", "session_id": "s", "colour": 3}')
    scene.controller.say_line(f'{{"session_id": "{first.session_id}", "reason": "said before kinds were"}}')
    scene.controller.change_policy(second.session_id, MUTE)
    await scene.heard()
    assert isinstance(first.main, Main)
    assert first.main.code is CloseCode.ENDED
    assert second.policy == MUTE
