"""The doctor on everything else: really occupied ports, real sockets, real full disks' arithmetic."""

from __future__ import annotations

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from frazil.cli import libvirtd
from frazil.cli.doctor import examine, libvirt, network, ports, qemu, resources, timekeeping, worst
from frazil.cli.doctor.finding import Check, Finding, Level
from frazil.model.errors import InvalidInput


class At:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return 0.0


def test_an_occupied_port_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = ports.look(f"127.0.0.1:{port}")
        assert finding.level is Level.FAILED
        assert f"process {os.getpid()}" in finding.what
        assert str(port) in finding.mend
        assert [holder.pid for holder in ports.holders(port)] == [os.getpid()]
        ours = ports.look(f"127.0.0.1:{port}", ours=frozenset({os.getpid()}))
        assert ours.level is Level.OK
    assert ports.look(f"127.0.0.1:{port}").level is Level.OK


@pytest.mark.parametrize("listen", ["nonsense", "0.0.0.0:70000", "8443:"])
def test_a_listen_setting_that_makes_no_sense(listen: str) -> None:
    finding = ports.look(listen)
    assert finding.level is Level.FAILED
    assert listen in finding.what


def test_an_address_that_is_not_ours() -> None:
    finding = ports.look("192.0.2.7:8443")
    assert finding.level is Level.FAILED
    assert "no address 192.0.2.7" in finding.what


def test_ipv6_in_brackets() -> None:
    assert ports.split("[::1]:8443") == ("::1", 8443)
    assert ports.split(":8443") == ("0.0.0.0", 8443)


def test_disk(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "yet"
    assert resources.look_disk(missing, needed_bytes=1).level in (Level.OK, Level.WARNING)
    finding = resources.look_disk(missing, needed_bytes=1 << 62)
    assert finding.level is Level.FAILED
    assert str(missing) in finding.what
    assert str(tmp_path) in finding.mend


@pytest.mark.parametrize(
    ("available_kib", "level"), [(1 << 20, Level.FAILED), (3 << 20, Level.WARNING), (8 << 20, Level.OK)]
)
def test_memory(tmp_path: Path, available_kib: int, level: Level) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 1 kB\nMemAvailable:   {available_kib} kB\n", encoding="utf-8")
    assert resources.look_memory(meminfo).level is level


def test_a_clock_that_went_back(tmp_path: Path) -> None:
    file = tmp_path / "installation.json"
    file.touch()
    now = datetime.now(UTC)
    assert timekeeping.look(At(now), known=[file, tmp_path / "none"]).level is Level.OK
    behind = timekeeping.look(At(now - timedelta(days=400)), known=[file])
    assert behind.level is Level.FAILED
    assert str(file) in behind.what


def test_qemu_that_is_missing() -> None:
    finding = qemu.look("frazil-no-such-qemu")
    assert finding.level is Level.FAILED
    assert "not installed" in finding.what


@pytest.mark.parametrize(
    ("version", "spice", "level", "words"),
    [
        ("QEMU emulator version 9.0.1", "spice options:\n disable-ticketing=<bool>", Level.OK, "9.0 with SPICE"),
        ("QEMU emulator version 9.0.1", "-spice: invalid option", Level.FAILED, "no SPICE"),
        ("QEMU emulator version 4.2.0", "disable-ticketing", Level.WARNING, "older than"),
        ("something else", "disable-ticketing", Level.FAILED, "does not say its version"),
    ],
)
def test_qemus(tmp_path: Path, version: str, spice: str, level: Level, words: str) -> None:
    program = tmp_path / "qemu"
    program.write_text(f'#!/bin/sh\ncase "$*" in --version) echo "{version}";; *) echo "{spice}";; esac\n')
    program.chmod(0o755)
    finding = qemu.look(str(program))
    assert finding.level is level
    assert words in finding.what


def test_libvirt_that_does_not_run(tmp_path: Path) -> None:
    daemon = tmp_path / "libvirtd"
    places = libvirtd.Places(run=tmp_path, systemd=tmp_path / "none", daemon=daemon)
    finding = libvirt.look("qemu:///system", places=places)
    assert finding.level is Level.FAILED
    assert "not installed" in finding.what
    daemon.touch()
    assert "no service manager" in libvirt.look("qemu:///system", places=places).what
    with_systemd = libvirtd.Places(run=tmp_path, systemd=tmp_path, daemon=daemon)
    assert "systemctl" in libvirt.look("qemu:///system", places=with_systemd).mend


def test_a_socket_nobody_listens_on_is_told_from_one_that_somebody_does(tmp_path: Path) -> None:
    path = tmp_path / "libvirt-sock"
    places = libvirtd.Places(run=tmp_path)
    assert not libvirtd.daemon_listens(places)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not libvirtd.daemon_listens(places)
        server.listen()
        assert libvirtd.daemon_listens(places)
    assert path.exists()
    assert not libvirtd.daemon_listens(places)


def test_another_machines_libvirt_is_not_started_here(tmp_path: Path) -> None:
    places = libvirtd.Places(run=tmp_path, systemd=tmp_path / "none", daemon=tmp_path / "none")
    with pytest.raises(InvalidInput, match="test:///default"):
        libvirtd.ensure_running(uri="test:///default", places=places)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a bridge")
def test_the_bridge_made_for_trial_is_gone() -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        findings = list(pool.map(lambda _: network.look(), range(4)))
    assert len({(finding.check, finding.level) for finding in findings}) == 1, "none takes another's for a fault"
    with network.alone():
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert network.BRIDGE not in links


def _finding(level: Level) -> Finding:
    return Finding(check="x", level=level, what="What.")


def test_a_mended_thing_is_looked_at_again() -> None:
    state = {"broken": True}
    said: list[str] = []
    check = Check(
        name="x",
        look=lambda: _finding(Level.FAILED if state["broken"] else Level.OK),
        repair=lambda: state.update(broken=False),
    )
    assert worst(examine([check], mend=False, say=said.append)) is Level.FAILED
    assert state["broken"]
    if os.geteuid() == 0:
        assert worst(examine([check], mend=True, say=said.append)) is Level.OK
        assert said == ["What. Mending it."]


def test_mending_that_fails_is_said() -> None:
    def repair() -> None:
        raise OSError("no")

    check = Check(name="x", look=lambda: _finding(Level.WARNING), repair=repair)
    findings = examine([check], mend=True, say=lambda text: None)
    if os.geteuid() == 0:
        assert findings[0].what == "What. Mending it failed: no"


def test_a_check_that_breaks_is_a_warning() -> None:
    def look() -> Finding:
        raise OSError("broken")

    findings = examine([Check(name="x", look=look)], mend=False, say=lambda text: None)
    assert findings[0].level is Level.WARNING
    assert "broken" in findings[0].what


def test_the_worst_level() -> None:
    assert worst([]) is Level.OK
    assert worst([_finding(Level.OK), _finding(Level.WARNING)]) is Level.WARNING
    assert worst([_finding(Level.FAILED), _finding(Level.WARNING)]) is Level.FAILED
