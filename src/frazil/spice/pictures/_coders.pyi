from collections.abc import Callable

from frazil.spice.fields import Buffer

def quic(data: Buffer, chances: bytes, depth: int, colors: int, alpha: bool, width: int, height: int, /) -> bytes: ...
def lz(data: Buffer, limit: int, unit: int, /) -> tuple[bytes, int]: ...
def lz4(data: Buffer, limit: int, /) -> bytes: ...
def glz(
    data: Buffer,
    limit: int,
    plane_bytes: int,
    narrow: bool,
    earlier: Callable[[int], tuple[bytes | bytearray | None, int, int]],
    /,
) -> tuple[bytes, int]: ...
