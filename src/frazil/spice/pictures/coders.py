"""The compiled twins of decoders (`_coders.c`), where the package was built with them; it always is by our build.

From a checkout that nothing was built in, the readable decoders do the same, only more slowly.
"""

from __future__ import annotations

from collections.abc import Callable

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer

try:
    from frazil.spice.pictures import _coders
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True
"""Whether the functions below may be called."""


def quic(data: Buffer, chances: bytes, *, depth: int, colors: int, alpha: bool, width: int, height: int) -> bytes:
    """Height × planes × width values of a QUIC picture's bits (`quic.decode_planes`). Raises RemoteProtocolError."""
    try:
        return _coders.quic(data, chances, depth, colors, alpha, width, height)
    except ValueError as exc:
        raise RemoteProtocolError("A QUIC picture is cut off or spoilt.") from exc


def lz(data: Buffer, limit: int, unit: int) -> tuple[bytes, int]:
    """`limit` bytes of LZ, and how many bytes of `data` they took (`lz.unpack_plainly`). Raises RemoteProtocolError."""
    try:
        return _coders.lz(data, limit, unit)
    except ValueError as exc:
        raise RemoteProtocolError("An LZ picture is cut off or spoilt.") from exc


def lz4(data: Buffer, limit: int) -> bytes:
    """The `limit` bytes of an LZ4 picture's blocks (`lz4.unpack_plainly`). Raises RemoteProtocolError."""
    try:
        return _coders.lz4(data, limit)
    except ValueError as exc:
        raise RemoteProtocolError("An LZ4 picture is cut off or spoilt.") from exc


def glz(
    data: Buffer,
    limit: int,
    *,
    plane_bytes: int,
    narrow: bool,
    earlier: Callable[[int], tuple[bytes | bytearray | None, int, int]],
) -> tuple[bytes, int]:
    """`limit` bytes of one plane of GLZ, and how many bytes of `data` they took (`glz.unpack_plainly`).

    `earlier` answers for the picture so far back: its plane, if it has one, the plane's bytes, and what each of them is
    if it has none. What it raises passes; else raises RemoteProtocolError.
    """
    try:
        return _coders.glz(data, limit, plane_bytes, narrow, earlier)
    except ValueError as exc:
        raise RemoteProtocolError("A GLZ picture is cut off or spoilt.") from exc
