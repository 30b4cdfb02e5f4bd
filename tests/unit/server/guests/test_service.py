"""The guest service's port: events, calls, and what a hostile guest may send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import GuestSilent, HostError
from frazil.server.guests.service import LINE_MAX_BYTES, GuestSaid, GuestService, event, parse

DEADLINE_S = 30.0


@dataclass
class Guest:
    """The other end: what it was asked, and a way to speak."""

    asked: asyncio.Queue[dict[str, object]] = field(default_factory=asyncio.Queue)
    said: asyncio.Queue[GuestSaid] = field(default_factory=asyncio.Queue)
    writer: asyncio.StreamWriter | None = None
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.connected.set()
        while line := await reader.readline():
            if line.strip():
                self.asked.put_nowait(json.loads(line))

    async def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Bench:
    guest: Guest
    service: GuestService
    listening: asyncio.Task[None]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    guest = Guest()
    path = tmp_path / "guest.sock"
    server = await asyncio.start_unix_server(guest.serve, str(path))
    service = GuestService(guest.said.put_nowait)
    listening = asyncio.create_task(service.listen(path))
    async with asyncio.timeout(DEADLINE_S):
        await service.connected.wait()
        await guest.connected.wait()
    yield Bench(guest, service, listening)
    listening.cancel()
    if guest.writer is not None:
        guest.writer.close()
    server.close()


async def test_events_are_heard_and_nonsense_is_not(bench: Bench) -> None:
    await bench.guest.say(b'junk\n{"event": 7}\n[1]\n\n{"event":"ready","user":"anna"}\n')
    async with asyncio.timeout(DEADLINE_S):
        assert await bench.guest.said.get() == GuestSaid("ready", "anna")


async def test_a_line_without_end_is_thrown_away_and_the_next_is_heard(bench: Bench) -> None:
    await bench.guest.say(b"x" * (3 * LINE_MAX_BYTES) + b"\n" + b'{"event":"hello","calls":["identify"]}\n')
    async with asyncio.timeout(DEADLINE_S):
        assert await bench.guest.said.get() == GuestSaid("hello", None, frozenset({"identify"}))


async def test_calls_are_answered_by_their_ids_in_any_order(bench: Bench) -> None:
    taken: dict[str, Mapping[str, object]] = {}
    calls = [
        asyncio.create_task(bench.service.call(name, {}, timeout_s=DEADLINE_S, take=partial(taken.__setitem__, name)))
        for name in ("one", "two")
    ]
    async with asyncio.timeout(DEADLINE_S):
        asked = [await bench.guest.asked.get(), await bench.guest.asked.get()]
    for request in reversed(asked):
        answer = {"id": request["id"], "ok": True, "result": {"name": request["call"]}}
        await bench.guest.say(json.dumps(answer).encode() + b"\n")
    await asyncio.gather(*calls)
    assert taken == {"one": {"name": "one"}, "two": {"name": "two"}}


async def test_a_refusal_is_an_error_with_the_guests_words(bench: Bench) -> None:
    calling = asyncio.create_task(bench.service.call("dance", {}, timeout_s=DEADLINE_S))
    request = await bench.guest.asked.get()
    refusal = {"id": request["id"], "ok": False, "error": {"code": "unknown-call", "text": "no such call"}}
    await bench.guest.say(json.dumps(refusal).encode() + b"\n")
    with pytest.raises(HostError, match="no such call"):
        await calling


async def test_no_answer_is_a_silent_guest(bench: Bench) -> None:
    with pytest.raises(GuestSilent, match="did not answer"):
        await bench.service.call("ping", {}, timeout_s=0.05)


async def test_a_guest_that_goes_away_ends_the_waiting(bench: Bench) -> None:
    calling = asyncio.create_task(bench.service.call("ping", {}, timeout_s=60))
    await bench.guest.asked.get()
    assert bench.guest.writer is not None
    bench.guest.writer.close()
    with pytest.raises(GuestSilent):
        await calling
    await bench.listening
    with pytest.raises(GuestSilent, match="not connected"):
        await bench.service.call("ping", {}, timeout_s=1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"signed_in","user":"\\ud800"}',
        b'{"event":"hello","sign_on":{"user":"\\udc00\\ud800","token_sha256":"","is":"on"}}',
        b'{"event":"hello","calls":["\\ud83d"]}',
        b'{"\\ud800":1}',
        b'{"event":"\xed\xa0\x80"}',
        b'{"event":"\xff"}',
    ],
)
def test_a_line_with_text_that_cannot_be_written_again_is_no_object(line: bytes) -> None:
    assert parse(line) is None


def test_a_whole_surrogate_pair_is_text() -> None:
    assert parse(b'{"event":"ready","user":"\\ud83d\\ude00"}') == {"event": "ready", "user": "\U0001f600"}


@pytest.mark.parametrize("depth", [100, 190, 900, 960, 980, 30_000])
def test_a_deeply_nested_line_is_read_or_left_but_never_an_error(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    said = parse(b'{"event":"hello","user":%s,"calls":[%s],"sign_on":{"user":%s,"is":%s}}' % (deep, deep, deep, deep))
    if said is not None:
        assert event(said) == GuestSaid("hello")
        assert len(str(said["user"])) == 2 * depth, "it can be put into words as well"


async def test_a_refusal_whose_words_are_none_gives_no_reason(bench: Bench) -> None:
    calling = asyncio.create_task(bench.service.call("dance", {}, timeout_s=DEADLINE_S))
    request = await bench.guest.asked.get()
    await bench.guest.say(json.dumps({"id": request["id"], "ok": False, "error": {"text": [[1]]}}).encode() + b"\n")
    with pytest.raises(HostError, match="no reason given"):
        await calling


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=()), max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["event", "user", "calls", "id", "sign_on", "token_sha256", "is"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_a_guest_says_is_an_event_or_nothing(line: bytes) -> None:
    said = parse(line)
    told = event(said) if said is not None else None
    if told is not None:
        assert len(told.event) <= 64
        assert told.user is None or len(told.user) <= 256
        ("".join([told.event, told.user or "", *told.calls])).encode()  # it can be written again
