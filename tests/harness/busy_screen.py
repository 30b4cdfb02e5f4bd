"""A SPICE back end with something to see: a guest that shows a film or a scrolling text beside marks that answer keys.

The guest is a boot sector (`busy_screen.s`): no time of its own is worth the name, and no image is needed. Its window
changes 25 times a second, in whole pictures. The film is clouds with grain, as a camera's picture has gradients: what
spice-server takes for video. The text is a program's source that scrolls a line at a time.

`draws_in` asks QEMU when it heard a key and when it looked at its screen the next time, which it does every 30 ms.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from tests.harness.video import Box
from tests.integration.gateway.back_end import BackEnd

HERE = Path(__file__).resolve().parent
SHOWS = {"nothing": "n", "film": "f", "text": "t"}
"""Keys."""
MARKS = 64
MARK_LEFT, MARK_TOP, MARK_STEP = 704, 64, 32
WINDOW = Box(32, 64, 672, 544)
PAPER = (16, 20, 24)
"""What the text is written on: red, green and blue."""
SIDE = 1024
"""Of the pictures that the window is a part of, in pixels."""
FILM_FRAMES, FILM_STEP = 32, 8
"""The film is so many pictures, each a part of one large picture, so many pixels further right and down."""
AT = {"film": 0x1000000, "text": 0x2000000}
"""Where they are in the guest's memory."""
LIKE_OURS = "image-compression=auto_lz,jpeg-wan-compression=never,zlib-glz-wan-compression=never"
"""As a desktop's domain has it."""
EVENT = re.compile(r"^\d+@(?P<at_s>\d+\.\d+):(?P<name>\w+) (?P<said>.*)$", re.MULTILINE)
KEY, DRAW = "input_event_key_qcode", "qemu_spice_create_update"


class BusyScreen(BackEnd):
    """Shows nothing but its marks until it is told otherwise. `marked` counts the keys that were for marks."""

    def __init__(self, directory: Path, *, streaming: str, images: str = LIKE_OURS, port: int | None = None) -> None:
        """`streaming` of video: off, filter or all. `images`: how pictures are compressed, in QEMU's words.

        `port`: as `BackEnd`'s. `monitors`: sockets of QMP, each for one who asks.
        """
        self.monitors = [directory / f"monitor-{number}.sock" for number in range(2)]
        self._log = directory / "qemu.log"
        self.marked = 0
        more = [word for path in self.monitors for word in ("-qmp", f"unix:{path},server=on,wait=off")]
        for name, picture in {"film": film(), "text": text()}.items():
            file = directory / name
            file.write_bytes(picture.tobytes("raw", "BGRX"))
            more += ["-device", f"loader,file={file},addr={AT[name]:#x},force-raw=on"]
        more += ["-D", str(self._log), "-msg", "timestamp=on", "-trace", KEY, "-trace", DRAW]
        spice = f"streaming-video={streaming},{images}"
        super().__init__(directory, *more, boot=assembled(directory), spice=spice, port=port)
        self._logs(False)

    def _logs(self, on: bool) -> None:
        for name in (KEY, DRAW):
            self.ask("trace-event-set-state", name=name, enable=on)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it `draws_in` can tell."""
        self._logs(True)
        try:
            yield
        finally:
            self._logs(False)

    def forget(self) -> None:
        """What was logged until now is of no key to come."""
        self._read_bytes = self._log.stat().st_size

    def draws_in(self) -> float:
        """Milliseconds from the first key since `forget` to the first look at the screen that found it changed."""
        with self._log.open("rb") as log:
            log.seek(self._read_bytes)
            events = list(EVENT.finditer(log.read().decode()))
        key_s = [float(event["at_s"]) for event in events if event["name"] == KEY]
        draw_s = [float(event["at_s"]) for event in events if event["name"] == DRAW]
        if not key_s or not draw_s or draw_s[0] < key_s[0]:
            raise RuntimeError(f"QEMU logged no drawing after a key, but {[event[0] for event in events]}")
        return (draw_s[0] - key_s[0]) * 1000


def mark_in(box: Box) -> int | None:
    """The first of the marks that a drawing is over."""
    return next((mark for mark in range(MARKS) if box.holds(*_middle(mark))), None)


def _middle(mark: int) -> tuple[int, int]:
    return MARK_LEFT + mark % 8 * MARK_STEP + 8, MARK_TOP + mark // 8 * MARK_STEP + 8


def assembled(directory: Path) -> bytes:
    """The boot sector, by binutils."""
    words = {
        "FILM": AT["film"], "TEXT": AT["text"], "LINE_BYTES": 4 * SIDE, "MARK_LEFT": MARK_LEFT, "MARK_TOP": MARK_TOP,
        "WINDOW_LEFT": WINDOW.left, "WINDOW_TOP": WINDOW.top, "WINDOW_WIDTH": WINDOW.right - WINDOW.left,
        "WINDOW_HEIGHT": WINDOW.bottom - WINDOW.top, "FRAMES": FILM_FRAMES, "FILM_STEP": FILM_STEP,
    }  # fmt: skip
    defined = [word for name, value in words.items() for word in ("--defsym", f"{name}={value}")]
    parts, whole = directory / "boot.o", directory / "boot.bin"
    subprocess.run(["as", "--32", *defined, "-o", parts, HERE / "busy_screen.s"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat=binary", "-o", whole, parts], check=True)
    return whole.read_bytes()


def film() -> Image.Image:
    """Clouds of several sizes in each colour, and grain."""
    return Image.merge("RGB", [_clouds() for _ in "RGB"])


def _clouds() -> Image.Image:
    whole = Image.effect_noise((SIDE, SIDE), 6)
    for pixels, strength in ((8, 8), (32, 24), (128, 48)):
        few = Image.effect_noise((SIDE // pixels + 4, SIDE // pixels + 4), strength)
        soft = few.resize((few.width * pixels, few.height * pixels), Image.Resampling.BICUBIC)
        whole = ImageChops.add(whole, soft.crop((0, 0, SIDE, SIDE)), offset=-128)
    return whole


def text() -> Image.Image:
    """This file, over and over."""
    page = Image.new("RGB", (SIDE, SIDE), PAPER)
    pen, letters = ImageDraw.Draw(page), ImageFont.load_default()
    for number, line in enumerate(islice(cycle(Path(__file__).read_text(encoding="utf-8").splitlines()), SIDE // 16)):
        pen.text((4, 16 * number + 2), line, fill="#d0d4d8", font=letters)
    return page
