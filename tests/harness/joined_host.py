"""A host that has joined a stack's installation: its server in a process of its own, with directories of its own."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from frazil.cli.supervisor import accounts, places
from frazil.model.clock import Clock
from frazil.runtime import SystemClock
from frazil.server import joining
from frazil.settings import Settings
from frazil.wire.rest import HostInvitation
from tests.harness.apart import Apart
from tests.harness.ports import free_port
from tests.harness.processes import end
from tests.harness.stack import CACHE, REPOSITORY, Stack, configure
from tests.harness.waiting import until

READY_S = 60.0


def at() -> str:
    """An address on which nobody listens."""
    return f"127.0.0.1:{free_port()}"


class JoinedHost:
    """Made with nothing running. Its server is on the hypervisor of files. `close` removes every trace of it.

    apart: its server is in there, and reaches the controller at this end of the line.
    """

    def __init__(self, *, apart: Apart | None = None) -> None:
        self._apart = apart
        self.place = Path(tempfile.mkdtemp(prefix="fz-", dir="/var/tmp"))
        self.place.chmod(0o711)
        self.settings = Settings(
            state_dir=self.place / "state",
            run_dir=self.place / "run",
            log_dir=self.place / "log",
            cache_dir=CACHE,
            displays_listen=at() if apart is None else f"{apart.cards.there}:8445",
            ksm=False,
            zram=False,
        )
        self._config = self.place / "frazil.toml"
        configure(self.settings, self._config)
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> JoinedHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def join(self, invitation: HostInvitation, *, name: str, clock: Clock | None = None) -> None:
        """As `frazil server --join` does. The invitation's name of the machine is nobody's here."""
        places.prepare(self.settings, accounts.ensure())
        controller = "127.0.0.1" if self._apart is None else self._apart.cards.here
        asyncio.run(
            joining.join(
                self.settings,
                f"https://{controller}:{invitation.url.rpartition(':')[2]}",
                invitation.token,
                host_name=name,
                clock=clock or SystemClock(),
            )
        )

    @property
    def host_id(self) -> str:
        return str(json.loads(self.settings.installation_file.read_text())["host_id"])

    def start(self) -> JoinedHost:
        enter = self._apart.enter if self._apart is not None else []
        reader, writer = os.pipe()
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*enter, sys.executable, "-m", "tests.harness.fake_server", "server", "--ready-fd", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writer,),
                env={**os.environ, "FRAZIL_CONFIG": str(self._config), "PYTHONPATH": str(REPOSITORY)},
                cwd="/",
            )
        os.close(writer)
        try:
            ready = bool(select.select([reader], [], [], READY_S)[0]) and os.read(reader, 1) == b"\n"
        finally:
            os.close(reader)
        assert ready, self.log.read_text()
        return self

    @property
    def pid(self) -> int:
        """Of its server."""
        assert self._popen is not None, "it does not run"
        return self._popen.pid

    @property
    def log(self) -> Path:
        return self.settings.log_dir / "server.log"

    def is_up(self, stack: Stack) -> bool:
        return any(host.id == self.host_id and host.state == "up" for host in stack.root.hosts())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._popen is not None:
            if self._popen.poll() is None:
                end(self._popen.pid, number)
            self._popen.wait(timeout=30)
            self._popen = None

    def said(self, event: str) -> bool:
        """Whether the server's log has this event."""
        return any(f'"event": "{event}"' in line for line in self.log.read_text().splitlines())

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.place)


def joined(stack: Stack, name: str = "second") -> JoinedHost:
    """A host that has joined and is up."""
    host = JoinedHost()
    try:
        host.join(stack.root.invite_host(), name=name)
        host.start()
        until(lambda: host.is_up(stack), "the host that joined is up")
    except BaseException:
        host.close()
        raise
    return host
