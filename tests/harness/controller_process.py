"""The controller by its real entry point, `frazil controller`, in a directory of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from frazil.settings import Settings
from tests.harness.processes import end

INSTALLATION = "01900000-0000-7000-8000-00000000aaaa"
HOST = "01900000-0000-7000-8000-00000000bbbb"
STARTING_S = 120.0


class ControllerProcess:
    """Made stopped; use as a context manager, which kills it at the end."""

    def __init__(self, place: Path, *, database_url: str = "") -> None:
        self.settings = Settings(
            state_dir=place / "state", run_dir=place / "run", log_dir=place / "log", database_url=database_url
        )
        self.log_file = place / "controller.log"
        self._config = place / "frazil.toml"
        self._process: subprocess.Popen[bytes] | None = None
        self.settings.state_dir.mkdir()
        self.settings.installation_file.write_text(
            json.dumps({"installation_id": INSTALLATION, "host_id": HOST}), encoding="utf-8"
        )
        given = {
            "state_dir": str(self.settings.state_dir),
            "run_dir": str(self.settings.run_dir),
            "log_dir": str(self.settings.log_dir),
            "database_url": database_url,
        }
        self._config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items()))

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is stopped"
        return self._process.pid

    def start(self) -> None:
        """Returns once it is ready. AssertionError, with its log, when it is not."""
        reader, writer = os.pipe()
        argv = [sys.executable, "-m", "frazil.cli.main", "controller", "--ready-fd", str(writer)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(writer,), cwd="/",
                env={**os.environ, "FRAZIL_CONFIG": str(self._config)},
            )  # fmt: skip
        os.close(writer)
        try:
            readable, _, _ = select.select([reader], [], [], STARTING_S)
            ready = bool(readable) and os.read(reader, 1) == b"\n"
        finally:
            os.close(reader)
        assert ready, self.log_file.read_text()

    def kill(self) -> None:
        end(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def said(self, event: str) -> list[dict[str, object]]:
        """What its log tells under this name, over all its lives."""
        whole = self.log_file.read_text().rpartition("\n")[0].splitlines()
        return [told for line in whole if line.startswith("{") and (told := json.loads(line)).get("event") == event]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
