"""A person in front of a native viewer: the real remote-viewer on a screen of its own, and spice-gtk without one."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageChops, ImageGrab

from frazil.viewer import keyboard
from tests.harness.waiting import until

SCREEN = (1440, 960)
CLIENT = Path(__file__).with_name("gtk_client.py")
DRAG_SOURCE = Path(__file__).with_name("drag_source.py")
DRAG_FROM = (SCREEN[0] - 90, SCREEN[1] - 90)
"""Where a file lies on the screen, beside the viewer's window."""
DRAG_STEPS = 10
KEY_EVERY_S = 0.04
WINDOWS = ("search", "--onlyvisible", "--class", "remote-viewer")
PLAYER = "appsrc is-live=1 do-timestamp=0 name=appsrc ! filesink name=audiosink sync=false async=false location={heard}"
"""The sound card of spice-gtk: a file."""


class RemoteViewer:
    """remote-viewer in the corner of an X server's screen, without a window manager. Made by `remote_viewer`."""

    def __init__(self, display: str, log: Path, heard: Path) -> None:
        self._display = display
        self._heard = heard
        self._environment = {**os.environ, "DISPLAY": display}
        self._log = log

    def picture(self) -> Image.Image:
        """The whole screen that the window is on."""
        return ImageGrab.grab(xdisplay=self._display).convert("RGB")

    def shows(self, desktop: Image.Image) -> bool:
        """Whether the desktop's picture, pixel for pixel, is somewhere in the window."""
        seen = self.picture()
        corner = desktop.crop((0, 0, 64, 64))
        for top in range(SCREEN[1] - desktop.height + 1):
            for left in range(20):
                box = (left, top, left + 64, top + 64)
                if ImageChops.difference(seen.crop(box), corner).getbbox() is None:
                    whole = seen.crop((left, top, left + desktop.width, top + desktop.height))
                    if ImageChops.difference(whole, desktop).getbbox() is None:
                        return True
        return False

    def do(self, *words: str) -> None:
        """One xdotool command."""
        subprocess.run(["xdotool", *words], check=True, timeout=30, env=self._environment, stdin=subprocess.DEVNULL)

    def resize(self, width: int, height: int) -> None:
        """The window, with its title and all."""
        self.do(*WINDOWS, "windowsize", str(width), str(height))

    def copy(self, text: str) -> None:
        """As another program beside the viewer would; it owns the text until somebody else copies."""
        command = ["xclip", "-selection", "clipboard", "-in"]
        out = subprocess.DEVNULL
        subprocess.run(command, input=text.encode(), stdout=out, stderr=out, check=True, env=self._environment)

    def clipboard(self) -> str:
        """What a program beside the viewer would paste."""
        command = ["timeout", "10", "xclip", "-selection", "clipboard", "-out"]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment).stdout

    def windows(self) -> list[str]:
        """The ids of its windows that are seen."""
        command = ["xdotool", *WINDOWS]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30, env=self._environment
        ).stdout.split()

    def drop(self, file: Path, *, at: tuple[int, int]) -> None:
        """Drag a file from beside the window onto it, as from a file manager."""
        # Who drags looks for windows with this mark of a window manager's, and there is none here.
        mark = ["xprop", "-id", self.windows()[0], "-format", "WM_STATE", "32c", "-set", "WM_STATE", "1"]
        subprocess.run(mark, check=True, timeout=30, env=self._environment)
        left, top = DRAG_FROM
        with subprocess.Popen(
            ["timeout", "60", "/usr/bin/python3", str(DRAG_SOURCE), str(file), str(left), str(top)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        ) as source:
            assert source.stdin is not None
            assert source.stdout is not None
            assert source.stdout.readline() == "there\n", "the file is on the screen"
            x, y = left + 20, top + 20
            self.do("mousemove", str(x), str(y), "mousedown", "1")
            for step in range(1, DRAG_STEPS + 1):  # a drag begins with moves, and each is seen
                self.do(
                    "mousemove", str(x + (at[0] - x) * step // DRAG_STEPS), str(y + (at[1] - y) * step // DRAG_STEPS)
                )
            self.do("mouseup", "1")
            assert source.stdout.readline() == "over\n", "the file was dropped"
            source.stdin.close()

    def heard(self) -> int:
        """How many bytes of sound that is not silence its player got."""
        sound = self._heard.read_bytes() if self._heard.exists() else b""
        return len(sound) - sound.count(0)

    def words(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")


@contextmanager
def remote_viewer(file: Path) -> Iterator[RemoteViewer]:
    """Open `file`, a `.vv`, which the viewer deletes."""
    log, heard = file.with_suffix(".log"), file.with_suffix(".sound")
    reader, writer = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    x = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=(writer,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as said:
            display = f":{said.readline().strip()}"
        own = {"DISPLAY": display, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "HOME": str(file.parent)}
        with log.open("wb") as out:
            viewer = subprocess.Popen(
                ["remote-viewer", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"PATH": os.environ["PATH"], "SPICE_GST_AUDIOSINK": PLAYER.format(heard=heard), **own},
            )
        try:
            yield RemoteViewer(display, log, heard)
        finally:
            viewer.kill()
            viewer.wait(10)
    finally:
        x.kill()
        x.wait(10)


Event = dict[str, object]


class NativeClient:
    """`gtk_client` as a process. `wait_for` takes each event once; channels open, and speak, in any order."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._events: queue.Queue[Event] = queue.Queue()
        self._not_taken: list[Event] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))

    def do(self, command: str, **more: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **more}) + "\n")
        self._process.stdin.flush()

    def wait_for(self, event: str, **fields: object) -> Event:
        """The first event of that name with those fields that nobody waited for yet."""
        wanted = {"event": event, **fields}

        def come() -> Event | None:
            while not self._events.empty():
                self._not_taken.append(self._events.get())
            for at, found in enumerate(self._not_taken):
                if wanted.items() <= found.items():
                    return self._not_taken.pop(at)
            return None

        found = until(come, lambda: f"{wanted}; not taken: {self._not_taken[-12:]}", timeout_s=30)
        assert found is not None
        return found

    def type(self, text: str) -> None:
        """At a person's pace, on a keyboard of the United States."""
        for character in text:
            code, shifted = keyboard.stroke(character)
            self.do("press", codes=[keyboard.SHIFT, code] if shifted else [code])
            time.sleep(KEY_EVERY_S)

    def picture(self, scratch: Path) -> Image.Image | None:
        """What the library has drawn; by way of the file `scratch`. None before there is a surface."""
        self.do("show", file=str(scratch))
        shown = self.wait_for("shown")
        if not shown["there"]:
            return None
        width, height, stride = (int(str(shown[key])) for key in ("width", "height", "stride"))
        return Image.frombytes("RGB", (width, height), scratch.read_bytes(), "raw", "BGRX", stride)

    def has_not(self, *events: str) -> None:
        """AssertionError when one of these has come and nobody waited for it."""
        while not self._events.empty():
            self._not_taken.append(self._events.get())
        found = [one for one in self._not_taken if one["event"] in events]
        assert found == []


@contextmanager
def native_client(file: Path) -> Iterator[NativeClient]:
    """Open `file`, a `.vv`, with spice-gtk's library under the system's Python."""
    with subprocess.Popen(
        ["/usr/bin/python3", str(CLIENT), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield NativeClient(process)
        finally:
            process.kill()
