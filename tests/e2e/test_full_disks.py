"""A full disk stops what needs room, in words and with nothing half made; the rest goes on, and all does afterwards.

Frazil's own parts are real; the desktops are those of the hypervisor of files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frazil.cli.connection import pause
from frazil.model.desktop import Phase
from frazil.model.errors import OutOfSpace
from frazil.runtime import SystemClock
from frazil.wire.rest import ImageRequest, PoolChange, PoolRequest
from tests.harness.refusals import ask, everything_in, files_of_images, full_of, images_of, qcow2, said
from tests.harness.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
MIB = 1 << 20


@contextmanager
def _small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of its own at `path`, with `size` bytes."""
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={size},mode={path.stat().st_mode & 0o7777:o}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=30)


@contextmanager
def _filled(path: Path, *, leave: int = 0) -> Iterator[None]:
    """The disk at `path` is full but for `leave` bytes."""
    about = os.statvfs(path)
    fill = path / "fill"
    subprocess.run(["fallocate", "-l", str(about.f_bavail * about.f_frsize - leave), str(fill)], check=True, timeout=60)
    try:
        yield
    finally:
        fill.unlink()


@pytest.fixture
def cramped() -> Iterator[Stack]:
    """A stack whose state lies on a disk of its own that can be filled."""
    with Stack(fake=True) as made, _small_disk(made.settings.state_dir, 2048 * MIB):
        try:
            made.start()
            made.empty_image("plain")
            made.pool("office", image="plain", spares=0)
            yield made
        finally:
            made.stop()


def test_a_full_disk_while_an_image_is_imported(cramped: Stack, place: Path) -> None:
    file = full_of(place / "disk.raw", 16 * MIB)
    settings = cramped.settings
    with _filled(settings.state_dir, leave=8 * MIB):
        before = (images_of(cramped), files_of_images(cramped))
        done = cramped.frazil("image", "import", str(file), "--format", "raw", "--name", "large")
        assert (done.returncode, done.stdout) == (1, "")
        assert "The image takes 16 MiB, and the disk of" in done.stderr
        assert "Make room there" in done.stderr
        assert (images_of(cramped), files_of_images(cramped)) == before
    # what waits on the host already does not fit beside its clean copy
    (settings.incoming_dir / "disk.raw").write_bytes(file.read_bytes())
    with _filled(settings.state_dir, leave=8 * MIB):
        operation = cramped.root.make_image(ImageRequest(name="large", upload="disk.raw", format="raw"))
        with pytest.raises(OutOfSpace) as refused:
            cramped.root.wait_for_operation(operation, clock=SystemClock(), pause=pause, timeout_s=60)
        said(refused.value)
        failed = cramped.root.image("large")
        assert failed.failure is not None
        assert (failed.state, failed.failure.code) == ("failed", "out-of-space")
        assert not (settings.images_dir / failed.id).exists()
        assert list((settings.images_dir / ".staging").iterdir()) == []
    # there is room again: it is tried again and goes well
    again = cramped.root.retry_image("large")
    cramped.root.wait_for_operation(again, clock=SystemClock(), pause=pause, timeout_s=60)
    assert cramped.root.image("large").state == "ready"
    assert list(settings.incoming_dir.iterdir()) == []


def test_a_full_disk_under_the_database(cramped: Stack) -> None:
    root = cramped.root
    before = everything_in(cramped)
    with _filled(cramped.settings.state_dir):
        body = PoolRequest(name="next", image="plain").model_dump_json(exclude_none=True).encode()
        status, problem = ask(cramped, "POST", "/api/v1/pools", body)
        assert (status, problem.type) == (503, "urn:frazil:problem:out-of-space")
        assert problem.detail == "The disk that holds Frazil's database is full, so nothing was changed."
        said(problem)
        for words in (
            ("pool", "create", "next", "--image", "plain"),
            ("pool", "delete", "office"),
            ("image", "import", str(qcow2(cramped.place / "more.qcow2", "-o", "size=1M")), "--format", "qcow2",
             "--name", "more"),
        ):  # fmt: skip
            done = cramped.frazil(*words)
            assert (done.returncode, done.stdout) == (1, ""), words
            assert "full" in done.stderr or "free" in done.stderr
        with pytest.raises(OutOfSpace):
            root.change_pool(root.pool("office"), PoolChange(spares=1))
        assert everything_in(cramped) == before, "all can be read meanwhile"
    root.change_pool(root.pool("office"), PoolChange(spares=1))
    cramped.desktops("office", count=1, timeout_s=60)


def test_a_full_disk_while_a_desktop_is_made(cramped: Stack) -> None:
    desktops_dir = cramped.settings.desktops_dir
    with _small_disk(desktops_dir, 16 * 4096), _filled(desktops_dir):
        cramped.root.change_pool(cramped.root.pool("office"), PoolChange(spares=1))
        (desktop,) = cramped.desktops("office", Phase.FAILED, count=1, timeout_s=60)
        assert desktop.failure is not None
        assert desktop.failure.code == "out-of-space", desktop.failure
        assert "No space left" in desktop.failure.text
        assert "Free disk space on this host" in desktop.failure.remedy
        assert [path.name for path in desktops_dir.iterdir() if path.name != "fill"] == []
        assert "Free disk space on this host" in cramped.frazil("desktop", "list").stdout
    cramped.root.act(desktop.id, "retry")
    cramped.desktops("office", count=1, timeout_s=60)
    assert len(cramped.root.desktops()) == len(cramped.disks()) == 1
