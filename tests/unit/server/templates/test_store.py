"""Templates are whole or not there, and a damaged one is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.errors import HostError
from frazil.server.hypervisor.port import KernelBoot
from frazil.server.templates.key import template_key
from frazil.server.templates.store import DISK, MANIFEST, RAM, STATE, Manifest, Template, TemplateStore, sha256
from frazil.wire.hostlink import Profile

KEY = "0123456789abcdef0123456789abcdef"


def keep(store: TemplateStore, key: str = KEY) -> Template:
    place = store.begin(key)
    (place / RAM).write_bytes(bytes(8192))
    (place / STATE).write_bytes(b"devices")
    (place / DISK).write_bytes(b"disk")
    manifest = Manifest(
        installation_id="ours", key=key, image_id="image", made_at="2030-01-01T00:00:00+00:00",
        state_sha256=sha256(place / STATE), boot_s=1.0, freeze_s=0.1,
    )  # fmt: skip
    return store.finish(key, manifest)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept = keep(TemplateStore(tmp_path, installation_id="ours"))
    assert TemplateStore(tmp_path, installation_id="ours").find(KEY) == kept
    assert kept.disk.stat().st_mode & 0o222 == 0


def test_what_is_not_finished_is_not_there_and_goes_at_the_next_start(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    place = store.begin(KEY)
    (place / RAM).write_bytes(b"half")
    assert store.find(KEY) is None
    TemplateStore(tmp_path, installation_id="ours")
    assert not place.exists()


@pytest.mark.parametrize("part", [RAM, STATE, DISK, MANIFEST])
def test_a_lost_part_is_found_out(tmp_path: Path, part: str) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    (keep(store).directory / part).unlink()
    with pytest.raises(HostError, match=part):
        store.find(KEY)


def test_a_part_that_cannot_be_read_is_found_out(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    state = keep(store).state
    state.unlink()
    state.mkdir()
    with pytest.raises(HostError, match="can't be read"):
        store.find(KEY)


def test_removing_one_that_is_gone_already_does_nothing(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    store.remove(KEY)
    assert store.list() == []


def test_a_changed_state_is_found_out(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    kept = keep(store)
    kept.state.chmod(0o600)
    kept.state.write_bytes(b"Devices")
    with pytest.raises(HostError, match="damaged"):
        store.find(KEY)


@pytest.mark.parametrize("part", [RAM, DISK])
def test_what_was_written_to_later_is_found_out(tmp_path: Path, part: str) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    path = keep(store).directory / part
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"x")
    with pytest.raises(HostError, match="written to"):
        store.find(KEY)


def test_a_removed_one_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path, installation_id="ours")
    keep(store)
    other = keep(store, "f" * 32)
    store.remove(KEY)
    assert store.find(KEY) is None
    assert store.list() == [other]


def test_the_key_changes_with_everything_that_a_fork_depends_on() -> None:
    boot = KernelBoot(Path("/k"), Path("/i"), "quiet")
    same = {"image_sha256": "a", "profile": Profile(), "boot": boot, "kvm": False, "qemu": "7.2", "cpu": "x"}
    elsewhere = same | {"boot": KernelBoot(Path("/other/k"), Path("/other/i"), "quiet")}
    changes: list[dict[str, object]] = [
        {"image_sha256": "b"}, {"profile": Profile(memory_mib=1024)}, {"profile": Profile(usb_channels=0)},
        {"profile": Profile(disk_gib=9)}, {"boot": None}, {"boot": KernelBoot(Path("/k"), Path("/i"), "loud")},
        {"kvm": True}, {"qemu": "8.0"}, {"cpu": "y"},
    ]  # fmt: skip
    keys = {template_key(**(same | change)) for change in [{}, *changes]}  # type: ignore[arg-type]
    assert len(keys) == 1 + len(changes)
    assert template_key(**elsewhere) == template_key(**same)  # type: ignore[arg-type]
