"""A real desktop in the real native viewer, from a file that the portal makes, through the one port."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from frazil.model.desktop import Phase
from frazil.server.density import measuring
from frazil.viewer import connect
from tests.e2e.conftest import FORBIDDEN_S, NOISE, Desk, may
from tests.harness import work
from tests.harness.browser import large, same
from tests.harness.native import native_client, remote_viewer
from tests.harness.processes import descendants
from tests.harness.stack import Stack
from tests.harness.waiting import eventually, until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(FORBIDDEN_S + 420),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]


@pytest.fixture
def desktop(stack: Stack, desk: Desk) -> str:
    """The person's desktop, ready, with their panel on it."""
    desktop_id = desk.session.desktop.id
    stack.phase(desktop_id, Phase.READY, Phase.PAUSED, timeout_s=300)
    work.in_session(stack.guests, desktop_id, "true")
    return desktop_id


@pytest.fixture
def file(desk: Desk, desktop: str, tmp_path: Path) -> Path:
    """A viewer's file, as the API makes it: good for so short that nothing slow may stand before its use."""
    made = tmp_path / "desktop.vv"
    made.write_text(desk.person.client.viewer_file(desk.session.id, wait_s=20))
    return made


def test_the_picture_is_there_and_keys_arrive(stack: Stack, desktop: str, file: Path, tmp_path: Path) -> None:
    guests = stack.guests
    guests.run(desktop, "/bin/rm", "-f", "/tmp/typed-natively")
    with remote_viewer(file) as viewer:

        def same_picture() -> bool:
            before = guests.screenshot(desktop, tmp_path / "guest.png")
            shown = viewer.shows(before)
            return shown and same(before, guests.screenshot(desktop, tmp_path / "guest.png"))

        work.in_session(guests, desktop, "true")
        until(same_picture, lambda: f"the window shows the desktop: {viewer.words()}", timeout_s=90)
        assert not file.exists(), "the viewer deletes its file"
        only_the_public_port_is_open(stack, desktop)
        work.let_go(guests, desktop)  # what an earlier test left open may lie under the pointer
        until(lambda: guests.run(desktop, "/usr/bin/pgrep", "-x", "xterm").code == 1, "no terminal is open")
        bare = guests.screenshot(desktop, tmp_path / "guest.png")
        work.open_terminal(guests, desktop)
        until(lambda: guests.run(desktop, "/usr/bin/pgrep", "-x", "bash").code == 0, "its shell is up")
        until(lambda: large(bare, guests.screenshot(desktop, tmp_path / "guest.png")), "its window is there")
        viewer.do("mousemove", "400", "300", "click", "1")
        line = "echo native-$((6*7)) > /tmp/typed-natively"

        def arrived() -> bool:
            viewer.do("type", "--delay", "40", line)
            viewer.do("key", "Return")
            return guests.run(desktop, "/bin/cat", "/tmp/typed-natively").stdout == "native-42\n"

        until(arrived, "the guest's shell wrote the file")
        until(same_picture, "the window shows what was typed")

        viewer.copy("from the machine's own clipboard")
        until(lambda: work.copied(guests, desktop) == "from the machine's own clipboard", "what was copied is there")
        work.copy(guests, desktop, "from the desktop")
        until(lambda: viewer.clipboard() == "from the desktop", "what was copied in the desktop is here")
        work.let_go(guests, desktop)

        dropped = tmp_path / "dropped.txt"
        dropped.write_text("a file from beside the viewer\n" * 500)
        viewer.drop(dropped, at=(400, 300))
        found = "cat /home/$user/Downloads/dropped.txt 2>/dev/null || true"
        until(lambda: work.in_session(guests, desktop, found) == dropped.read_text(), lambda: viewer.words())
        work.in_session(guests, desktop, "rm /home/$user/Downloads/dropped.txt")

        assert guests.run(desktop, *NOISE).code == 0
        until(lambda: viewer.heard() > 1000, lambda: f"the viewer plays what the desktop does: {viewer.words()}")

        before = guests.screenshot(desktop, tmp_path / "guest.png").size
        viewer.resize(1100, 780)
        until(lambda: guests.screenshot(desktop, tmp_path / "guest.png").size != before, "the desktop follows")
        until(same_picture, "the window shows the desktop in its new size")
    work.let_go(guests, desktop)


