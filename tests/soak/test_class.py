"""A school's day with real desktops, by the commands of the how-to (docs/howto/class.md): nothing of anybody is left.

Every pupil works (`tests.harness.visits`): a terminal, files that are saved, an editor. One calls the helpdesk, half of
them sign out inside their desktop, and one forgets to. FRAZIL_CLASS_PUPILS (20) changes how many they are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from frazil.model.desktop import Phase
from frazil.model.errors import NotFound
from frazil.wire.rest import Desktop
from tests.harness import work
from tests.harness.school import CALLER, POOL, School
from tests.harness.stack import Person, Stack
from tests.harness.visits import Visit, visit
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.real,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
PUPILS = int(os.environ.get("FRAZIL_CLASS_PUPILS", "20"))
AT_ONCE = 2
"""So many pupils work at a time: two emulated processors are busy with that."""
COLOURS = 16
"""More than a black screen has, or the one that waits."""
ALIKE = 0.02
"""Of two pictures of a desktop that rests, so much may differ: a clock, a text cursor."""


@pytest.mark.usefixtures("libvirtd")
async def test_a_class_works_and_leaves_nothing_of_anybody(place: Path) -> None:
    with Stack(ksm=True, zram=True) as stack:
        stack.start()
        school = School(stack, place, pupils=PUPILS)
        school.type(1)
        first = school.make_pool(timeout_s=600)
        people = school.let_in()
        school.appoint()

        visits = await _all_work(stack, people)
        used = {seen.desktop_id for seen in visits.values()}
        assert len(used) == PUPILS
        assert stack.guests.ids().keys() >= used, "all are there at the same time"
        school.look_in()
        helped = await _one_is_helped(school, people, visits[CALLER], place)

        *others, late = people
        inside = others[1::2]
        for name in others:
            _leaves(stack, people[name], visits[name], inside=name in inside)
        left = {visits[name].session_id for name in others}
        until(lambda: not left & {one.id for one in stack.root.sessions()}, "their sessions have ended", timeout_s=300)
        school.end_lesson(late)
        _nothing_is_left(stack, school.cleaned(used | first, timeout_s=600))
        for name, seen in visits.items():
            with pytest.raises(NotFound):
                people[name].client.session(seen.session_id)
        school.read_audit(helped, late=late, signed_out_inside=inside)
        school.end_year()
        assert school.is_through
        assert stack.guests.ids() == {}
        until(lambda: stack.disks() == [], "no disk is left")


async def _all_work(stack: Stack, people: Mapping[str, Person]) -> dict[str, Visit]:
    """Each comes, works and leaves their viewer; their sessions stay."""
    seats = asyncio.Semaphore(AT_ONCE)

    async def come(person: Person) -> Visit:
        async with seats:
            seen = await visit(stack, person, POOL)
        print(f"{person.name} has worked: a picture in {seen.picture_s:.1f} s, the panel in {seen.panel_s:.1f} s")
        return seen

    async with asyncio.TaskGroup() as tasks:
        coming = {name: tasks.create_task(come(person)) for name, person in people.items()}
    return {name: task.result() for name, task in coming.items()}


async def _one_is_helped(school: School, people: dict[str, Person], seen: Visit, place: Path) -> Desktop:
    """The helpdesk sees what the caller sees, restarts the desktop and gives a password; the caller works again."""
    stack, caller = school.stack, people[CALLER]
    await asyncio.to_thread(_in_front, stack, caller, seen)
    helped, picture = await asyncio.to_thread(school.look_at)
    assert helped.id == seen.desktop_id
    _is_the_screen(Image.open(picture).convert("RGB"), stack.guests.screenshot(helped.id, place / "screen.png"))
    await asyncio.to_thread(school.restart, helped)
    is_new = 'test ! -e "/home/$user/Documents/sum.txt" && echo new'
    assert await asyncio.to_thread(work.in_session, stack.guests, helped.id, is_new) == "new\n"
    people[CALLER] = await asyncio.to_thread(school.give_password, caller)
    again = await visit(stack, people[CALLER], POOL)
    assert (again.session_id, again.desktop_id) == (seen.session_id, seen.desktop_id)
    return helped


def _in_front(stack: Stack, person: Person, seen: Visit) -> None:
    """As when they come back to their desktop, which may have been paused meanwhile."""
    person.client.ticket(seen.session_id, wait_s=20)
    stack.phase(seen.desktop_id, Phase.READY)


def _is_the_screen(picture: Image.Image, screen: Image.Image) -> None:
    colours = picture.getcolors(maxcolors=picture.width * picture.height)
    assert colours is not None
    assert len(colours) > COLOURS
    assert picture.size == screen.size
    differing = ImageChops.difference(picture, screen).convert("L").point([0] + [255] * 255)
    assert differing.histogram()[255] <= ALIKE * picture.width * picture.height


def _leaves(stack: Stack, person: Person, seen: Visit, *, inside: bool) -> None:
    """By the desktop's menu, or at the portal."""
    if inside:
        _in_front(stack, person, seen)
        work.sign_out(stack.guests, seen.desktop_id)
    else:
        person.client.end_session(seen.session_id)


def _nothing_is_left(stack: Stack, fresh: list[Desktop]) -> None:
    """Only the fresh desktops run, only their disks are there, and nobody has ever been on them."""
    ids = sorted(one.id for one in fresh)
    assert sorted(stack.guests.ids()) == ids
    until(lambda: stack.disks() == ids, "only their disks are left")
    for one in fresh:
        if one.phase is Phase.PAUSED:
            stack.root.act(one.id, "start")
            stack.phase(one.id, Phase.READY)
        done = stack.guests.run(one.id, "/bin/sh", "-c", work.NOBODY, timeout_s=300)
        assert done.code == 0, (one.name, done)
