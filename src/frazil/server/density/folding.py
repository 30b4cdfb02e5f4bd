"""Folds paused desktops away: their memory goes to the host's compressed swap, and comes back as it is touched.

The kernel is told which pages to take (process_madvise(2), MADV_PAGEOUT): it would find them by itself only when memory
is short, and then take those of desktops that people are using as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

PROCESS_MADVISE = 440
"""The same number on every architecture (linux/asm-generic/unistd.h)."""
MADV_PAGEOUT = 21
IOV_MAX = 1024
CALL_MAX_BYTES = 1 << 30
"""What one call is asked for. The kernel cuts a vector short at 2 GiB less a page (MAX_RW_COUNT, linux/fs.h)."""
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (.{4}) ")
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def worth_it(*, taken_mib: int, budget_mib: int) -> bool:
    """Whether memory is so far used that paused desktops should be folded: from half of what they may take.

    Before that it would only cost: 0.6 s of a CPU to fold one, and as much to unfold it.
    """
    return 2 * taken_mib >= budget_mib


def own_mappings(maps: str) -> list[tuple[int, int]]:
    """Start and length of what a process may write and shares with nobody, from `/proc/PID/maps`."""
    found = []
    for line in maps.splitlines():
        mapping = _MAPPING.match(line)
        if mapping is not None and mapping[3][1] == "w" and mapping[3][3] == "p":
            start = int(mapping[1], 16)
            found.append((start, int(mapping[2], 16) - start))
    return found


def fold(pid: int) -> bool:
    """Page out what process `pid` has for itself. False when it has ended, or the kernel can't. Blocks up to a second.

    The template's pages, which forks share, stay: the kernel pages out only what is mapped once.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        mappings = own_mappings(Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace"))
        return all(_page_out(descriptor, part) for part in _parts(mappings))
    except OSError as exc:
        if exc.errno not in (errno.ESRCH, errno.ENOENT):
            log.warning("not-folded", pid=pid, why=str(exc))
        return False
    finally:
        os.close(descriptor)


def _parts(mappings: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The same memory in calls of at most IOV_MAX ranges and CALL_MAX_BYTES each."""
    part: list[tuple[int, int]] = []
    room = CALL_MAX_BYTES
    for start, length in mappings:
        while length:
            now = min(length, room)
            part.append((start, now))
            start, length, room = start + now, length - now, room - now
            if not room or len(part) == IOV_MAX:
                yield part
                part, room = [], CALL_MAX_BYTES
    if part:
        yield part


def _page_out(descriptor: int, mappings: list[tuple[int, int]]) -> bool:
    vector = (_Iovec * len(mappings))(*(_Iovec(start, length) for start, length in mappings))
    asked = sum(length for _, length in mappings)
    done = _libc.syscall(PROCESS_MADVISE, descriptor, vector, ctypes.c_size_t(len(mappings)), MADV_PAGEOUT, 0)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(done) == asked
