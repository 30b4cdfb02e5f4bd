"""The host's end of the port `org.frazil.guest` (docs/reference/guest-service.md).

A line of JSON is an event from the guest or the answer to a call of ours. What a guest says is a claim: it changes
that desktop's own state and nothing else, and its lines are bounded.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic_core import from_json

from frazil.model.errors import GuestSilent, HostError
from frazil.server import cancellation
from frazil.server.guests import signing_on
from frazil.wire.hostlink import SignOn

log = structlog.get_logger(__name__)

LINE_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class GuestSaid:
    """One event: `hello`, `waiting`, `ready`, `signed_in`, `signed_out`.

    `user` where it has one; `calls`: what hello offers; `sign_on`: the last one that the guest took, where it says.
    """

    event: str
    user: str | None = None
    calls: frozenset[str] = frozenset()
    sign_on: SignOn | None = None


def parse(line: bytes) -> dict[str, object] | None:
    """The JSON object on a line; None for what is none.

    Its texts can be written as UTF-8 again, and it is nested no deeper than 200: this parser refuses half a surrogate
    pair and deep nesting, which Python's own lets through.
    """
    try:
        said = from_json(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def event(said: Mapping[str, object]) -> GuestSaid | None:
    """The event that an object tells; None when it is none."""
    name, user, calls = said.get("event"), said.get("user"), said.get("calls")
    if not isinstance(name, str):
        return None
    return GuestSaid(
        event=name[:64],
        user=user[:256] if isinstance(user, str) else None,
        calls=frozenset(call[:64] for call in calls[:100] if isinstance(call, str))
        if isinstance(calls, list)
        else frozenset(),
        sign_on=signing_on.last_sign_on(said),
    )


Take = Callable[[Mapping[str, object]], None]


class _Waiting(NamedTuple):
    """A call without an answer yet."""

    answer: asyncio.Future[dict[str, object]]
    take: Take


class GuestService:
    """One desktop's guest service. Used in the event loop's thread."""

    def __init__(self, heard: Callable[[GuestSaid], None]) -> None:
        self._heard = heard
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._ids = itertools.count(1)
        self.connected = asyncio.Event()

    async def listen(self, socket: Path) -> None:
        """Connect to a running domain's port and hand over each event, until the domain ends or this is cancelled.

        The guest says everything again at each connect. Raises OSError when the port can't be reached.
        """
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_MAX_BYTES)
        self._writer = writer
        warned = False
        writer.write(b"\n")  # ends what an earlier host may have left half said
        self.connected.set()
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    if not warned:  # once, or a guest could fill the host's log
                        log.warning("guest-line-too-long", socket=str(socket))
                        warned = True
                    continue  # the reader has thrown the line away
                if not line:
                    return
                self._take(parse(line))
        finally:
            self._writer = None
            self.connected.clear()
            writer.close()
            for waiting in self._waiting.values():
                waiting.answer.cancel()

    def _take(self, said: dict[str, object] | None) -> None:
        if said is None:
            return
        told = event(said)
        if told is not None:
            self._heard(told)
            return
        call_id = said.get("id")
        waiting = self._waiting.get(call_id) if isinstance(call_id, int) else None
        if waiting is None or waiting.answer.done():
            return
        if said.get("ok") is True:
            result = said.get("result")
            waiting.take(result if isinstance(result, dict) else {})
        waiting.answer.set_result(said)

    async def call(
        self, name: str, args: Mapping[str, object], *, timeout_s: float, take: Take = lambda _: None
    ) -> None:
        """Ask the guest service; `take` is given its result before anything is heard that the guest says after it.

        Raises GuestSilent when there is no answer in time, HostError with the guest's own words when it refuses.
        """
        if self._writer is None:
            raise GuestSilent("The guest service is not connected.")
        call_id = next(self._ids)
        waiting: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = _Waiting(waiting, take)
        try:
            self._writer.write(json.dumps({"id": call_id, "call": name, "args": dict(args)}).encode() + b"\n")
            async with asyncio.timeout(timeout_s):
                answer = await waiting
        except (TimeoutError, ConnectionError) as exc:
            raise GuestSilent(f"The guest service did not answer {name} within {timeout_s:.0f} s.") from exc
        except asyncio.CancelledError:
            cancellation.due()
            if self._writer is None:  # the port closed; it is not this task that was cancelled
                raise GuestSilent(f"The guest went away before it answered {name}.") from None
            raise
        finally:
            del self._waiting[call_id]
        if answer.get("ok") is not True:
            error = answer.get("error")
            text = error.get("text") if isinstance(error, dict) else None
            why = text[:500] if isinstance(text, str) else "no reason given"
            raise HostError(f"The guest service refused {name}: {why}.")
