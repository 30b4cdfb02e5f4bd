"""Taking in a file: holes stay holes, and nothing is left behind by what fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.cli.incoming import take_in
from frazil.model.errors import InvalidInput, OutOfSpace
from frazil.runtime import SystemIds


def test_a_sparse_file_is_copied_whole_and_stays_sparse(tmp_path: Path) -> None:
    source = tmp_path / "disk.img"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(300 << 20)
        file.write(b"middle")
        file.truncate(600 << 20)
    told: list[float] = []
    into = tmp_path / "incoming"
    into.mkdir()
    name = take_in(source, into, ids=SystemIds(), tell=told.append)
    copy = into / name
    assert [path.name for path in into.iterdir()] == [name]
    assert copy.stat().st_size == 600 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    assert copy.stat().st_mode & 0o077 == 0
    with copy.open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(300 << 20)
        assert file.read(6) == b"middle"
    assert told[-1] == 1.0
    assert told == sorted(told)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "it"
    if kind == "directory":
        source.mkdir()
    elif kind == "fifo":
        os.mkfifo(source)
    into = tmp_path / "incoming"
    into.mkdir()
    with pytest.raises(InvalidInput, match="it"):
        take_in(source, into, ids=SystemIds(), tell=lambda done: None)
    assert list(into.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounts a small file system")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_found_before_anything_is_written(tmp_path: Path, small_disk: Path) -> None:
    source = tmp_path / "disk.img"
    source.write_bytes(os.urandom(8 << 20))
    with pytest.raises(OutOfSpace, match="free"):
        take_in(source, small_disk, ids=SystemIds(), tell=lambda done: None)
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "disk.img"
    source.write_bytes(os.urandom(8 << 20))
    monkeypatch.setattr("frazil.cli.incoming._check_space", lambda given, directory: None)
    with pytest.raises(OutOfSpace, match="full"):
        take_in(source, small_disk, ids=SystemIds(), tell=lambda done: None)
    assert list(small_disk.iterdir()) == []
