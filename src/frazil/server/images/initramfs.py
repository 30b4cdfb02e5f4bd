"""The smallest initial RAM disk that mounts a root disk: one static init and the modules that it loads.

`tiny-initramfs` (a Debian package) brings that init: it reads `/modules`, loads what is listed in that order, mounts
`root=` from the kernel's command line and starts the real init. There is no udev and no shell in it, so it takes
a tenth of a second where initramfs-tools takes seconds without KVM.

Source: cpio "newc", Documentation/driver-api/early-userspace/buffer-format.rst of Linux; modules.dep(5).
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from frazil.model.errors import HostError

INIT_PATH = "usr/lib/x86_64-linux-gnu/tiny-initramfs/init-static"
_TRAILER = "TRAILER!!!"


@dataclass(slots=True)
class _Archive:
    """A cpio archive being written; all of root, all of one moment, so that it is the same every time."""

    parts: list[bytes] = field(default_factory=list)
    inode: int = 0

    def add(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self.inode += 1
        encoded = name.encode() + b"\0"
        numbers = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers)
        for part in (header + encoded, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def bytes(self) -> bytes:
        self.add(_TRAILER, 0)
        return b"".join(self.parts)


def load_order(names: Iterable[str], *, dependencies: str, builtin: str) -> tuple[str, ...]:
    """Paths of the modules to load, each after what it needs.

    names: module names, `-` and `_` alike. dependencies: text of modules.dep. builtin: text of modules.builtin.

    Raises HostError for a module that is neither a file nor built in.
    """
    needs: dict[str, tuple[str, ...]] = {}
    path_of: dict[str, str] = {}
    for line in dependencies.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = tuple(rest.split())
        path_of[_module_name(path)] = path
    built_in = {_module_name(line) for line in builtin.splitlines()}
    order: dict[str, None] = {}

    def visit(path: str) -> None:
        # modules.dep lists all a module needs, itself closed; the last one is to be loaded first.
        for needed in reversed(needs[path]):
            order.setdefault(needed)
        order.setdefault(path)

    for name in names:
        wanted = name.replace("-", "_")
        if wanted in path_of:
            visit(path_of[wanted])
        elif wanted not in built_in:
            raise HostError(
                f"The image's kernel has no module {name}, which its recipe wants at boot.",
                remedy="Check [boot] modules and [packages] exclude_paths of the recipe.",
            )
    return tuple(order)


def _module_name(path: str) -> str:
    return PurePosixPath(path).name.partition(".ko")[0].replace("-", "_")


def build_initramfs(
    root: Path, *, release: str, modules: Iterable[str], soft: Mapping[str, str] | None = None
) -> bytes:
    """A gzip-compressed initial RAM disk for the kernel `release` of the system in `root`.

    soft: further modules by name that a module asks for without a hard dependency (ext4 wants crc32c at mount).

    Raises HostError where the init or a module is missing.
    """
    base = root / "usr/lib/modules" / release
    wanted = [*modules]
    for module, needed in (soft or {}).items():
        if module in wanted:
            wanted.insert(wanted.index(module), needed)
    order = load_order(
        wanted,
        dependencies=(base / "modules.dep").read_text(encoding="utf-8"),
        builtin=(base / "modules.builtin").read_text(encoding="utf-8"),
    )
    init = root / INIT_PATH
    if not init.is_file():
        raise HostError(
            "The image has no init for its initial RAM disk.",
            remedy="Add the package tiny-initramfs to [packages] include of the recipe.",
        )
    archive = _Archive()
    for name in ("dev", "proc", "sys", "target"):
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("init", stat.S_IFREG | 0o755, init.read_bytes())
    names = []
    for path in order:
        name = PurePosixPath(path).name
        archive.add(name, stat.S_IFREG | 0o644, (base / path).read_bytes())
        names.append(f"/{name}\n")
    archive.add("modules", stat.S_IFREG | 0o644, "".join(names).encode())
    return gzip.compress(archive.bytes(), compresslevel=6, mtime=0)
