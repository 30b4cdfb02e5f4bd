"""The store keeps an image whole or not at all, and never touches what is not its own."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from frazil.model.errors import Conflict, InvalidInput, NotFound, OutOfSpace
from frazil.server.images.files import ImageFiles, keep_facts, link_image_files, read_image_files
from frazil.server.images.store import ImageManifest, ImageStore, StoredImage, parse_manifest

OURS = "11111111-1111-7111-8111-111111111111"
THEIRS = "22222222-2222-7222-8222-222222222222"
ID = "0190f3a0-0000-7000-8000-000000000001"


def make(place: Path, *, direct: bool = True) -> ImageFiles:
    place.mkdir()
    (place / "disk.qcow2").write_bytes(b"disk")
    if direct:
        (place / "kernel").write_bytes(b"kernel")
        (place / "initrd").write_bytes(b"initrd")
        (place / "cmdline").write_text("root=/dev/vda\n")
    files = ImageFiles(
        directory=place,
        disk=place / "disk.qcow2",
        virtual_size_bytes=1 << 30,
        disk_sha256="0" * 64,
        kernel=place / "kernel" if direct else None,
        initrd=place / "initrd" if direct else None,
        cmdline="root=/dev/vda" if direct else None,
    )
    keep_facts(files)
    return files


def add(store: ImageStore, image_id: str = ID, *, direct: bool = True) -> StoredImage:
    with store.staging(image_id) as place:
        return store.add(
            image_id=image_id,
            files=make(place, direct=direct),
            name="debian-icewm",
            version="1",
            os_id="debian12",
            source="recipe:debian-icewm",
            created_at="2026-01-01T00:00:00Z",
        )


@pytest.mark.parametrize("direct", [True, False])
def test_an_image_is_kept_and_found_again(tmp_path: Path, direct: bool) -> None:
    stored = add(ImageStore(tmp_path, installation_id=OURS), direct=direct)
    again = ImageStore(tmp_path, installation_id=OURS)
    assert again.get(ID) == stored
    assert again.list().images == (stored,)
    assert again.list().foreign == ()
    assert stored.cmdline == ("root=/dev/vda" if direct else None)
    assert stored.manifest.labels == {"installation": OURS}
    assert list((tmp_path / ".staging").iterdir()) == []
    for path in (stored.directory, *stored.directory.iterdir()):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def test_whatever_goes_wrong_nothing_is_left(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, installation_id=OURS)

    def fail() -> None:
        with store.staging(ID) as place:
            make(place)
            raise RuntimeError("the build failed")

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == [".staging"]
    with pytest.raises(NotFound):
        store.get(ID)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ImageStore(tmp_path, installation_id=OURS)

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutOfSpace):
        add(store)
    assert [path.name for path in tmp_path.rglob("*")] == [".staging"]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, installation_id=OURS)
    with store.staging(ID) as place:
        shutil.copytree(place.parent, tmp_path / "as-it-was")
    shutil.move(tmp_path / "as-it-was", place.parent)
    make(place)
    foreign = tmp_path / ".staging" / THEIRS
    foreign.mkdir()
    (foreign / "installation").write_text(THEIRS)
    again = ImageStore(tmp_path, installation_id=OURS)
    assert [path.name for path in (tmp_path / ".staging").iterdir()] == [THEIRS]
    assert [left.path for left in again.foreign_leftovers] == [foreign]
    add(again)


def test_an_image_is_made_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, installation_id=OURS)
    with store.staging(ID), pytest.raises(Conflict, match="being made"), store.staging(ID):
        pass
    add(store)
    with pytest.raises(Conflict, match="exists"), store.staging(ID):
        pass


def test_only_our_own_is_deleted(tmp_path: Path) -> None:
    add(ImageStore(tmp_path, installation_id=THEIRS))
    store = ImageStore(tmp_path, installation_id=OURS)
    with pytest.raises(Conflict, match="another installation"):
        store.delete(ID)
    assert [foreign.why for foreign in store.list().foreign] == ["made by another installation"]
    ImageStore(tmp_path, installation_id=THEIRS).delete(ID)
    assert [path.name for path in tmp_path.rglob("*")] == [".staging"]


def test_strange_things_are_reported_and_left(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, installation_id=OURS)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ID).mkdir()
    other = ID.replace("1", "2")
    (tmp_path / other).mkdir()
    (tmp_path / other / "image.json").write_text("{}")
    assert {foreign.path.name for foreign in store.list().foreign} == {"lost+found", ID, other}
    for bad in ("../etc", "", "ID", f"{ID}/"):
        with pytest.raises(InvalidInput):
            store.get(bad)


def test_a_manifest_goes_round_and_a_newer_one_is_refused() -> None:
    manifest = ImageManifest(
        id=ID,
        name="n",
        version="1",
        os="debian12",
        source="import:a.qcow2",
        created_at="2026-01-01T00:00:00Z",
        virtual_size_bytes=1,
        disk_sha256="0" * 64,
        direct_boot=False,
        labels={"installation": OURS},
    )
    assert parse_manifest(manifest.to_json()) == manifest
    with pytest.raises(InvalidInput, match="newer"):
        parse_manifest(manifest.to_json().replace('"manifest": 1', '"manifest": 2'))


def test_a_built_image_is_found_again_and_linked(tmp_path: Path) -> None:
    files = make(tmp_path / "cache")
    assert read_image_files(tmp_path / "cache") == files
    linked = link_image_files(files, tmp_path / "linked")
    assert linked.disk.samefile(files.disk)
    assert linked.cmdline == files.cmdline
    files.disk.unlink()
    with pytest.raises(NotFound):
        read_image_files(tmp_path / "cache")
