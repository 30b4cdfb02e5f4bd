"""spice-gtk's own client library as a program: opens a `.vv` file, takes commands and tells events, one JSON a line.

Runs under the system's Python, where Debian's bindings are (python3-gi, gir1.2-spiceclientglib-2.0).
Commands: ``copy`` (text), ``send`` (file), ``resize`` (width, height), ``plug`` (file): a USB drive that the
library makes of a disc image, redirected to the desktop as any other device. ``share`` (folder): a folder of this
machine, from now on. ``press`` (codes): keys by their PC/AT codes of set 1, held together. ``click`` (x, y): the left
button. ``show`` (file): the picture, to be written there as rows of 4 bytes a pixel, blue first.
"""

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import Gio, GLib, GObject, SpiceClientGLib  # noqa: E402

C = ctypes.CDLL("libspice-client-glib-2.0.so.8")
"""For what takes arrays: the bindings do not know how long those are. `hash` of a GObject is its address."""
DONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

CLIPBOARD, UTF8_TEXT = 0, 1
"""VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD and VD_AGENT_CLIPBOARD_UTF8_TEXT of spice-protocol's vd_agent.h."""
AGENT_CAP_CLIPBOARD_BY_DEMAND = 5
"""Of vd_agent.h: an agent that has said so can be spoken to; one that is only connected can't yet."""
LEFT, LEFT_DOWN = 1, 1
"""SPICE_MOUSE_BUTTON_LEFT and SPICE_MOUSE_BUTTON_MASK_LEFT of spice-protocol's enums.h."""
XRGB = 32
"""SPICE_SURFACE_FMT_32_xRGB of spice-protocol's enums.h."""
PROPERTIES = {
    "host": "host",
    "tls-port": "tls-port",
    "proxy": "proxy",
    "password": "password",
    "host-subject": "cert-subject",
}
"""The file's keys and what they are called in the library, as virt-viewer sets them."""


