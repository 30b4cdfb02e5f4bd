"""A person's visit, as load tests have many of: open a session, look, be signed on, work, leave the viewer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from frazil.model.errors import Conflict
from frazil.wire.rest import SessionRequest, Ticket
from tests.harness import work
from tests.harness.headless import Headless, viewer
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

READY_DEADLINE_S = 900.0
PANEL_DEADLINE_S = 300.0
NO_ROOM = ("No host has enough", "No host can take another", "The memory set aside for desktops is used")
"""How the controller's reasons begin (`frazil.controller.planning.placement`)."""
KEYS_MAX = 10
TYPED = "cd;cp /etc/passwd list;sort -o sorted list\n"
KEY_DEADLINE_S = 6.0
KEY_EVERY_S = 0.06
LINES_MAX = 5
LINE_DEADLINE_S = 20.0


class NoRoom(Exception):
    """No host has room for one more desktop; says so in the controller's words."""


@dataclass(frozen=True, slots=True)
class Glance:
    """From the call to the first picture, in seconds. `spare`: the desktop was ready at once."""

    session_id: str
    desktop_id: str
    spare: bool
    picture_s: float


@dataclass(frozen=True, slots=True)
class Visit(Glance):
    """And from the call to the panel; and from a key to what it draws."""

    panel_s: float
    key_s: float


async def glance(stack: Stack, person: Person, pool: str) -> Glance:
    """Open a session, see the first picture, and leave the viewer while the sign-on goes on. The session stays."""
    async with _arrive(stack, person, pool) as (_, arrived):
        return arrived


async def visit(stack: Stack, person: Person, pool: str, *, hard: bool = True) -> Visit:
    """The session stays when the viewer has left. AssertionError when any of it does not come.

    Who works `hard` writes and sorts files for minutes and leaves a document open, which takes most of a visit's
    processor time; others type a line that makes a file.
    """
    began_s = time.monotonic()
    async with _arrive(stack, person, pool) as (seen, arrived):
        guests, session_id, desktop_id = stack.guests, arrived.session_id, arrived.desktop_id

        def has_panel() -> bool:
            """Asked in the guest, which costs more than waiting may, only once nothing is on its way any more."""
            return not person.client.session(session_id).desktop.step and work.has_panel(guests, desktop_id)

        try:
            await asyncio.to_thread(until, has_panel, "the panel is up", timeout_s=PANEL_DEADLINE_S)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{await asyncio.to_thread(work.evidence, guests, desktop_id)}") from exc
        panel_s = time.monotonic() - began_s
        await asyncio.to_thread(work.open_terminal, guests, desktop_id)
        key_s = await key_to_picture(seen)
        await seen.press("q", "\n")
        if hard:
            await asyncio.to_thread(work.work, guests, desktop_id)
            await asyncio.to_thread(work.open_editor, guests, desktop_id)
        else:
            await _type(seen, lambda: work.has_sorted(guests, desktop_id))
    return Visit(session_id, desktop_id, arrived.spare, arrived.picture_s, panel_s, key_s)


@asynccontextmanager
async def _arrive(stack: Stack, person: Person, pool: str) -> AsyncIterator[tuple[Headless, Glance]]:
    began_s = time.monotonic()
    opened = await asyncio.to_thread(person.client.open_session, SessionRequest(pool=pool))
    session, ticket = opened.session, opened.ticket
    if ticket is None:
        ticket = await asyncio.to_thread(_ticket, person, session.id)
    async with viewer(stack.settings.listen, stack.ca, ticket) as seen:
        picture_s = await seen.picture() - began_s
        yield seen, Glance(session.id, session.desktop.id, opened.ticket is not None, picture_s)


async def key_to_picture(seen: Headless) -> float:
    """Seconds from a key to what it draws. One that comes before the terminal draws nothing: another is pressed."""
    for _ in range(KEYS_MAX):
        drawn = await seen.still(for_s=0.5)
        pressed_s = time.monotonic()
        await seen.press("e")
        try:
            return await seen.picture(after=drawn, timeout_s=KEY_DEADLINE_S) - pressed_s
        except TimeoutError:
            continue
    raise AssertionError(f"None of {KEYS_MAX} keys drew anything within {KEY_DEADLINE_S:g} s.")


async def _type(seen: Headless, done: Callable[[], bool]) -> None:
    """A line at a person's pace, and again when nothing came of it: a busy desktop drops keys."""
    for _ in range(LINES_MAX):
        for key in TYPED:
            await seen.press(key)
            await asyncio.sleep(KEY_EVERY_S)
        await seen.still(for_s=1.0)  # nothing is asked in the guest before it has drawn what it did
        try:
            await asyncio.to_thread(until, done, "what was typed was done", timeout_s=LINE_DEADLINE_S)
        except AssertionError:
            continue
        return
    raise AssertionError(f"None of {LINES_MAX} typed lines was done within {LINE_DEADLINE_S:g} s.")


def _ticket(person: Person, session_id: str) -> Ticket:
    """Waits for a desktop on its way; the controller keeps each question open for seconds. Raises NoRoom."""

    def asked() -> Ticket:
        why = person.client.session(session_id).desktop.why
        if why.startswith(NO_ROOM):
            person.client.end_session(session_id)
            raise NoRoom(why)
        return person.client.ticket(session_id, wait_s=20)

    found = until(
        asked,
        "the desktop is ready",
        timeout_s=READY_DEADLINE_S,
        not_yet=(Conflict,),
    )
    assert found is not None
    return found
