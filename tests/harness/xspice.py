"""An X server whose screen is a SPICE server's (Debian's xserver-xspice): the real spice-server without a machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DRIVER = Path("/usr/lib/xorg/modules/drivers/spiceqxl_drv.so")
DEADLINE_S = 60.0
_CONFIG = """\
Section "Device"
    Identifier "card"
    Driver "spiceqxl"
    Option "SpiceDisableTicketing" "True"
    Option "SpiceAddr" "127.0.0.1"
    Option "SpiceIPV4Only" "True"
    Option "SpiceStreamingVideo" "off"
    Option "NumHeads" "1"
    # all three: the driver's own defaults are lost in 0.1.5, and it crashes without
    Option "SurfaceBufferSize" "128"
    Option "CommandBufferSize" "128"
    Option "FrameBufferSize" "16"
EndSection
Section "InputDevice"
    Identifier "mouse"
    Driver "xspice pointer"
EndSection
Section "InputDevice"
    Identifier "keyboard"
    Driver "xspice keyboard"
EndSection
Section "Monitor"
    Identifier "monitor"
EndSection
Section "Screen"
    Identifier "screen"
    Monitor "monitor"
    Device "card"
    DefaultDepth 24
EndSection
Section "ServerLayout"
    Identifier "layout"
    Screen "screen"
    InputDevice "mouse"
    InputDevice "keyboard"
EndSection
Section "ServerFlags"
    Option "AutoAddDevices" "False"
EndSection
"""


def possible() -> bool:
    """Whether what it takes is installed."""
    programs = ("Xorg", "xwd", "xsetroot", "x11perf", "xdotool", "xev")
    return DRIVER.exists() and all(shutil.which(program) for program in programs)


@dataclass(frozen=True)
class XSpice:
    """A display, and the port of its SPICE server, which asks for no password."""

    display: str
    port: int

    def run(self, *command: str) -> None:
        """Let an X client do its work to the end."""
        subprocess.run(
            command,
            env={**os.environ, "DISPLAY": self.display},
            check=True,
            timeout=DEADLINE_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @contextmanager
    def running(self, *command: str, output: Path = Path(os.devnull)) -> Iterator[subprocess.Popen[bytes]]:
        """Let an X client go on while the block runs, and write what it says into `output`."""
        environment = {**os.environ, "DISPLAY": self.display}
        with output.open("wb") as out:
            client = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.DEVNULL)
        try:
            yield client
        finally:
            client.kill()
            client.wait()

    def screen(self) -> npt.NDArray[np.uint32]:
        """Height × width numbers 0x00RRGGBB: what the X server itself has on its screen (X11/XWDFile.h)."""
        command = ["xwd", "-root", "-silent", "-display", self.display]
        data = subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S).stdout
        header = struct.unpack(">25I", data[:100])
        begin, width, height, stride, colors = header[0], header[4], header[5], header[12], header[19]
        assert header[11] == 32, "the screen has 32 bits a pixel"
        order = "<u4" if header[7] == 0 else ">u4"
        pixels = np.frombuffer(data, np.uint8, offset=begin + 12 * colors, count=stride * height)
        lines = np.ascontiguousarray(pixels.reshape(height, stride)[:, : 4 * width]).view(order)
        return lines.astype(np.uint32) & np.uint32(0xFFFFFF)


@contextmanager
def xspice(place: Path) -> Iterator[XSpice]:
    """Start one, with its files in `place`; it is there when this returns."""
    config = place / "xorg.conf"
    config.write_text(_CONFIG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    told, tell = os.pipe()
    with (place / "xorg.out").open("wb") as log:
        server = subprocess.Popen(
            ["Xorg", "-config", str(config), "-noreset", "-logfile", str(place / "xorg.log"), "-displayfd", str(tell)],
            env={**os.environ, "XSPICE_PORT": str(port)},
            pass_fds=(tell,),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(tell)
    try:
        with open(told, "rb") as answer:
            number = answer.readline().decode().strip()  # ends when the server does
        assert number, (place / "xorg.out").read_text(errors="replace")[-2000:]
        yield XSpice(f":{number}", port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
