"""Reads the header of a disk image, to refuse what would reach beyond the file itself. Bytes in, values out.

qemu-img is asked as well, but later and unprivileged: nothing that names other files gets as far as that.

Source: docs/interop/qcow2.txt of QEMU.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from frazil.model.errors import InvalidInput

HEADER_BYTES = 64 * 1024  # header, extensions and backing name lie in the first cluster
_MAGIC = b"QFI\xfb"
_V2_BYTES = 72
_V3_BYTES = 104
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_EXTENSION_END = 0
_EXTENSION_BACKING_FORMAT = 0xE2792ACA
_EXTENSION_DATA_FILE = 0x44415441
_EXTENSION_ENCRYPTION = 0x0537BE77

_REMEDY = "Make a plain copy where the image comes from, `qemu-img convert -O qcow2 OLD NEW`, and import that."

# Formats that a file called raw may turn out to be; a disk's first sector never begins like this.
_OTHER_FORMATS = (
    (_MAGIC, "qcow2"),
    (b"KDMV", "VMDK"),
    (b"# Disk DescriptorFile", "VMDK"),
    (b"COWD", "VMDK"),
    (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"),
    (b"<<< ", "VDI"),
    (b"QED\0", "QED"),
    (b"LUKS\xba\xbe", "LUKS (encrypted)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qcow2Header:
    """What matters of it here."""

    version: int
    virtual_size_bytes: int


def check_qcow2_header(data: bytes) -> Qcow2Header:
    """The header of a plain qcow2 file; `data` is its first 64 KiB (or all of it).

    Raises InvalidInput for a backing file, an external data file, encryption, a corrupt mark, features that are not
    known here, and for anything that is no qcow2 header.
    """
    if data[:4] != _MAGIC or len(data) < _V2_BYTES:
        raise InvalidInput(
            "The file is no qcow2 image.", remedy="If it is a plain copy of a disk, say `--format raw`.", field="format"
        )
    version, backing_at, _backing_size, cluster_bits, size, encryption = struct.unpack_from(">IQIIQI", data, 4)
    if version not in (2, 3):
        raise InvalidInput(f"The image is of qcow version {version}; 2 and 3 can be imported.", remedy=_REMEDY)
    if backing_at:
        raise _refuse("names a backing file: it is not whole without another file of the host that made it")
    if encryption:
        raise _refuse("is encrypted")
    if not 9 <= cluster_bits <= 21:
        raise _refuse("has a damaged header (cluster size)")
    header_bytes = _V2_BYTES
    if version == 3:
        if len(data) < _V3_BYTES:
            raise _refuse("ends within its header")
        (incompatible,) = struct.unpack_from(">Q", data, 72)
        (header_bytes,) = struct.unpack_from(">I", data, 100)
        if incompatible & _DATA_FILE:
            raise _refuse("keeps its data in another file")
        if incompatible & _CORRUPT:
            raise _refuse("is marked as corrupt")
        if incompatible & ~(_DIRTY | _COMPRESSION | _EXTENDED_L2):
            raise _refuse("uses features that are not known here")
        if not _V3_BYTES <= header_bytes <= len(data):
            raise _refuse("has a damaged header (length)")
    _check_extensions(data, header_bytes)
    return Qcow2Header(version=version, virtual_size_bytes=size)


def _check_extensions(data: bytes, start: int) -> None:
    """Walks the header extensions; those that name other files or keys are refused."""
    at = start
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(">II", data, at)
        if kind == _EXTENSION_END:
            return
        if kind == _EXTENSION_DATA_FILE:
            raise _refuse("keeps its data in another file")
        if kind == _EXTENSION_BACKING_FORMAT:
            raise _refuse("names a backing file's format")
        if kind == _EXTENSION_ENCRYPTION:
            raise _refuse("is encrypted")
        at += 8 + (length + 7) // 8 * 8


def check_raw_start(data: bytes) -> None:
    """Raises InvalidInput where a file that was called raw begins like an image of another format."""
    for magic, name in _OTHER_FORMATS:
        if data.startswith(magic):
            way = "say `--format qcow2`" if name == "qcow2" else "convert it to qcow2 first: `qemu-img convert`"
            raise InvalidInput(
                f"The file was called raw but is {name}.", remedy=f"If that is right, {way}.", field="format"
            )


def _refuse(what: str) -> InvalidInput:
    return InvalidInput(f"The image {what}.", remedy=_REMEDY)
