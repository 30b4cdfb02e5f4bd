"""Builds a guest image from a recipe: packages into a directory, the directory into a file system, that into a qcow2.

No loop device, no mount in the host's namespace, no network but apt's. Everything runs in process groups and
namespaces that end with the build, whatever ends it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from frazil.model.errors import Conflict, HostError, OutOfSpace
from frazil.server.images import progress as phases
from frazil.server.images.command import run
from frazil.server.images.files import ImageFiles, file_sha256, keep_facts, read_image_files
from frazil.server.images.initramfs import build_initramfs
from frazil.server.images.kernel import unpack_kernel
from frazil.server.images.progress import BuildProgress, InstallReader, Meter
from frazil.server.images.recipe import Recipe
from frazil.server.images.sources import Source, carried_settings, guest_sources, host_sources

BUILDER_VERSION = "1"
NEEDED_BYTES = 4 * 1024**3
_SOFT_MODULES = {"ext4": "crc32c_generic"}
# A mount and a process namespace: whatever the installation mounts or starts is gone with it.
_CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--")


def cache_key(recipe: Recipe) -> str:
    """Names what `recipe` builds with this builder: equal keys, equal recipes (not equal package versions)."""
    return hashlib.sha256(f"{BUILDER_VERSION}\0{recipe.digest()}".encode()).hexdigest()[:32]


def build_image(
    *,
    recipe: Recipe,
    into: Path,
    progress: Callable[[BuildProgress], None],
    cancel: threading.Event | None = None,
    log: Path | None = None,
    mirror: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ImageFiles:
    """Build `recipe` into the directory `into`, which must not exist yet. Blocks for a minute or two. Needs root.

    progress: called from this thread, several times a second at most. cancel: set it to stop.
    log: where all output goes (default: beside `into`, NAME.build.log); it stays after a failure.
    mirror: an archive instead of the host's own apt sources.

    Raises Conflict (`into` exists), InvalidInput (no archive has the suite), OutOfSpace, Cancelled, and HostError
    with the last lines of what failed. `into` is then as it was: not there.
    """
    cancel = cancel or threading.Event()
    log = log or into.with_name(into.name + ".build.log")
    if into.exists():
        raise Conflict(f"{into} is there already.", remedy="Build into a directory that does not exist yet.")
    sources = guest_sources(suite=recipe.os.suite, components=recipe.os.components, host=host_sources(), mirror=mirror)
    meter = Meter(progress, clock=clock)
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(into.parent).free
        if free < NEEDED_BYTES:
            raise OutOfSpace(
                f"Building needs {NEEDED_BYTES >> 20} MiB in {into.parent}, which has {free >> 20} MiB.",
                remedy="Make room there and build again.",
            )
        with ExitStack() as undo:
            log.parent.mkdir(parents=True, exist_ok=True)
            log_file = undo.enter_context(log.open("wb"))
            work = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
            undo.callback(_remove, work)
            image = work / "image"
            image.mkdir(mode=0o755)
            root = work / "root"
            _install(recipe, root=root, sources=sources, log=log_file, cancel=cancel, meter=meter)
            meter.enter(phases.BOOT_FILES)
            _boot_files(recipe, root=root, image=image)
            raw = work / "disk.raw"
            meter.enter(phases.FILE_SYSTEM)
            run(_mkfs(recipe, root=root, raw=raw), what="Writing the file system", log=log_file, cancel=cancel)
            meter.enter(phases.DISK)
            disk = image / "disk.qcow2"
            convert = [
                "qemu-img",
                "convert",
                "-W",
                "-f",
                "raw",
                "-O",
                "qcow2",
                "-o",
                "lazy_refcounts=off",
                str(raw),
                str(disk),
            ]
            run(convert, what="Writing the disk image", log=log_file, cancel=cancel)
            meter.enter(phases.CHECKSUM)
            checksum = file_sha256(disk, cancel=cancel, tell=meter.within)
            facts = ImageFiles(
                directory=image,
                disk=disk,
                virtual_size_bytes=recipe.disk_virtual_size_mib << 20,
                disk_sha256=checksum,
                kernel=image / "kernel",
                initrd=image / "initrd",
                cmdline=" ".join(recipe.boot.cmdline),
            )
            keep_facts(facts)
            image.rename(into)
            meter.done()
            log_file.write(f"\ntook, in seconds: {meter.took_s}\n".encode())
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Conflict(f"{into} was built by someone else meanwhile.", remedy="Use what is there.") from exc
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(
                f"Building stopped: {into.parent} is full.", remedy="Make room there and build again."
            ) from exc
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise Conflict(f"{into} was made by somebody else meanwhile.", remedy="Use that one.") from exc
        raise HostError(f"Building stopped: {exc}.", remedy=f"All output is in {log}.") from exc
    return read_image_files(into)


def _install(
    recipe: Recipe, *, root: Path, sources: Sequence[Source], log: BinaryIO, cancel: threading.Event, meter: Meter
) -> None:
    command = [*_CONTAINED, "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--verbose"]
    command += ["--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"']
    command += [f"--aptopt={setting}" for setting in carried_settings(_apt_settings())]
    command += [f"--dpkgopt=path-exclude={path}" for path in recipe.packages.exclude_paths]
    command += [f"--dpkgopt=path-include={path}" for path in recipe.packages.include_paths]
    command += [f"--architectures={recipe.os.architecture}", f"--include={','.join(recipe.packages.include)}"]
    # Hooks are shell; what they need comes by the environment, so that no path is ever read as code.
    names = {}
    for number, overlay in enumerate((*recipe.overlays, _warm_list(recipe, at=root.with_name("warm")))):
        names[f"FRAZIL_OVERLAY_{number}"] = str(overlay)
        command.append(
            f'--customize-hook=tar -C "$FRAZIL_OVERLAY_{number}" --owner=0 --group=0 --numeric-owner '
            '--mode=u+rw,go=rX -cf - . | tar -C "$1" --no-overwrite-dir -xf -'
        )
    for number, script in enumerate(recipe.scripts):
        names[f"FRAZIL_SCRIPT_{number}"] = str(script)
        command.append(
            f'--customize-hook=install -m 755 "$FRAZIL_SCRIPT_{number}" "$1/tmp/customize" '
            '&& chroot "$1" /tmp/customize && rm "$1/tmp/customize"'
        )
    command += [recipe.os.suite, str(root), "-"]
    # apt's options were for this installation only.
    command.insert(-3, '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"')
    text = "".join(source.line() + "\n" for source in sources)
    env = ["env", f"PATH={os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}:/usr/sbin:/sbin", "LC_ALL=C.UTF-8"]
    run(
        [*env, *(f"{key}={value}" for key, value in names.items()), *command],
        what="Installing the packages", log=log, cancel=cancel, on_line=InstallReader(meter).line, stdin=text.encode(),
    )  # fmt: skip


def _apt_settings() -> str:
    """What the host's apt is set to. Raises HostError, and OSError where apt is not there."""
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, check=True, timeout=60)
    except subprocess.SubprocessError as exc:
        raise HostError(
            "The host's apt does not tell its settings.", remedy="See what `apt-config dump` says."
        ) from exc
    return dump.stdout.decode("utf-8", "replace")


