"""Text over the clipboard, both ways, against an agent of our own; and who may not, or has nothing."""

from __future__ import annotations

import asyncio
import random

import pytest

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, Refused, Unavailable
from frazil.spice.agent_clipboard import ClipboardFormat, ClipboardGrab, ClipboardRelease, Selection
from frazil.spice.agent_messages import AgentCap, AgentType
from frazil.spice.channels import ChannelType
from tests.fakes.desktop_agent import LAYOUT
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.watched import DEADLINE_S, opened, reached


@pytest.mark.parametrize("tokens", [1, 10])
async def test_text_goes_over_the_clipboard_both_ways(tokens: int) -> None:
    fake = SpiceDesktop(agent=True, agent_tokens=tokens)
    text = "".join(random.Random(4).choices("árvíz\n", k=3000))
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await desktop.set_clipboard(text)
        await desktop.wait_for_paste()
        await reached(lambda: fake.guest.pasted is not None)
        assert fake.guest.pasted == text.replace("\n", "\r\n")
        asking = asyncio.create_task(desktop.clipboard())
        await asyncio.sleep(0.02)
        assert not asking.done()
        fake.guest.copy("two\r\nlines\0")
        assert await asking == "two\nlines"


async def test_what_was_copied_before_is_had_from_an_agent_that_gives_it() -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.copied = "from before"
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        assert await desktop.clipboard() == "from before"


async def test_an_agent_that_is_not_there_can_give_nothing() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        for call in (desktop.set_clipboard("x"), desktop.clipboard()):
            with pytest.raises(Conflict, match="agent is not there"):
                await call
        with pytest.raises(DeadlinePassed, match="The agent's coming has not happened within"):
            await desktop.wait_for_agent(timeout_s=0.01)
        fake.start_agent()
        await desktop.wait_for_agent()
        assert desktop.info.agent
        with pytest.raises(DeadlinePassed, match=r"No text came .* within 0\.01 s.*Nothing was copied"):
            await desktop.clipboard(timeout_s=0.01)


@pytest.mark.parametrize("caps", [(), (AgentCap.FILE_XFER_DISABLED,)])
async def test_a_policy_against_copying_is_said(caps: tuple[AgentCap, ...]) -> None:
    async with opened(SpiceDesktop(agent=True, agent_caps=caps)) as desktop:
        await desktop.wait_for_agent()
        for call in (desktop.set_clipboard("x"), desktop.clipboard()):
            with pytest.raises(Refused, match="policy"):
                await call


async def test_text_that_is_offered_and_not_given_is_a_refusal() -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.gives = False
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        fake.guest.copy("secret")
        with pytest.raises(Refused, match="does not give"):
            await desktop.clipboard()


@pytest.mark.parametrize(
    ("kind", "content", "selection"),
    [
        (AgentType.CLIPBOARD_GRAB, ClipboardGrab(types=(ClipboardFormat.IMAGE_PNG,)), Selection.CLIPBOARD),
        (AgentType.CLIPBOARD_GRAB, ClipboardGrab(types=(ClipboardFormat.UTF8_TEXT,)), Selection.PRIMARY),
        (AgentType.CLIPBOARD_RELEASE, ClipboardRelease(), Selection.CLIPBOARD),
    ],
)
async def test_pictures_marked_text_and_what_is_let_go_are_no_text(
    kind: AgentType, content: object, selection: Selection
) -> None:
    fake = SpiceDesktop(agent=True)
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        fake.guest.copied = None
        fake.say_as_agent(kind, LAYOUT.encode(content, selection=selection))
        with pytest.raises(DeadlinePassed):
            await desktop.clipboard(timeout_s=0.05)


async def test_a_pasting_that_does_not_come_is_said() -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.pastes = False
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await desktop.set_clipboard("mine")
        with pytest.raises(DeadlinePassed, match="The pasting of the text"):
            await desktop.wait_for_paste(timeout_s=0.05)
        fake.guest.copy("theirs")
        with pytest.raises(Conflict, match="something else is"):
            await desktop.wait_for_paste()
        assert await desktop.clipboard() == "theirs"


async def test_who_waits_for_an_agent_that_goes_is_told() -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.pastes = False
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await desktop.set_clipboard("mine")
        waiting = asyncio.create_task(desktop.wait_for_paste())
        await asyncio.sleep(0)
        fake.stop_agent()
        with pytest.raises(Conflict):
            await waiting
        fake.start_agent()
        await desktop.wait_for_agent()
        waiting = asyncio.create_task(desktop.wait_for_paste())
        await asyncio.sleep(0)
        fake.clients[ChannelType.MAIN].writer.close()
        with pytest.raises((Conflict, Unavailable)):
            await asyncio.wait_for(waiting, DEADLINE_S)
