"""A desktop of Debian's Xspice, in each compression: our surface is the X server's own screen, pixel for pixel."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from frazil.spice.display_channel import DisplayServer
from frazil.spice.image_records import ImageCompression, ImageType
from tests.harness.spice_recorder import Recorder, recording
from tests.harness.xspice import DEADLINE_S, XSpice, possible, xspice

pytestmark = pytest.mark.skipif(not possible(), reason="xserver-xspice and its clients are not installed")

CORNER = 40
"""Pixels at the lower right that are not compared: there X draws its pointer, which its screenshot leaves out."""
WORK = (
    ("xsetroot", "-solid", "steelblue"),
    ("xsetroot", "-mod", "5", "7", "-fg", "yellow", "-bg", "navy"),
    ("x11perf", "-repeat", "1", "-reps", "2", "-time", "1", "-scroll100", "-copywinwin100", "-copypixwin100"),
    ("x11perf", "-repeat", "1", "-reps", "2", "-time", "1", "-shmput100", "-aa10text", "-comppixwin100"),
    ("xsetroot", "-gray"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[XSpice]:
    with tempfile.TemporaryDirectory() as place, xspice(Path(place)) as made:
        made.run("xdotool", "mousemove", "4000", "4000")
        yield made


def assert_same_screen(server: XSpice, recorder: Recorder) -> None:
    """Draw on until our surface is what the X server has on its screen, which nothing changes any more."""
    theirs = server.screen()[:-CORNER, :-CORNER]
    until = time.monotonic() + DEADLINE_S
    while True:
        primary = recorder.canvas.primary
        if primary is not None:
            differing = (primary.raw & np.uint32(0xFFFFFF))[:-CORNER, :-CORNER] != theirs
            if not differing.any():
                return
            assert time.monotonic() < until, f"{differing.sum()} pixels differ"
        recorder.take()


@pytest.mark.parametrize(
    ("compression", "kind"),
    [
        (ImageCompression.OFF, ImageType.BITMAP),
        (ImageCompression.LZ, ImageType.LZ_RGB),
        (ImageCompression.GLZ, ImageType.GLZ_RGB),
        (ImageCompression.QUIC, ImageType.QUIC),
        (ImageCompression.LZ4, ImageType.LZ4),
    ],
    ids=lambda value: value.name if isinstance(value, ImageCompression) else "",
)
def test_our_surface_is_the_servers_screen(server: XSpice, compression: ImageCompression, kind: ImageType) -> None:
    with recording(server.port, compression=compression) as recorder:
        assert_same_screen(server, recorder)
        for command in WORK:
            server.run(*command)
            assert_same_screen(server, recorder)
        assert recorder.canvas.pictures.used[kind]
        assert {DisplayServer.DRAW_FILL, DisplayServer.DRAW_COPY} <= set(recorder.canvas.drawn)


JOBS = ("scroll100", "copywinwin100", "shmput100", "aa10text", "rect100", "comppixwin100", "ftext", "putimage100")
"""What x11perf does meanwhile."""
AT_EACH = 3
"""Moments: 24 in all, over which a test takes half a minute; `make test` looks at four of them."""


@pytest.mark.parametrize(
    ("jobs", "moments"),
    [(("shmput100", "comppixwin100"), 2), pytest.param(JOBS, AT_EACH, marks=pytest.mark.soak)],
    ids=("some", "all"),
)
@pytest.mark.parametrize("compression", [ImageCompression.AUTO_GLZ, ImageCompression.QUIC], ids=lambda one: one.name)
def test_at_any_moment_of_a_desktop_in_motion(
    server: XSpice, compression: ImageCompression, jobs: tuple[str, ...], moments: int
) -> None:
    """Clients that scroll, copy, type and put pictures are stopped at once, and what is under way comes to its end."""
    chance = random.Random(int(compression))
    with recording(server.port, compression=compression) as recorder:
        for job in jobs:
            with server.running("x11perf", "-repeat", "1", "-time", "60", f"-{job}") as client:
                for _ in range(moments):
                    for _ in range(chance.randint(1, 40)):
                        recorder.take()
                    client.send_signal(signal.SIGSTOP)
                    assert_same_screen(server, recorder)
                    client.send_signal(signal.SIGCONT)
        assert sum(recorder.canvas.drawn.values()) > 10 * len(jobs) * moments
