"""Runs a benchmark behind a libvirt of its own: namespaces in which libvirtd may be killed and nobody else is met."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.harness.machine import Machine  # noqa: E402

INSIDE = "--inside"


def inside(script: str, arguments: list[str], *, memory_cgroup: Path | None = None) -> int:
    """Run `script` anew inside such a machine, with `--inside DIRECTORY` added. Its exit code."""
    with tempfile.TemporaryDirectory(prefix="fz-bench-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o711)
        machine = Machine(place, memory_cgroup=memory_cgroup)
        try:
            argv = [*machine.enter, sys.executable, str(Path(script).resolve()), *arguments, INSIDE, name]
            return subprocess.run(argv, check=False, cwd="/").returncode
        finally:
            machine.close()
