"""What the end-to-end tests share: one stack, one browser, one person with one desktop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from frazil.wire.policy import PolicyChange
from frazil.wire.rest import Pool, Session, SessionRequest, UserChange
from tests.harness.browser import Seat, chromium, seat
from tests.harness.fixtures import fake_stack, own_stack, stack
from tests.harness.stack import Person, Stack

__all__ = ["browser", "desk", "fake_stack", "own_stack", "stack", "window"]

FORBIDDEN_S = float(os.environ.get("FRAZIL_FORBIDDEN_S", "60"))
"""How long what is forbidden is tried; `make soak` tries it for ten minutes."""
RIGHTS = ("clipboard_to_desktop", "clipboard_from_desktop", "files_to_desktop", "folders", "usb", "sound", "microphone")
NOISE = ("/usr/bin/aplay", "-q", "-D", "plughw:0", "-d", "1", "-t", "raw", "-f", "cd", "/dev/urandom")
"""A guest's command: a second of sound."""


def may(stack: Stack, person: Person, allowed: bool) -> None:
    """Whether this person and their desktops may share anything, open sessions included."""
    change = UserChange(policy=PolicyChange(**dict.fromkeys(RIGHTS, allowed)))
    stack.root.change_user(stack.root.user(person.name), change)


@dataclass(frozen=True, slots=True)
class Desk:
    """A person, the pool that their desktop is of, and another person who may use the same pool."""

    person: Person
    other: Person
    pool: Pool

    @property
    def session(self) -> Session:
        """The person's open session; opened when there is none yet."""
        return self.person.client.open_session(SessionRequest(pool=self.pool.name)).session


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: while Playwright's loop runs, no test that is a coroutine could."""
    with chromium() as running:
        yield running


@pytest.fixture
def window(stack: Stack, browser: Browser) -> Iterator[Seat]:
    with seat(stack, browser) as made:
        yield made


@pytest.fixture(scope="session")
def desk(stack: Stack) -> Desk:
    """A pool that starts a desktop when one is asked for; a second, empty one, so that there is a choice."""
    anna, bela = stack.user("anna"), stack.user("bela")
    stack.pool("office", label="Office", spares=0, max_desktops=2)
    stack.empty_image("blank", ready_when="running")
    stack.pool("blank", label="Lab", image="blank", spares=0, profile={"memory_mib": 256, "disk_gib": 1})
    for pool in ("office", "blank"):
        for name in (anna.name, bela.name):
            stack.root.grant(pool, name)
    return Desk(anna, bela, stack.root.pool("office"))
