"""Files to an agent of our own: whole, under its tokens, refused, broken off and given up."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, FrazilError, HostError, InvalidInput, OutOfSpace, Refused, Unavailable
from frazil.spice.agent_messages import AgentCap, FileXferResult
from frazil.spice.base_messages import Data
from frazil.spice.channels import ChannelType
from frazil.viewer.sharing import PIECE_BYTES
from tests.fakes.desktop_agent import CAPS
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.watched import DEADLINE_S, opened, reached, said


def made(place: Path, size: int, name: str = "report.pdf") -> Path:
    file = place / name
    file.write_bytes(random.Random(size).randbytes(size))
    return file


@pytest.mark.parametrize("tokens", [1, 10])
@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 17])
async def test_a_file_arrives_whole(tmp_path: Path, size: int, tokens: int) -> None:
    fake = SpiceDesktop(agent=True, agent_tokens=tokens)
    file = made(tmp_path, size)
    told: list[tuple[int, int]] = []
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await desktop.send_file(file, lambda sent, all_: told.append((sent, all_)))
        assert fake.guest.stored == {"report.pdf": file.read_bytes()}
        assert told[0] == (0, size)
        assert told[-1] == (size, size)
        assert told == sorted(told)
        assert not fake.guest.cancelled


@pytest.mark.parametrize("name", [" begins with a space", "a\\b", "new\nline", "tab\t", "őz [x]=1;", "a\\sb"])
async def test_names_arrive_as_they_are(tmp_path: Path, name: str) -> None:
    fake = SpiceDesktop(agent=True)
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await desktop.send_file(str(made(tmp_path, 5, name)))
        assert list(fake.guest.stored) == [name]


async def test_several_go_at_once(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    files = [made(tmp_path, 100_000 + number, f"{number}.bin") for number in range(3)]
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await asyncio.gather(*(desktop.send_file(file) for file in files))
        assert fake.guest.stored == {file.name: file.read_bytes() for file in files}


async def test_no_more_is_sent_than_the_server_takes(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True, agent_tokens=4)
    told: list[int] = []
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        await reached(lambda: len(said(fake, Data)) >= 2)  # capabilities, asked for by either side
        fake.stalls = True
        sending = asyncio.create_task(desktop.send_file(made(tmp_path, 200_000), lambda sent, _: told.append(sent)))
        await reached(lambda: fake.kept_tokens == 4)
        assert told == [0]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), 0.05)
        assert fake.kept_tokens == 4
        fake.stalls = False
        fake.grant(4)
        await sending
        assert len(fake.guest.stored["report.pdf"]) == 200_000


REFUSALS = [
    (FileXferResult.CANCELLED, b"", Refused, "cancelled"),
    (FileXferResult.ERROR, b"", HostError, "could not store report.pdf."),
    (FileXferResult.ERROR, struct.pack("<BI", 0, 14), HostError, "may not be written"),
    (FileXferResult.ERROR, struct.pack("<BI", 0, 99), HostError, "error 99"),
    (FileXferResult.ERROR, struct.pack("<BI", 7, 14), HostError, "could not store report.pdf."),
    (FileXferResult.NOT_ENOUGH_SPACE, b"", OutOfSpace, "no room for report.pdf. Make"),
    (FileXferResult.NOT_ENOUGH_SPACE, struct.pack("<Q", 77), OutOfSpace, "300000 bytes; 77 are free"),
    (FileXferResult.SESSION_LOCKED, b"", Conflict, "locked"),
    (FileXferResult.VDAGENT_NOT_CONNECTED, b"", Conflict, "Nobody is signed in"),
    (FileXferResult.DISABLED, b"", Refused, "policy"),
    (FileXferResult.SUCCESS, b"", HostError, "no reason"),
    (4000, b"", HostError, "no reason"),
]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "in the middle"])
@pytest.mark.parametrize(("result", "detail", "error", "words"), REFUSALS)
async def test_what_the_desktop_says_is_told(
    tmp_path: Path, result: int, detail: bytes, error: type[FrazilError], words: str, late: bool
) -> None:
    fake = SpiceDesktop(agent=True)
    if late:
        fake.guest.breaks = (PIECE_BYTES + 1, (result, detail))
    else:
        fake.guest.answers = (result, detail)
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        with pytest.raises(error, match=words):
            await desktop.send_file(made(tmp_path, 300_000))
        fake.guest.answers, fake.guest.breaks = (FileXferResult.CAN_SEND_DATA, b""), None
        await desktop.send_file(made(tmp_path, 10, "next"))
        assert list(fake.guest.stored) == ["next"]
        assert not fake.guest.cancelled


async def test_a_desktop_that_takes_no_files_is_not_asked(tmp_path: Path) -> None:
    file = made(tmp_path, 5)
    async with opened(SpiceDesktop()) as desktop:
        with pytest.raises(Conflict, match="agent is not there"):
            await desktop.send_file(file)
    async with opened(SpiceDesktop(agent=True, agent_caps=(*CAPS, AgentCap.FILE_XFER_DISABLED))) as desktop:
        await desktop.wait_for_agent()
        with pytest.raises(Refused, match="--allow files"):
            await desktop.send_file(file)


@pytest.mark.parametrize("name", ["none", "."])
async def test_what_is_no_file_is_not_sent(tmp_path: Path, name: str) -> None:
    async with opened(SpiceDesktop(agent=True)) as desktop:
        await desktop.wait_for_agent()
        with pytest.raises(InvalidInput):
            await desktop.send_file(tmp_path / name)


async def test_a_transfer_that_is_given_up_is_cancelled_at_the_desktop(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        begun = asyncio.Event()

        def told(sent: int, _size: int) -> None:
            if sent:
                begun.set()

        sending = asyncio.create_task(desktop.send_file(made(tmp_path, 50 * PIECE_BYTES), told))
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await reached(lambda: fake.guest.cancelled == ["report.pdf"])
        await desktop.send_file(made(tmp_path, 10, "next"))
        assert list(fake.guest.stored) == ["next"]


async def test_a_file_that_shrinks_meanwhile_is_cancelled(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    file = made(tmp_path, 4 * PIECE_BYTES)

    def shorten(sent: int, _size: int) -> None:
        if sent:
            file.write_bytes(b"")

    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        with pytest.raises(Conflict, match="became shorter"):
            await desktop.send_file(file, shorten)
        await reached(lambda: fake.guest.cancelled == ["report.pdf"])


async def test_a_silent_desktop_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.answers = None
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        with pytest.raises(DeadlinePassed, match=r"agreeing to take report\.pdf"):
            await desktop.send_file(made(tmp_path, 5), timeout_s=0.05)
        await reached(lambda: fake.guest.cancelled == ["report.pdf"])


@pytest.mark.parametrize("link", [False, True], ids=["agent", "link"])
async def test_who_sends_to_an_agent_that_goes_is_told(tmp_path: Path, link: bool) -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.answers = None
    async with opened(fake) as desktop:
        await desktop.wait_for_agent()
        sending = asyncio.create_task(desktop.send_file(made(tmp_path, 5)))
        await reached(lambda: bool(fake.guest.coming))
        if link:
            fake.clients[ChannelType.MAIN].writer.close()
        else:
            fake.stop_agent()
            fake.start_agent()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(sending, DEADLINE_S)
