"""The cgroup that all desktops share, on directories like the kernel's."""

from __future__ import annotations

from pathlib import Path

from frazil.server.density import partition


def v1(root: Path) -> None:
    for name in ("memory", "cpuset", "cpu"):
        (root / name / "machine").mkdir(parents=True)
    for name, value in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (root / "cpuset" / "machine" / name).write_text(f"{value}\n")
        (root / "cpuset" / "machine" / "frazil.partition").mkdir(exist_ok=True)
        (root / "cpuset" / "machine" / "frazil.partition" / name).write_text("\n")
    (root / "memory" / "machine" / "frazil.partition").mkdir()
    (root / "memory" / "machine" / "frazil.partition" / "memory.soft_limit_in_bytes").write_text("max")


def test_version_1_is_prepared_and_bounded_softly(tmp_path: Path) -> None:
    v1(tmp_path)
    assert partition.prepare(tmp_path, systemd=False) == "/machine/frazil"
    ours = tmp_path / "cpuset" / "machine" / "frazil.partition"
    assert (ours / "cpuset.cpus").read_text().strip() == "0-1"
    assert (tmp_path / "cpu" / "machine" / "frazil.partition").is_dir()
    assert partition.bound(100, tmp_path)
    limit = tmp_path / "memory" / "machine" / "frazil.partition" / "memory.soft_limit_in_bytes"
    assert limit.read_text().strip() == str(100 << 20)


def test_version_2_is_bounded_by_memory_high(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory")
    ours = tmp_path / "machine" / "frazil.partition"
    ours.mkdir(parents=True)
    (ours / "memory.high").write_text("max")
    assert partition.prepare(tmp_path, systemd=False) == "/machine/frazil"
    assert partition.bound(7, tmp_path)
    assert (ours / "memory.high").read_text().strip() == str(7 << 20)


def test_a_host_without_cgroups_does_without(tmp_path: Path) -> None:
    assert partition.prepare(tmp_path, systemd=False) is None
    assert not partition.bound(7, tmp_path)
    assert partition.prepare(tmp_path, systemd=True) == "/machine/frazil"