async def test_a_program_sees_the_desktop_types_on_it_and_clicks(
    stack: Stack, desk: Desk, desktop: str, file: Path, tmp_path: Path
) -> None:
    """`frazil.viewer` in one's own program, and `frazil spice`."""
    guests = stack.guests
    await asyncio.to_thread(guests.run, desktop, "/bin/rm", "-f", "/tmp/typed-by-program")
    async with connect(file) as seen:
        assert not file.exists(), "its password is good once"
        await seen.wait_for_picture(timeout_s=60)

        async def same_picture() -> bool:
            before = await asyncio.to_thread(guests.screenshot, desktop, tmp_path / "guest.png")
            shown = Image.fromarray(seen.screenshot().rgb)
            after = await asyncio.to_thread(guests.screenshot, desktop, tmp_path / "guest.png")
            return same(before, shown) and same(before, after)

        await eventually(same_picture, "the program has the desktop's picture, pixel for pixel")
        bare = Image.fromarray(seen.screenshot().rgb)
        await asyncio.to_thread(work.open_terminal, guests, desktop)
        await seen.wait_until(lambda now: large(bare, Image.fromarray(now.rgb)), timeout_s=60)
        await seen.click(400, 300)

        async def arrived() -> bool:
            await seen.type("echo by-program-$((6*7)) > /tmp/typed-by-program\n")
            done = await asyncio.to_thread(guests.run, desktop, "/bin/cat", "/tmp/typed-by-program")
            return done.stdout == "by-program-42\n"

        await eventually(arrived, "the guest's shell wrote the file")
        await seen.type("ls -lR /usr/share/doc | head -n 3000\n")  # much text goes up the screen
        await seen.wait_still(for_s=2, timeout_s=60)
        await eventually(same_picture, "the picture is the desktop's after much was drawn")
        told = seen.info
        assert told.drawings > 100
        assert told.agent
    again = tmp_path / "again.vv"
    again.write_text(desk.person.client.viewer_file(desk.session.id, wait_s=20))
    taken = tmp_path / "taken.png"
    done = await asyncio.to_thread(stack.frazil, "spice", "screenshot", str(again), str(taken), "--settle", "1")
    assert done.returncode == 0, done.stderr
    with Image.open(taken) as picture:
        assert same(picture.convert("RGB"), guests.screenshot(desktop, tmp_path / "guest.png"))
    work.let_go(guests, desktop)


def test_what_a_policy_forbids_passes_in_no_window(
    stack: Stack, desk: Desk, desktop: str, file: Path, tmp_path: Path
) -> None:
    """In remote-viewer; `test_sharing` has the browser and spice-gtk's own client. Then it is allowed, and passes."""
    guests = stack.guests
    files = work.downloads(guests, desktop)
    dropped = tmp_path / "forbidden.txt"
    dropped.write_text("a file from beside the viewer\n")
    with remote_viewer(file) as viewer:

        def passes(text: str) -> bool:
            viewer.copy(text)
            return work.copied(guests, desktop) == text

        until(lambda: passes("before"), lambda: f"the viewer and the desktop's agent have met: {viewer.words()}")
        may(stack, desk.person, False)
        try:
            viewer.drop(dropped, at=(400, 300))
            until(lambda: len(viewer.windows()) > 1, "a second window tells what became of the file")
            deadline = time.monotonic() + FORBIDDEN_S
            turn = 0
            while turn == 0 or time.monotonic() < deadline:
                turn += 1
                viewer.copy(f"outside {turn}")
                assert guests.run(desktop, *NOISE).code == 0
                assert "outside" not in work.copied(guests, desktop)
                work.copy(guests, desktop, f"inside {turn}")
                assert viewer.clipboard() == f"outside {turn}"
                work.let_go(guests, desktop)
                assert work.downloads(guests, desktop) == files
            assert viewer.heard() == 0
        finally:
            may(stack, desk.person, True)
        until(lambda: passes("allowed"), "the session is as it was")


def only_the_public_port_is_open(stack: Stack, desktop: str) -> None:
    """`ss -lntup`: of our processes and of the desktop, nothing listens but the gateway on the public port."""
    ours = {*descendants(stack.supervisor), stack.supervisor, measuring.processes()[desktop].pid}
    said = subprocess.run(["ss", "-lntupH"], capture_output=True, text=True, check=True, timeout=30).stdout
    mine = [line for line in said.splitlines() if any(f"pid={pid}," in line for pid in ours)]
    assert [line.split()[4] for line in mine] == [stack.settings.listen], said