class Primary(ctypes.Structure):
    """SpiceDisplayPrimary of channel-display.h."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("format", "width", "height", "stride", "shmid")),
        ("data", ctypes.c_void_p),
        ("marked", ctypes.c_int),
    )


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


def on(thing: Any, signal: str, call: Any) -> None:
    """`connect` of these classes is to open a connection."""
    GObject.Object.connect(thing, signal, call)


class Client:
    def __init__(self, file: Path) -> None:
        text = file.read_text()
        values = GLib.KeyFile()
        values.load_from_data(text, len(text.encode()), GLib.KeyFileFlags.NONE)
        self.session = SpiceClientGLib.Session.new()
        for key, name in PROPERTIES.items():
            self.session.set_property(name, values.get_string("virt-viewer", key))
        channels = list(values.get_string_list("virt-viewer", "secure-channels"))
        self.session.set_property("secure-channels", channels)
        authority = file.with_suffix(".pem")
        authority.write_text(values.get_string("virt-viewer", "ca"))
        self.session.set_property("ca-file", str(authority))
        self.main: Any = None
        self.display: Any = None
        self.inputs: Any = None
        self.copied = ""
        self.sound_bytes = 0
        self.sent = DONE(self._sent)
        self.files: Any = None
        self.usb: Any = None
        on(self.session, "channel-new", self.new_channel)
        on(self.session, "disconnected", lambda *_: tell(event="disconnected"))
        self.session.connect()

    def new_channel(self, _: Any, channel: Any) -> None:
        name = type(channel).__name__.removesuffix("Channel").lower()
        on(channel, "channel-event", lambda _, event: tell(event="channel", channel=name, state=event.value_nick))
        if name == "main":
            self.main = channel
            on(
                channel,
                "main-agent-update",
                lambda main: tell(event="agent", there=main.agent_test_capability(AGENT_CAP_CLIPBOARD_BY_DEMAND)),
            )
            on(channel, "main-clipboard-selection-grab", self.grabbed)
            on(channel, "main-clipboard-selection-request", self.requested)
            on(channel, "main-clipboard-selection", self.pasted)
        elif name == "display":
            self.display = channel
            on(channel, "display-primary-create", self.size)
            on(channel, "display-mark", lambda _, mark: tell(event="picture", mark=mark))
        elif name == "inputs":
            self.inputs = channel
        elif name == "playback":
            on(channel, "playback-start", lambda _, kind, channels, hertz: tell(event="sound", hertz=hertz))
            on(channel, "playback-data", self.sound)
        channel.connect()

    def size(self, _: Any, kind: int, width: int, height: int, *more: Any) -> None:
        tell(event="size", size=[width, height])

    def sound(self, _: Any, data: Any, size: int) -> None:
        self.sound_bytes += size
        tell(event="heard", bytes=self.sound_bytes)

    def grabbed(self, _: Any, selection: int, types: Any, *more: Any) -> bool:
        if selection == CLIPBOARD:
            self.main.clipboard_selection_request(CLIPBOARD, UTF8_TEXT)  # as one who pastes at once
        return True

    def requested(self, main: Any, selection: int, kind: int) -> bool:
        if selection == CLIPBOARD and kind == UTF8_TEXT:
            data = self.copied.encode()
            size = ctypes.c_size_t(len(data))
            C.spice_main_channel_clipboard_selection_notify(address(main), selection, kind, data, size)
        return True

    def pasted(self, _: Any, selection: int, kind: int, data: Any, size: int) -> None:
        text = ctypes.string_at(data, size).decode() if size else ""
        tell(event="pasted", text=text)

    def plugged(self, manager: Any, device: Any) -> None:
        def done(_: Any, result: Any) -> None:
            try:
                tell(event="usb", ok=manager.connect_device_finish(result))
            except GLib.Error as exc:
                tell(event="usb", ok=False, why=exc.message)

        manager.connect_device_async(device, None, done)

    def do(self, command: dict[str, Any]) -> None:
        match command["do"]:
            case "copy":
                self.copied = command["text"]
                types = (ctypes.c_uint32 * 1)(UTF8_TEXT)
                C.spice_main_channel_clipboard_selection_grab(address(self.main), CLIPBOARD, types, 1)
            case "send":
                self.files = Gio.File.new_for_path(command["file"])
                sources = (ctypes.c_void_p * 2)(hash(self.files), None)
                C.spice_main_channel_file_copy_async(address(self.main), sources, 0, None, None, None, self.sent, None)
            case "resize":
                self.main.update_display_enabled(0, True, False)
                self.main.update_display(0, 0, 0, command["width"], command["height"], True)
                self.main.send_monitor_config()
            case "press":
                for code in command["codes"]:
                    self.inputs.key_press(code)
                for code in reversed(command["codes"]):
                    self.inputs.key_release(code)
            case "click":
                self.inputs.position(command["x"], command["y"], 0, 0)
                self.inputs.button_press(LEFT, LEFT_DOWN)
                self.inputs.button_release(LEFT, 0)
            case "show":
                self.show(Path(command["file"]))
            case "share":
                self.session.set_property("shared-dir", command["folder"])
            case "plug":
                if self.usb is None:
                    self.usb = SpiceClientGLib.UsbDeviceManager.get(self.session)
                    on(self.usb, "device-added", self.plugged)
                self.usb.create_shared_cd_device(command["file"])

    def show(self, file: Path) -> None:
        primary = Primary()
        there = C.spice_display_channel_get_primary(address(self.display), 0, ctypes.byref(primary))
        if not there or primary.format != XRGB:
            tell(event="shown", there=False)
            return
        file.write_bytes(ctypes.string_at(primary.data, primary.stride * primary.height))
        tell(event="shown", there=True, width=primary.width, height=primary.height, stride=primary.stride)

    def _sent(self, main: int, result: int, _: object) -> None:
        error = ctypes.c_void_p()
        ok = C.spice_main_channel_file_copy_finish(ctypes.c_void_p(main), ctypes.c_void_p(result), ctypes.byref(error))
        tell(event="sent", ok=bool(ok))


def address(thing: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(hash(thing))


def main() -> None:
    loop = GLib.MainLoop()
    client = Client(Path(sys.argv[1]))

    left = b""

    def read(source: int, _: Any) -> bool:
        nonlocal left
        part = os.read(source, 1 << 16)
        if not part:
            loop.quit()
            return False
        *lines, left = (left + part).split(b"\n")
        for line in lines:
            client.do(json.loads(line))
        return True

    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, read)
    loop.run()


if __name__ == "__main__":
    main()
