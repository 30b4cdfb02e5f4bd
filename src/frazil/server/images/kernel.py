"""A Linux kernel for QEMU's direct boot: the uncompressed ELF out of a distribution's bzImage.

A bzImage unpacks itself inside the guest. Without KVM that costs seconds at every boot, so it is unpacked once, here.
QEMU starts such an ELF by its PVH entry (an ELF note of type XEN_ELFNOTE_PHYS32_ENTRY).

Source: the x86 boot protocol, Documentation/arch/x86/boot.rst of Linux (`setup_sects`, `payload_offset`).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

from frazil.model.errors import InvalidInput

_SECTOR_BYTES = 512
_HEADER_MAGIC_AT = 0x202
_SETUP_SECTS_AT = 0x1F1
_PROTOCOL_AT = 0x206
_PAYLOAD_AT = 0x248
_PAYLOAD_PROTOCOL = 0x0208
_DEFAULT_SETUP_SECTS = 4
_ELF = b"\x7fELF"


def _unxz(data: bytes) -> bytes:
    # What follows the stream is the unpacked size, four bytes: not for the decompressor.
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)


def _unlzma(data: bytes) -> bytes:
    return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(data)


_UNPACKERS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\xfd7zXZ\x00", "xz", _unxz),
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", lambda data: bz2.BZ2Decompressor().decompress(data)),
    (b"\x5d\x00\x00", "lzma", _unlzma),
)


def unpack_kernel(image: bytes) -> bytes | None:
    """The ELF inside `image`, or None where Python's standard library can't unpack its compression (zstd, lz4).

    The caller then hands the bzImage itself to QEMU: right, only slower.

    Raises InvalidInput where `image` is no bzImage at all.
    """
    if image[:4] == _ELF:
        return image
    if len(image) < _PAYLOAD_AT + 8 or image[_HEADER_MAGIC_AT : _HEADER_MAGIC_AT + 4] != b"HdrS":
        raise InvalidInput(
            "The file is no Linux kernel (no x86 boot header).",
            remedy="Check that the recipe's packages contain a kernel for this architecture.",
        )
    (protocol,) = struct.unpack_from("<H", image, _PROTOCOL_AT)
    if protocol < _PAYLOAD_PROTOCOL:
        return None
    setup_sects = image[_SETUP_SECTS_AT] or _DEFAULT_SETUP_SECTS
    offset, length = struct.unpack_from("<II", image, _PAYLOAD_AT)
    start = (setup_sects + 1) * _SECTOR_BYTES + offset
    payload = image[start : start + length]
    for magic, _name, unpack in _UNPACKERS:
        if payload.startswith(magic):
            elf = unpack(payload)
            return elf if elf[:4] == _ELF else None
    return None