def test_what_a_person_expects_of_a_viewer_works(stack: Stack, desktop: str, file: Path, tmp_path: Path) -> None:
    """Picture, keys, a click, copies both ways, a file, a folder, sound, a USB device, the size: on one connection."""
    guests = stack.guests
    guests.run(desktop, "/bin/rm", "-f", "/tmp/typed-by-gtk")
    work.let_go(guests, desktop)  # of what an earlier test left open
    with native_client(file) as client:
        client.wait_for("channel", channel="main", state="opened")
        client.wait_for("agent", there=True)
        client.wait_for("picture")

        def same_picture() -> bool:
            """The library's is the server's, and that is the same before and after."""
            before = guests.screenshot(desktop, tmp_path / "guest.png")
            drawn = client.picture(tmp_path / "drawn.raw")
            after = guests.screenshot(desktop, tmp_path / "guest.png")
            return drawn is not None and same(before, drawn) and same(before, after)

        until(same_picture, "the picture is the desktop's, pixel for pixel")

        bare = guests.screenshot(desktop, tmp_path / "guest.png")
        work.open_terminal(guests, desktop)
        until(lambda: large(bare, guests.screenshot(desktop, tmp_path / "guest.png")), "a terminal's window is there")
        window = ImageChops.difference(bare, guests.screenshot(desktop, tmp_path / "guest.png")).getbbox()
        assert window is not None
        client.do("click", x=(window[0] + window[2]) // 2, y=(window[1] + window[3]) // 2)
        until(
            lambda: work.terminal_has_keys(guests, desktop),
            lambda: f"the keys go to the terminal, not to {work.has_keys(guests, desktop)!r}",
        )

        def arrived() -> bool:
            client.type("echo by-gtk-$((6*7)) > /tmp/typed-by-gtk\n")
            return guests.run(desktop, "/bin/cat", "/tmp/typed-by-gtk").stdout == "by-gtk-42\n"

        until(
            arrived,
            lambda: f"the guest's shell wrote the file; the keys go to {work.has_keys(guests, desktop)!r}",
        )
        until(same_picture, "the picture is the desktop's after it was typed on")
        work.let_go(guests, desktop)

        client.do("copy", text="from outside")
        until(lambda: work.copied(guests, desktop) == "from outside", "the guest has what was copied")

        work.copy(guests, desktop, "from inside")
        client.wait_for("pasted", text="from inside")
        work.let_go(guests, desktop)

        sent = tmp_path / "sent.txt"
        sent.write_text("a file from outside\n" * 500)
        client.do("send", file=str(sent))
        assert client.wait_for("sent")["ok"]
        found = work.in_session(guests, desktop, "cd /home/$user/Downloads && cat sent.txt && rm sent.txt")
        assert found == sent.read_text()

        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "plan.txt").write_text("a line from outside\n")
        client.do("share", folder=str(folder))
        until(lambda: work.shared(guests, desktop, "plan.txt") == "a line from outside\n", "the folder is there")
        work.in_session(guests, desktop, f"as_person sh -c 'echo a line from inside > {work.FOLDER}/answer.txt'")
        answer = folder / "answer.txt"
        until(lambda: answer.exists() and answer.read_text() == "a line from inside\n", "and takes files")
        stranger = ("/sbin/runuser", "-u", "nobody", "--", "/bin/ls", work.FOLDER)
        assert guests.run(desktop, *stranger).code != 0, "nobody else in the desktop reaches it"

        assert guests.run(desktop, *NOISE).code == 0
        assert client.wait_for("sound")["hertz"]
        assert client.wait_for("heard")["bytes"]

        disc = tmp_path / "disc.iso"
        disc.write_bytes(bytes(1 << 20))
        client.do("plug", file=str(disc))
        assert client.wait_for("usb") == {"event": "usb", "ok": True}
        until(lambda: work.usb_drives(guests, desktop) == 1, "the desktop has the drive")

        client.do("resize", width=1024, height=704)
        client.wait_for("size", size=[1024, 704])
    until(lambda: work.shared(guests, desktop, "plan.txt") == "", "the folder has gone with its viewer")
    # Who looks next is told so at once: it is mounted no more, and nobody is there to mount it from.
    guests.run(desktop, "/bin/systemctl", "stop", "run-frazil\\x2dfolder-shared.mount")
    hurried = f"as_person timeout 5 ls {work.FOLDER} >/dev/null 2>&1; echo $?"
    assert work.in_session(guests, desktop, hurried) == "2\n"
