"""What LZ, GLZ and LZ4 have in common: to copy again what is there already."""

from __future__ import annotations

from frazil.model.errors import RemoteProtocolError


def copy_back(out: bytearray, distance: int, size: int, *, limit: int) -> None:
    """Append `size` bytes that begin `distance` bytes before the end; they may reach into what is appended.

    Raises RemoteProtocolError where that is before the beginning, or would make more than `limit` bytes.
    """
    if not 0 < distance <= len(out):
        raise RemoteProtocolError(f"A picture refers to {distance} bytes back, and has {len(out)}.")
    if len(out) + size > limit:
        raise RemoteProtocolError(f"A picture has more than its {limit} bytes.")
    start = len(out) - distance
    if distance >= size:
        out += out[start : start + size]
        return
    pattern = bytes(out[start:])
    whole, rest = divmod(size, distance)
    out += pattern * whole + pattern[:rest]
