"""libspice-server and what its users give it (spice-server `spice-core.h`, `spice-qxl.h`), and an event loop for it."""

from __future__ import annotations

import ctypes
import select
import time
from dataclasses import dataclass
from typing import Any

LIBRARY = "libspice-server.so.1"


class Base(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
    ]


_WATCH_FUNC = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_TIMER_FUNC = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
CORE = [
    ("timer_add", ctypes.CFUNCTYPE(ctypes.c_void_p, _TIMER_FUNC, ctypes.c_void_p)),
    ("timer_start", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)),
    ("timer_cancel", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("timer_remove", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("watch_add", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_int, _WATCH_FUNC, ctypes.c_void_p)),
    ("watch_update_mask", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)),
    ("watch_remove", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ("channel_event", ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)),
]


class Core(ctypes.Structure):
    _fields_ = [("base", Base), *CORE]


class InitInfo(ctypes.Structure):
    _fields_ = [
        ("num_memslots_groups", ctypes.c_uint32),
        ("num_memslots", ctypes.c_uint32),
        ("memslot_gen_bits", ctypes.c_uint8),
        ("memslot_id_bits", ctypes.c_uint8),
        ("qxl_ram_size", ctypes.c_uint32),
        ("internal_groupslot_id", ctypes.c_uint8),
        ("n_surfaces", ctypes.c_uint32),
    ]


class CommandExt(ctypes.Structure):
    _pack_ = 1
    _fields_ = [
        ("data", ctypes.c_uint64),
        ("type", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("group_id", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class MemSlot(ctypes.Structure):
    _fields_ = [
        ("slot_group_id", ctypes.c_uint32),
        ("slot_id", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("virt_start", ctypes.c_size_t),
        ("virt_end", ctypes.c_size_t),
        ("addr_delta", ctypes.c_uint64),
        ("qxl_ram_size", ctypes.c_uint32),
    ]


class SurfaceCreate(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("stride", ctypes.c_int32),
        ("format", ctypes.c_uint32),
        ("position", ctypes.c_uint32),
        ("mouse_mode", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("mem", ctypes.c_uint64),
        ("group_id", ctypes.c_uint32),
    ]


_IN = ctypes.c_void_p
QXL = [
    ("attached_worker", ctypes.CFUNCTYPE(None, _IN)),
    ("set_compression_level", ctypes.CFUNCTYPE(None, _IN, ctypes.c_int)),
    ("set_mm_time", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32)),
    ("get_init_info", ctypes.CFUNCTYPE(None, _IN, ctypes.POINTER(InitInfo))),
    ("get_command", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.POINTER(CommandExt))),
    ("req_cmd_notification", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("release_resource", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint64, ctypes.c_uint64)),
    ("get_cursor_command", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.POINTER(CommandExt))),
    ("req_cursor_notification", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("notify_update", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32)),
    ("flush_resources", ctypes.CFUNCTYPE(ctypes.c_int, _IN)),
    ("async_complete", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint64)),
    ("update_area_complete", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)),
    ("set_client_capabilities", ctypes.CFUNCTYPE(None, _IN, ctypes.c_uint8, ctypes.c_void_p)),
    ("client_monitors_config", ctypes.CFUNCTYPE(ctypes.c_int, _IN, ctypes.c_void_p)),
]


class QxlInterface(ctypes.Structure):
    _fields_ = [("base", Base), *QXL]


class QxlInstance(ctypes.Structure):
    _fields_ = [("sif", ctypes.c_void_p), ("id", ctypes.c_int), ("st", ctypes.c_void_p)]


@dataclass
class _Watch:
    fd: int
    mask: int
    func: Any
    opaque: int | None


@dataclass
class _Timer:
    func: Any
    opaque: int | None
    due_s: float | None = None


class Loop:
    """The event loop that the server asks for: descriptors, timers, and the test's pipe."""

    def __init__(self) -> None:
        self._watches: dict[int, _Watch] = {}
        self._timers: dict[int, _Timer] = {}
        self._next = 1

    def _number(self) -> int:
        self._next += 1
        return self._next

    def watch_add(self, fd: int, mask: int, func: Any, opaque: int | None) -> int:
        number = self._number()
        self._watches[number] = _Watch(fd, mask, func, opaque)
        return number

    def watch_update_mask(self, number: int, mask: int) -> None:
        self._watches[number].mask = mask

    def watch_remove(self, number: int) -> None:
        self._watches.pop(number, None)

    def timer_add(self, func: Any, opaque: int | None) -> int:
        number = self._number()
        self._timers[number] = _Timer(func, opaque)
        return number

    def timer_start(self, number: int, after_ms: int) -> None:
        self._timers[number].due_s = time.monotonic() + after_ms / 1000

    def timer_cancel(self, number: int) -> None:
        self._timers[number].due_s = None

    def timer_remove(self, number: int) -> None:
        self._timers.pop(number, None)

    def turn(self, readable: list[int]) -> list[int]:
        """Wait for something, do what the server has to; which of our own descriptors have something."""
        now = time.monotonic()
        dues = [timer.due_s for timer in self._timers.values() if timer.due_s is not None]
        timeout_s = max(0.0, min(dues) - now) if dues else None
        reads = [watch.fd for watch in self._watches.values() if watch.mask & 1]
        writes = [watch.fd for watch in self._watches.values() if watch.mask & 2]
        can_read, can_write, _ = select.select([*reads, *readable], writes, [], timeout_s)
        for number, watch in list(self._watches.items()):
            event = (watch.mask & 1 if watch.fd in can_read else 0) | (watch.mask & 2 if watch.fd in can_write else 0)
            if event and number in self._watches:
                watch.func(watch.fd, event, watch.opaque)
        now = time.monotonic()
        for number, timer in list(self._timers.items()):
            if timer.due_s is not None and timer.due_s <= now and number in self._timers:
                timer.due_s = None
                timer.func(timer.opaque)
        return [fd for fd in readable if fd in can_read]


class Instance(ctypes.Structure):
    """What most interfaces are added with."""

    _fields_ = [("sif", ctypes.c_void_p), ("st", ctypes.c_void_p)]


def interface(name: str, major: int, minor: int, actions: list[tuple[str, Any]]) -> ctypes.Structure:
    """A table of functions that the library calls: names, and the `CFUNCTYPE` objects for them."""
    kind = type(
        "Interface",
        (ctypes.Structure,),
        {"_fields_": [("base", Base), *((name, type(made)) for name, made in actions)]},
    )
    table: ctypes.Structure = kind()
    table.base = Base(name.encode(), b"test", major, minor)
    for action, made in actions:
        setattr(table, action, made)
    return table
