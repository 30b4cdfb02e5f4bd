"""A backup's file: whole or not there, for its owner only, and looked over before anything is done with it."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from frazil.cli.archive import (
    DATABASE,
    FILE_MAX_BYTES,
    MANIFEST,
    UNDOS_KEPT,
    Archive,
    Manifest,
    before_restore,
    drop_old,
    write,
)
from frazil.model.errors import Conflict, HostError, InvalidInput
from frazil.settings import Settings

ABOUT = Manifest(version="1.2", made_at="2030-01-31T08:30:00+00:00", installation_id="i1")
LINES = [f'["t", {{"n": {n}}}]\n'.encode() for n in range(5000)]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    key = tmp_path / "key"
    key.write_text("secret")
    path = tmp_path / "b.zip"
    write(path, ABOUT, lines=LINES, files={"tls/ca.key": key, "tls/ca.pem": tmp_path / "none"})
    return path


def test_what_was_written_is_read(backup: Path) -> None:
    with closing(Archive(backup)) as archive:
        assert archive.manifest == ABOUT
        assert list(archive.lines()) == LINES
        assert (archive.file("tls/ca.key"), archive.file("tls/ca.pem")) == (b"secret", None)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert sorted(file.name for file in backup.parent.iterdir()) == ["b.zip", "key"]


def test_nothing_is_written_over_another_file_or_by_half(backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(Conflict, match="is there already"):
        write(backup, ABOUT, lines=[], files={})
    assert backup.read_bytes() == before

    def breaks() -> Iterator[bytes]:
        yield from LINES
        raise HostError("The database went away.")

    other = backup.with_name("other.zip")
    with pytest.raises(HostError, match="went away"):
        write(other, ABOUT, lines=breaks(), files={})
    with pytest.raises(HostError, match="can't be written"):
        write(backup.parent / "none" / "b.zip", ABOUT, lines=[], files={})
    assert sorted(file.name for file in backup.parent.iterdir()) == ["b.zip", "key"]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 9]) + content[middle + 9 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[:-40],
        lambda content: content[: len(content) // 2],
        lambda content: b"PK" * 500,
        _flipped,
    ],
)
def test_a_file_that_is_no_good_is_refused(backup: Path, spoil: Callable[[bytes], bytes]) -> None:
    backup.write_bytes(spoil(backup.read_bytes()))
    with pytest.raises(InvalidInput, match=r"no backup of Frazil|is damaged"):
        Archive(backup)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {DATABASE: "x"},
        {MANIFEST: "{}", DATABASE: "x"},
        {MANIFEST: "[]", DATABASE: "x"},
        {MANIFEST: '{"version": "1", "made_at": "2030-01-31T08:30:00", "installation_id": "i"}', DATABASE: "x"},
        {MANIFEST: '{"version": 1, "made_at": "2030-01-31T08:30:00+00:00", "installation_id": "i"}', DATABASE: "x"},
        {MANIFEST: '{"version": "1", "made_at": "yesterday", "installation_id": "i"}', DATABASE: "x"},
        {MANIFEST: '{"version": "1", "made_at": "2030-01-31T08:30:00+00:00", "installation_id": "i"}'},
        {MANIFEST: " " * (1 << 17), DATABASE: "x"},
    ],
)
def test_a_zip_that_is_something_else_is_refused(tmp_path: Path, members: dict[str, str]) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidInput, match="no backup of Frazil"):
        Archive(path)
    with pytest.raises(InvalidInput, match="can't be read"):
        Archive(tmp_path / "nowhere.zip")


def test_a_file_in_it_that_grows_when_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    manifest = {"version": "1", "made_at": ABOUT.made_at, "installation_id": "i"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest))
        archive.writestr(DATABASE, "")
        archive.writestr("files/tls/ca.pem", b"\0" * (FILE_MAX_BYTES + 1))
    with closing(Archive(path)) as archive_, pytest.raises(InvalidInput, match="too large"):
        archive_.file("tls/ca.pem")


def test_of_what_is_saved_before_restores_the_newest_are_kept_and_nothing_else_goes(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    made = [before_restore(settings, datetime(2030, 1, day, tzinfo=UTC)) for day in range(1, UNDOS_KEPT + 4)]
    place = made[0].parent
    place.mkdir()
    own = [place / name for name in ("before-restore-mine.zip", "monday.zip", "before-restore-20300101-000000.zip.bak")]
    for path in (*made, *own):
        path.touch()
    drop_old(place, spare=[place / ".." / "backups" / made[1].name])
    assert sorted(place.iterdir()) == sorted([made[1], *made[-UNDOS_KEPT:], *own])
    for path in made[2:]:
        path.unlink(missing_ok=True)
    drop_old(place, spare=[])
    assert sorted(place.iterdir()) == sorted([made[1], *own]), "fewer than are kept"