def _warm_list(recipe: Recipe, *, at: Path) -> Path:
    """A directory to lay over the root: what the guest is to warm up before it is frozen."""
    file = at / "etc/frazil-guest/warm"
    file.parent.mkdir(parents=True)
    for directory in (at, *(path for path in at.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    file.write_text("".join(f"{line}\n" for line in recipe.warm), encoding="utf-8")
    return at


def _boot_files(recipe: Recipe, *, root: Path, image: Path) -> None:
    """Kernel, initial RAM disk and command line beside the disk."""
    releases = sorted(path.name for path in (root / "usr/lib/modules").glob("*"))
    if len(releases) != 1:
        raise HostError(
            f"The image has {len(releases)} kernels; it must have one.", remedy="Mend [packages] include of the recipe."
        )
    packed = (root / f"boot/vmlinuz-{releases[0]}").read_bytes()
    (image / "kernel").write_bytes(unpack_kernel(packed) or packed)
    (image / "initrd").write_bytes(
        build_initramfs(root, release=releases[0], modules=recipe.boot.modules, soft=_SOFT_MODULES)
    )
    (image / "cmdline").write_text(" ".join(recipe.boot.cmdline) + "\n", encoding="utf-8")


def _mkfs(recipe: Recipe, *, root: Path, raw: Path) -> list[str]:
    # 5 % for root makes no sense on a desktop; a small journal, for every clone rewrites it on a disk of its own.
    return [
        "mkfs.ext4", "-q", "-F", "-L", recipe.disk_label, "-m", "1", "-J", "size=32",
        "-E", "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0", "-d", str(root), str(raw),
        f"{recipe.disk_virtual_size_mib}M",
    ]  # fmt: skip


def _remove(path: Path) -> None:
    shutil.rmtree(path)
