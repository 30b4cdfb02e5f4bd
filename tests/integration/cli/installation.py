"""An installation of its own for a test: real processes, real libvirt, and the commands against them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from frazil.cli.exits import Exit
from frazil.runtime import SystemClock
from frazil.settings import Settings


class Installation:
    """One installation beside every other on this machine."""

    def __init__(self, place: Path, settings: Settings) -> None:
        self.settings = settings
        self.home = place / "home"
        self.home.mkdir()
        self.config = place / "frazil.toml"
        names = ("state_dir", "run_dir", "log_dir", "cache_dir", "listen")
        self.config.write_text("".join(f'{name} = "{getattr(settings, name)}"\n' for name in names))

    def frazil(
        self, *words: str, stdin: str = "", expect: int = Exit.DONE, env: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "frazil.cli.main", *words],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "FRAZIL_CONFIG": str(self.config), "HOME": str(self.home), **env},
            check=False,
            timeout=120,
            cwd="/",
        )
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def ask(self, *words: str, env: Mapping[str, str] = MappingProxyType({})) -> object:
        """The command's JSON: everything that it wrote to the standard output."""
        return json.loads(self.frazil(*words, "--json", env=env).stdout)

    def up_log(self) -> str:
        return (self.settings.log_dir / "up.log").read_text()


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 90) -> None:
    clock = SystemClock()
    deadline = clock.monotonic_s() + timeout_s
    while not condition():
        assert clock.monotonic_s() < deadline, "it did not come"
        signal.sigtimedwait([], 0.05)  # a pause between two looks
