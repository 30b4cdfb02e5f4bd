"""Kernel and initial RAM disk for direct boot."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from frazil.model.errors import HostError, InvalidInput
from frazil.server.images.initramfs import INIT_PATH, build_initramfs, load_order
from frazil.server.images.kernel import unpack_kernel

ELF = b"\x7fELF" + bytes(range(256)) * 8
DEPENDENCIES = """\
kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/fs/jbd2/jbd2.ko:
kernel/fs/mbcache.ko:
kernel/lib/crc16.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
kernel/crypto/crc32c_generic.ko:
"""


def bz_image(payload: bytes) -> bytes:
    head = bytearray(5 * 512)
    head[0x1F1] = 4
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x020F)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    return bytes(head) + payload + b"rest"


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lambda data: lzma.compress(data) + struct.pack("<I", len(data))]
)
def test_the_elf_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    assert unpack_kernel(bz_image(pack(ELF))) == ELF


def test_an_elf_is_left_as_it_is_and_the_unknown_is_left_packed() -> None:
    assert unpack_kernel(ELF) == ELF
    assert unpack_kernel(bz_image(b"\x28\xb5\x2f\xfd zstd")) is None


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(InvalidInput):
        unpack_kernel(b"MZ" + bytes(4096))


def test_modules_come_after_what_they_need() -> None:
    order = load_order(["virtio-pci", "ext4", "pci"], dependencies=DEPENDENCIES, builtin="kernel/drivers/pci.ko\n")
    names = [path.rpartition("/")[2] for path in order]
    assert names == ["virtio.ko", "virtio_pci.ko", "jbd2.ko", "mbcache.ko", "crc16.ko", "ext4.ko"]


def test_a_missing_module_is_named() -> None:
    with pytest.raises(HostError, match="zfs"):
        load_order(["zfs"], dependencies=DEPENDENCIES, builtin="")


def test_the_archive_holds_init_and_modules_and_is_the_same_every_time(tmp_path: Path) -> None:
    base = tmp_path / "usr/lib/modules/6.1"
    for line in DEPENDENCIES.splitlines():
        file = base / line.partition(":")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(file.name.encode())
    (base / "modules.dep").write_text(DEPENDENCIES)
    (base / "modules.builtin").write_text("")
    with pytest.raises(HostError, match="init"):
        build_initramfs(tmp_path, release="6.1", modules=["ext4"])
    init = tmp_path / INIT_PATH
    init.parent.mkdir(parents=True)
    init.write_bytes(b"init program")
    packed = build_initramfs(tmp_path, release="6.1", modules=["ext4"], soft={"ext4": "crc32c_generic"})
    assert packed == build_initramfs(tmp_path, release="6.1", modules=["ext4"], soft={"ext4": "crc32c_generic"})
    archive = gzip.decompress(packed)
    listed = b"/crc32c_generic.ko\n/jbd2.ko\n/mbcache.ko\n/crc16.ko\n/ext4.ko\n"
    assert listed in archive
    assert b"init program" in archive
    assert len(archive) % 4 == 0
