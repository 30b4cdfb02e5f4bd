"""Code that the unprivileged processes can read.

A checkout in somebody's home can be read by its owner and root only. Controller and gateway run as other users: for
them a copy is made in the state directory, owned by root, when they could not read the original.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import frazil


@dataclass(frozen=True, slots=True)
class Code:
    """How to start our Python: the interpreter, and PYTHONPATH where it is not its own (empty otherwise)."""

    python: Path
    path: str


def for_root() -> Code:
    """What runs now."""
    return Code(Path(sys.executable), "")


def for_others(state_dir: Path) -> Code:
    """What every user can read: the code that runs now, or a copy of it. Not while Frazil runs from such a copy."""
    package, packages = _ours()
    if _open(package, packages):
        return for_root()
    base = state_dir / "code"
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    copies = _copies(base, packages)
    if not copies.libraries.exists():
        for old in base.glob("libraries-*"):
            shutil.rmtree(old)
        _copy(packages, copies.libraries)
    if copies.own.exists():
        shutil.rmtree(copies.own)
    _copy(package, copies.own / "frazil")
    return copies.code


def as_it_runs(state_dir: Path) -> Code:
    """What `for_others` made for the processes that may be running, left as it is; made where there is none."""
    package, packages = _ours()
    copies = _copies(state_dir / "code", packages)
    if not _open(package, packages) and copies.libraries.exists() and (copies.own / "frazil").exists():
        return copies.code
    return for_others(state_dir)


@dataclass(frozen=True, slots=True)
class _Copies:
    own: Path
    libraries: Path

    @property
    def code(self) -> Code:
        interpreter = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        return Code(interpreter, f"{self.own}:{self.libraries}")


def _copies(base: Path, packages: Path) -> _Copies:
    return _Copies(base / "own", base / f"libraries-{_names_of(packages)}")


def _ours() -> tuple[Path, Path]:
    """Our package's directory, and that of the packages that it needs."""
    return Path(frazil.__file__).resolve().parent, Path(sysconfig.get_path("purelib"))


def _open(package: Path, packages: Path) -> bool:
    return all(open_to_all(path) for path in (package, packages, Path(sys.executable).parent))


def open_to_all(path: Path) -> bool:
    """Whether everyone may read `path` and enter every directory above it."""
    whole = path.resolve()
    if not whole.stat().st_mode & 0o004:
        return False
    return all(directory.stat().st_mode & 0o001 for directory in whole.parents)


def _copy(source: Path, target: Path) -> None:
    """A copy that everyone can read; under its name only when it is whole."""
    fresh = target.with_name(target.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    shutil.copytree(source, fresh, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(target)


def _names_of(packages: Path) -> str:
    """A short hash of which packages are there, in which versions."""
    names = sorted(path.name for path in packages.glob("*.dist-info"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
