"""The doctor on the KVM device: real device files, opened by the real user."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.cli.doctor import kvm_device, kvm_trial
from frazil.cli.doctor.finding import Level

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes device files")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="frazil-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def conf(place: Path) -> Path:
    """libvirt's configuration with "nobody" as QEMU's user, whom every machine has."""
    path = place / "qemu.conf"
    path.write_text('# user = "root"\nuser = "nobody"\n', encoding="utf-8")
    return path


def _device(place: Path, mode: int) -> Path:
    """A character device that opens like KVM's: the null device under another name."""
    path = place / "kvm"
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    path.chmod(mode)
    return path


def test_no_device_is_a_warning_that_says_emulated(place: Path, conf: Path) -> None:
    finding = kvm_device.look(place / "kvm", conf)
    assert finding.level is Level.WARNING
    assert "no KVM device" in finding.what
    assert "emulated" in finding.means
    assert "modprobe" in finding.mend


def test_an_ordinary_file_is_not_taken_for_the_device(place: Path, conf: Path) -> None:
    (place / "kvm").touch()
    assert "not a device" in kvm_device.look(place / "kvm", conf).what


@needs_root
def test_a_device_for_root_only_is_told_from_one_that_opens(place: Path, conf: Path) -> None:
    device = _device(place, 0o600)
    finding = kvm_device.look(device, conf)
    assert finding.level is Level.WARNING
    assert "nobody may not open" in finding.what
    assert "0600" in finding.what
    assert "100 s" in finding.means
    assert finding.mend.startswith(f"chown root:kvm {device} && chmod 0660 {device}")

    device.chmod(0o666)
    assert kvm_device.look(device, conf).level is Level.OK


@needs_root
def test_repair_gives_what_the_command_gives(place: Path) -> None:
    device = _device(place, 0o600)
    try:
        kvm_device.repair(device)
    except KeyError:
        pytest.skip("no group kvm here")
    assert stat.S_IMODE(device.stat().st_mode) == 0o660
    kvm_device.repair(place / "none")
    assert not (place / "none").exists()


def test_an_unknown_qemu_user_fails(place: Path) -> None:
    conf = place / "qemu.conf"
    conf.write_text('user = "frazil-nobody-has-this-name"', encoding="utf-8")
    if os.geteuid() != 0:
        pytest.skip("makes device files")
    finding = kvm_device.look(_device(place, 0o666), conf)
    assert finding.level is Level.FAILED
    assert "frazil-nobody-has-this-name" in finding.what


@pytest.mark.parametrize(
    ("text", "name"),
    [("", "libvirt-qemu"), ('#user = "x"', "libvirt-qemu"), ('user = "+0"', "+0"), ('  user="a"\n', "a")],
)
def test_the_configured_user(place: Path, text: str, name: str) -> None:
    conf = place / "qemu.conf"
    conf.write_text(text, encoding="utf-8")
    assert kvm_device.configured_user(conf) == name


def test_a_numeric_user_is_found(place: Path) -> None:
    conf = place / "qemu.conf"
    conf.write_text('user = "+0"', encoding="utf-8")
    user = kvm_device.qemu_user(conf)
    assert user is not None
    assert user.name == "root"


def test_nothing_is_tried_without_a_device(place: Path) -> None:
    finding = kvm_trial.look(place / "kvm")
    assert finding.level is Level.OK
    assert "Not tried" in finding.what


def test_the_trial_on_this_machine_says_one_thing_or_the_other() -> None:
    finding = kvm_trial.look(timeout_s=2)
    if finding.level is Level.WARNING:
        assert "emulated" in finding.means
        assert finding.mend
    else:
        assert finding.what in ("KVM runs guests.", "Not tried: there is no KVM device.")
