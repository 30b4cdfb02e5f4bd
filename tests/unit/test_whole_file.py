"""A small file is written whole or not at all, and shown to nobody on the way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from frazil.whole_file import write_whole


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_it_takes_the_place_of_what_is_there_under_its_own_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(b"old")
    path.chmod(0o666)
    (tmp_path / ".a.pem.new").write_bytes(b"what a crash left")
    before = os.umask(0)
    try:
        write_whole(path, b"new", mode=mode, gid=os.getgid())
    finally:
        os.umask(before)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)
    assert [one.name for one in tmp_path.iterdir()] == ["a.pem"]


def test_what_fails_leaves_what_was_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()  # a directory can't be replaced by a file
    with pytest.raises(IsADirectoryError):
        write_whole(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a", b"new")


def test_a_link_in_the_way_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"another's")
    (tmp_path / ".a.new").symlink_to(target)
    write_whole(tmp_path / "a", b"new")
    assert (target.read_bytes(), (tmp_path / "a").read_bytes()) == (b"another's", b"new")
