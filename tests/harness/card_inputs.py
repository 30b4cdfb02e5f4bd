"""A keyboard and an agent for the real spice-server (`spice-input.h`, `spice-char.h`): what arrives there is kept."""

from __future__ import annotations

import ctypes
import struct

from frazil.spice.agent_messages import AGENT, AgentCap, AgentType, MonitorsConfig, MouseState
from frazil.spice.agent_stream import AgentAssembler, split
from tests.fakes.desktop_agent import DesktopAgent
from tests.harness.spice_library import Instance, interface

CAPS = (AgentCap.MOUSE_STATE, AgentCap.MONITORS_CONFIG, AgentCap.CLIPBOARD_BY_DEMAND, AgentCap.CLIPBOARD_SELECTION)
_CHUNK = struct.Struct("<II")
_CLIENT_PORT, _SERVER_PORT = 1, 2
"""Who says what is in a chunk (`VDP_CLIENT_PORT`, `VDP_SERVER_PORT`)."""
_IN = ctypes.c_void_p


class Keyboard:
    """`codes` are the bytes that it was given."""

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p) -> None:
        self.codes: list[int] = []
        self._interface = interface(
            "keyboard",
            1,
            1,
            [
                (
                    "push_scan_freg",
                    ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint8)(lambda _, code: self.codes.append(code)),
                ),
                ("get_leds", ctypes.CFUNCTYPE(ctypes.c_uint8, _IN)(lambda _: 0)),
            ],
        )
        self._instance = Instance(ctypes.addressof(self._interface), None)
        assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0


class _CharInstance(ctypes.Structure):
    _fields_ = [
        ("sif", ctypes.c_void_p),
        ("subtype", ctypes.c_char_p),
        ("st", ctypes.c_void_p),
        ("portname", ctypes.c_char_p),
    ]


class Agent:
    """The other end of the agent's port. `mouse` are the states that the server sent, `monitors` what clients want."""

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p) -> None:
        self.mouse: list[MouseState] = []
        self._library = library
        self._guest = DesktopAgent(self._say, caps=CAPS)
        self._heard = bytearray()
        self._from_server = AgentAssembler()
        self._saying = bytearray()
        length = ctypes.c_int
        self._interface = interface(
            "char_device",
            1,
            3,
            [
                ("state", ctypes.CFUNCTYPE(None, _IN, length)(lambda *_: None)),
                ("write", ctypes.CFUNCTYPE(length, _IN, _IN, length)(self._written)),
                ("read", ctypes.CFUNCTYPE(length, _IN, _IN, length)(self._read)),
                ("event", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint8)(lambda *_: None)),
                ("flags", ctypes.c_int(0)),
            ],
        )
        self._instance = _CharInstance(ctypes.addressof(self._interface), b"vdagent", None, None)
        assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0

    def _written(self, _instance: int, at: int, size: int) -> int:
        self._heard += ctypes.string_at(at, size)
        while len(self._heard) >= _CHUNK.size:
            port, length = _CHUNK.unpack_from(self._heard)
            chunk = bytes(self._heard[_CHUNK.size : _CHUNK.size + length])
            if len(chunk) < length:
                break
            del self._heard[: _CHUNK.size + length]
            self._hear(port, chunk)
        return size

    @property
    def monitors(self) -> list[MonitorsConfig]:
        return self._guest.monitors

    def _hear(self, port: int, chunk: bytes) -> None:
        if port == _CLIENT_PORT:
            self._guest.feed(memoryview(chunk))
            return
        assert port == _SERVER_PORT
        whole = self._from_server.feed(memoryview(chunk))
        if whole is not None and whole[0].type == AgentType.MOUSE_STATE:
            state = AGENT.decode(AgentType.MOUSE_STATE, whole[1])
            assert isinstance(state, MouseState)
            self.mouse.append(state)

    def _say(self, kind: AgentType, body: bytes) -> None:
        for part in split(kind, body):
            self._saying += _CHUNK.pack(_CLIENT_PORT, len(part)) + part
        self._library.spice_server_char_device_wakeup(ctypes.byref(self._instance))

    def _read(self, _instance: int, at: int, size: int) -> int:
        part = bytes(self._saying[:size])
        ctypes.memmove(at, part, len(part))
        del self._saying[: len(part)]
        return len(part)
