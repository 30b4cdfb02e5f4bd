"""Zeros of a file go back to the file system; nothing else of it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frazil.server.templates.holes import BLOCK_BYTES, dig_holes

MIB = 1 << 20


def test_zeros_and_room_that_was_only_set_aside_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "ram"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 32 * MIB)
        file.seek(5 * MIB)
        file.write(b"x" * MIB)
        file.write(bytes(2 * MIB))
        file.seek(20 * MIB + 3 * BLOCK_BYTES)
        file.write(b"y")
    before = path.read_bytes()
    assert path.stat().st_blocks * 512 >= 32 * MIB
    left = dig_holes(path)
    assert left == path.stat().st_blocks * 512
    assert MIB + BLOCK_BYTES <= left <= MIB + 16 * BLOCK_BYTES
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, 4 * MIB + 5])
def test_any_size_stays_as_it_is(tmp_path: Path, size: int) -> None:
    path = tmp_path / "odd"
    data = bytes(size // 2) + b"z" * (size - size // 2)
    path.write_bytes(data)
    dig_holes(path)
    assert path.read_bytes() == data
