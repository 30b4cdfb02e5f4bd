"""Following a guest that does not always answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from frazil.model.errors import GuestSilent
from frazil.runtime import SystemClock
from frazil.server.guests import watch
from frazil.server.guests.watch import GuestWatch
from frazil.server.hypervisor.port import Domain, DomainState
from tests.fakes.hypervisor import FakeHypervisor

DEADLINE_S = 30.0


@dataclass
class Guest:
    """The guest's end of the port; answers nothing unless `refuses`."""

    refuses: bool = False
    asked: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    ids: list[int] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b'{"event":"hello","calls":["set_clock"]}\n')
        async for line in reader:
            if line.strip():
                asked = json.loads(line)
                self.ids.append(asked["id"])
                self.asked.put_nowait(asked["call"])
                if self.refuses:
                    answer = {"id": asked["id"], "ok": False, "error": {"code": "failed", "text": "no"}}
                    writer.write(json.dumps(answer).encode() + b"\n")

    async def is_asked(self) -> str:
        async with asyncio.timeout(DEADLINE_S):
            return await self.asked.get()

    async def is_asked_no_more(self) -> bool:
        """Whether there is a time of many call timeouts in which it is asked nothing."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while not self.asked.empty():
                    self.asked.get_nowait()
                await asyncio.sleep(0.3)
                if self.asked.empty():
                    return True


@dataclass
class Bench:
    guest: Guest
    watch: GuestWatch
    changed: asyncio.Event


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(watch, "CALL_TIMEOUT_S", 0.03)
    monkeypatch.setattr(watch, "CONNECT_RETRY_S", 0.01)
    guest, changed = Guest(), asyncio.Event()
    path = tmp_path / "guest.sock"
    server = await asyncio.start_unix_server(guest.serve, str(path))
    following = GuestWatch(
        FakeHypervisor(tmp_path / "vms", installation_id="ours"),
        Domain("frazil-d", "d", DomainState.RUNNING, None, path),
        desktop_id="d",
        clock=SystemClock(),
        changed=changed.set,
    )
    following.goes(True)
    running = asyncio.create_task(following.run())
    yield Bench(guest, following, changed)
    running.cancel()
    await asyncio.wait({running})
    for writer in guest.writers:
        writer.close()
    server.close()


async def test_one_that_never_says_how_it_is_is_asked_again_only_after_a_pause_or_on_a_new_port(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASK_STATE_FOR", timedelta(seconds=0.2))
    assert [await bench.guest.is_asked() for _ in range(2)] == ["state", "state"]
    assert await bench.guest.is_asked_no_more()
    bench.watch.goes(True)
    assert bench.guest.asked.empty(), "it did not stand still"
    bench.watch.goes(False)
    bench.watch.goes(True)
    assert await bench.guest.is_asked() == "state"
    assert await bench.guest.is_asked_no_more()
    bench.guest.writers[-1].close()
    assert await bench.guest.is_asked() == "state"


async def test_a_clock_that_the_guest_did_not_hear_of_is_still_to_be_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not bench.watch.clock_is_due:
            await bench.changed.wait()
            bench.changed.clear()
    with pytest.raises(GuestSilent):
        await bench.watch.set_clock()
    assert bench.watch.clock_is_due
    bench.guest.refuses = True
    monkeypatch.setattr(watch, "CALL_TIMEOUT_S", DEADLINE_S)
    await bench.watch.set_clock()
    assert not bench.watch.clock_is_due, "its refusal keeps it from nobody"


async def test_what_the_guest_says_right_behind_an_answer_is_newer_than_it(bench: Bench) -> None:
    """A panel that came up while the state was told: both came in one piece, and the person was "being signed on"
    for ever."""
    assert await bench.guest.is_asked() == "state"
    sign_on = {"user": "ada", "token_sha256": "0" * 64, "is": "on"}
    state = {"waiting": False, "ready": False, "sign_on": sign_on, "calls": ["state", "sign_on"]}
    ready = {"event": "ready", "user": "ada", "uid": 1001}
    newest = bench.guest.ids[-1]
    lines = [{"id": newest, "ok": True, "result": state}, ready]
    bench.guest.writers[-1].write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    async with asyncio.timeout(DEADLINE_S):
        while bench.watch.sign_on is None or not bench.watch.sign_on.panel:
            bench.changed.clear()
            await bench.changed.wait()
    for _ in range(10):  # whoever waits for the answer has had it
        await asyncio.sleep(0)
    assert bench.watch.sign_on.panel
