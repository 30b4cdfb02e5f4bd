"""A peer that is gone without a word, as when a cable is pulled."""

from __future__ import annotations

import ctypes
import socket

SO_ATTACH_FILTER = 26
RETURN = 0x06


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def vanish(sock: socket.socket) -> None:
    """From now on the kernel gives `sock` nothing that comes for it, and so acknowledges nothing (socket(7))."""
    take_nothing = _Instruction(RETURN, 0, 0, 0)
    program = _Program(1, ctypes.pointer(take_nothing))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
