"""Images of others: what is whole becomes a clean qcow2, what reaches beyond its file is refused."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from frazil.model.errors import Conflict, FrazilError, HostError, InvalidInput, NotFound, OutOfSpace
from frazil.server.images.command import Cancelled
from frazil.server.images.importing import DiskFormat, ImportLimits, import_image
from frazil.server.images.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("qemu-img") is None, reason="needs root and qemu-img (package qemu-utils)"
)

MIB = 1 << 20
SECRET = "/etc/shadow"


def qemu_img(*arguments: str | Path) -> str:
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def qcow2(path: Path, *, size: str = "64M", options: str = "") -> Path:
    qemu_img("create", "-q", "-f", "qcow2", *(["-o", options] if options else []), path, size)
    return path


def filled(path: Path) -> Path:
    """A qcow2 with data in it."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(os.urandom(3 * MIB) + bytes(5 * MIB))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
    return path


def patched(path: Path, at: int, data: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    return path


def refused(source: Path, disk_format: DiskFormat, *, limits: ImportLimits | None = None) -> str:
    """Why it is refused; and that nothing is left of it."""
    into = source.parent / "into"
    before = sorted(source.parent.iterdir())
    with pytest.raises(FrazilError) as caught:
        import_image(source=source, disk_format=disk_format, into=into, limits=limits)
    assert [path for path in sorted(source.parent.iterdir()) if path.suffix != ".log"] == before
    assert isinstance(caught.value, InvalidInput), caught.value
    assert caught.value.remedy
    return str(caught.value)


def test_a_sound_qcow2_comes_in_whole(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.qcow2")
    source.chmod(0o600)
    shares: list[float] = []
    files = import_image(
        source=source, disk_format="qcow2", into=tmp_path / "into", progress=lambda p: shares.append(p.fraction)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert (files.kernel, files.virtual_size_bytes) == (None, 8 * MIB)
    qemu_img("compare", "-f", "qcow2", "-F", "qcow2", source, files.disk)
    assert files.disk.stat().st_uid == 0
    info = json.loads(qemu_img("info", "--output=json", files.disk))
    assert "backing-filename" not in info


def test_a_new_empty_qcow2_comes_in(tmp_path: Path) -> None:
    source = qcow2(tmp_path / "empty.qcow2", size="16M")
    assert source.stat().st_size % 65536, "its last table is not written to the cluster's end"
    assert import_image(source=source, disk_format="qcow2", into=tmp_path / "into").virtual_size_bytes == 16 * MIB


def test_raw_comes_in(tmp_path: Path) -> None:
    source = tmp_path / "a.raw"
    source.write_bytes(os.urandom(MIB) + bytes(3 * MIB))
    files = import_image(source=source, disk_format="raw", into=tmp_path / "into")
    qemu_img("compare", "-f", "raw", "-F", "qcow2", source, files.disk)
    assert files.disk.stat().st_size < 2 * MIB


def test_a_backing_file_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", SECRET, "-F", "raw", source, "64M")
    assert "backing file" in refused(source, "qcow2")


def test_a_backing_file_named_as_json_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.qcow2"
    name = json.dumps({"driver": "raw", "file": {"driver": "file", "filename": SECRET}})
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", f"json:{name}", "-F", "raw", source, "64M")
    assert "backing file" in refused(source, "qcow2")


def test_an_external_data_file_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    source = qcow2(tmp_path / "a.qcow2", options=f"data_file={outside}/data,data_file_raw=on")
    assert "another file" in refused(source, "qcow2")


def test_a_data_file_extension_without_its_feature_is_refused(tmp_path: Path) -> None:
    source = qcow2(tmp_path / "a.qcow2")
    (header,) = struct.unpack(">I", source.read_bytes()[100:104])
    patched(source, header, struct.pack(">II", 0x44415441, len(SECRET)) + SECRET.encode().ljust(16, b"\0"))
    assert "another file" in refused(source, "qcow2")


def test_encrypted_corrupt_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    assert "encrypted" in refused(patched(qcow2(tmp_path / "a"), 32, struct.pack(">I", 2)), "qcow2")
    assert "corrupt" in refused(patched(qcow2(tmp_path / "b"), 72, struct.pack(">Q", 2)), "qcow2")
    assert "features" in refused(patched(qcow2(tmp_path / "c"), 72, struct.pack(">Q", 1 << 40)), "qcow2")
    assert "version" in refused(patched(qcow2(tmp_path / "d"), 4, struct.pack(">I", 9)), "qcow2")


def test_a_giant_disk_is_refused(tmp_path: Path) -> None:
    source = patched(qcow2(tmp_path / "a.qcow2"), 24, struct.pack(">Q", 1 << 62))
    assert "can be imported" in refused(source, "qcow2")
    sparse = tmp_path / "a.raw"
    with sparse.open("wb") as file:
        file.truncate(2 * MIB)
    assert "can be imported" in refused(sparse, "raw", limits=ImportLimits(virtual_size_bytes=MIB))


def test_a_truncated_one_is_refused(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.qcow2")
    os.truncate(source, source.stat().st_size // 2)
    assert refused(source, "qcow2")


def test_the_format_is_what_was_said(tmp_path: Path) -> None:
    assert "is qcow2" in refused(qcow2(tmp_path / "a.raw"), "raw")
    other = tmp_path / "b.raw"
    other.write_bytes(b"KDMV" + bytes(MIB - 4))
    assert "VMDK" in refused(other, "raw")
    assert "no qcow2" in refused(other, "qcow2")
    other.write_bytes(bytes(1000))
    assert "sector" in refused(other, "raw")
    with pytest.raises(InvalidInput):
        import_image(source=other, disk_format="vmdk", into=tmp_path / "into")  # type: ignore[arg-type]


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(qcow2(tmp_path / "a.qcow2"))
    assert "symbolic link" in refused(tmp_path / "link", "qcow2")
    os.mkfifo(tmp_path / "fifo")
    assert "plain file" in refused(tmp_path / "fifo", "raw")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert "socket" in refused(tmp_path / "socket", "raw")
    (tmp_path / "directory").mkdir()
    assert "plain file" in refused(tmp_path / "directory", "raw")
    with pytest.raises(NotFound):
        import_image(source=tmp_path / "nothing", disk_format="raw", into=tmp_path / "into")


def test_it_can_be_stopped_and_does_not_overwrite(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.qcow2")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        import_image(source=source, disk_format="qcow2", into=tmp_path / "into", cancel=stop)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    (tmp_path / "into").mkdir()
    with pytest.raises(Conflict):
        import_image(source=source, disk_format="qcow2", into=tmp_path / "into")


def test_the_sandbox_holds() -> None:
    """Another user, no capabilities, no network, no file of others, bounded time."""
    box = Sandbox(wall_s=20)
    seen = box.output(["sh", "-c", "id -u; grep CapEff /proc/self/status; cat /proc/net/dev"], what="Looking", fds=[])
    uid, capabilities, _, _, *nets = seen.decode().splitlines()
    assert uid == "65534"
    assert capabilities.split() == ["CapEff:", "0000000000000000"]
    assert [line.split(":")[0].strip() for line in nets] == ["lo"]
    with pytest.raises(InvalidInput, match="Permission denied"):
        box.output(["cat", SECRET], what="Reading", fds=[])
    with pytest.raises(InvalidInput, match="took more than"):
        Sandbox(wall_s=0.5).output(["sleep", "60"], what="Sleeping", fds=[])


@pytest.mark.parametrize(
    ("says", "expected"),
    [("No space left on device", OutOfSpace), ("I can't today", HostError)],
)
def test_a_disk_that_cannot_be_made_is_said_in_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, expected: type[FrazilError]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qemu-img").write_text(f'#!/bin/sh\necho "{says}" >&2\nexit 1\n')
    (programs / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    source = tmp_path / "a.raw"
    source.write_bytes(bytes(MIB))
    with pytest.raises(expected, match="Making the disk failed"):
        import_image(source=source, disk_format="raw", into=tmp_path / "into")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.raw", "bin", "into.build.log"]
