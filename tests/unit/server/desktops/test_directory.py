"""Desktops' directories: ours are kept whole, others' are left alone, and a crash's traces go."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.desktop import Epoch
from frazil.model.errors import Conflict, HostError
from frazil.runtime import SystemIds
from frazil.server.desktops.directory import DISK, PART, RECORD, DesktopDirectory, Record

OURS = "installation"


def _record(desktop_id: str, *, installation_id: str = OURS) -> Record:
    return Record(
        installation_id=installation_id, desktop_id=desktop_id, epoch=Epoch(1, 1), attempt=1, name="d", image_id="i"
    )


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_directory_that_is_not_ours_is_neither_written_to_nor_removed(tmp_path: Path) -> None:
    theirs, bare = SystemIds().new_id(), SystemIds().new_id()
    DesktopDirectory(tmp_path, installation_id="another").write(_record(theirs, installation_id="another"))
    (tmp_path / theirs / DISK).write_bytes(b"precious")
    (tmp_path / bare).mkdir()
    (tmp_path / bare / DISK).write_bytes(b"precious too")
    before = _files(tmp_path)
    directory = DesktopDirectory(tmp_path, installation_id=OURS)
    for desktop_id in (theirs, bare):
        with pytest.raises(Conflict, match="in the way") as caught:
            directory.write(_record(desktop_id))
        assert caught.value.remedy
        directory.remove(desktop_id)
        assert directory.read(desktop_id) is None
    assert directory.list() == [(name, None) for name in sorted((theirs, bare))]
    assert _files(tmp_path) == before


def test_what_a_crash_around_the_record_leaves_is_gone_at_the_next_start(tmp_path: Path) -> None:
    empty, half, whole = (SystemIds().new_id() for _ in range(3))
    (tmp_path / empty).mkdir()
    (tmp_path / half).mkdir()
    (tmp_path / half / PART).write_text("{")
    (tmp_path / "an administrator's").mkdir()
    DesktopDirectory(tmp_path, installation_id=OURS).write(_record(whole))
    (tmp_path / whole / PART).write_text("{")
    directory = DesktopDirectory(tmp_path, installation_id=OURS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([whole, "an administrator's"])
    assert directory.read(whole) == _record(whole)
    directory.remove(whole)
    assert not (tmp_path / whole).exists()


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    directory = DesktopDirectory(tmp_path, installation_id=OURS)
    desktop_id = SystemIds().new_id()
    (tmp_path / desktop_id).mkdir()
    (tmp_path / desktop_id / PART).write_text("{")
    directory.write(_record(desktop_id))
    assert [path.name for path in (tmp_path / desktop_id).iterdir()] == [RECORD]


async def test_what_the_file_system_refuses_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = SystemIds().new_id()
    directory = DesktopDirectory(tmp_path, installation_id=OURS)
    directory.write(_record(mine))
    with monkeypatch.context() as without_qemu:
        without_qemu.setenv("PATH", str(tmp_path))
        with pytest.raises(HostError, match="can't be made"):
            await directory.make_disk(_record(mine), base=tmp_path / "base", size_bytes=1 << 20)
    (tmp_path / mine / "in the way").mkdir()
    with pytest.raises(HostError, match="can't be removed"):
        directory.remove(mine)
    assert directory.read(mine) is not None, "the record goes last"
    (tmp_path / mine / DISK).mkdir()
    with pytest.raises(HostError, match="can't be removed"):
        directory.remove_disk(mine)
