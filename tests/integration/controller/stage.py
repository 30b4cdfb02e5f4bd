"""The real controller in a process of its own, and a server's end of the host link that a test drives."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import WebSocketException

from frazil.model.desktop import Guest, Power, State
from frazil.settings import Settings
from frazil.wire.hostlink import (
    Answer,
    Ask,
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSeen,
    DesktopSpec,
    Heartbeat,
    Hello,
    HostLoad,
    ImageObservation,
    Observed,
    Rejected,
    ToServer,
    Welcome,
    to_controller,
    to_server,
)

INSTALLATION = "01900000-0000-7000-8000-00000000aaaa"
HOST = "01900000-0000-7000-8000-00000000bbbb"
PNG = b"\x89PNG\r\n\x1a\n not much of a picture"
START_S = 30.0
BEAT_S = 3.0

_PROGRAM = """
import asyncio, sys
from pathlib import Path
import structlog
from frazil.controller.app import serve
from frazil.runtime import SystemClock, SystemIds
from frazil.settings import Settings
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
base, database_url, controllers, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = Settings(
    state_dir=base / "state", run_dir=base / "run", log_dir=base / "log",
    database_url=database_url, controllers=controllers,
)
ready = lambda: print("ready", flush=True)
try:
    asyncio.run(serve(settings, clock=SystemClock(), ids=SystemIds(), ready=ready, number=number))
except KeyboardInterrupt:
    pass
"""


class Controller:
    """One controller of an installation, which is started and killed; its first and only one, if not said otherwise."""

    def __init__(self, place: Path, *, number: int = 1, controllers: int = 1, database_url: str = "") -> None:
        self.place = place
        self.number = number
        self.settings = Settings(
            state_dir=place / "state",
            run_dir=place / "run",
            log_dir=place / "log",
            database_url=database_url,
            controllers=controllers,
        )
        self.at = self.settings.of_controller(number)
        self.log = place / f"controller-{number}.log"
        self.settings.state_dir.mkdir(exist_ok=True)
        self.settings.installation_file.write_text(
            json.dumps({"installation_id": INSTALLATION, "host_id": HOST}), encoding="utf-8"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, failpoint: str | None = None) -> None:
        env = {**os.environ, "PYTHONWARNINGS": "error"}
        env.pop("FRAZIL_FAILPOINT", None)
        if failpoint is not None:
            env["FRAZIL_FAILPOINT"] = failpoint
        told = [str(self.place), self.settings.database_url, str(self.settings.controllers), str(self.number)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *told], stdout=subprocess.PIPE, stderr=log, env=env
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == b"ready\n", self.log.read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(2)
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(20)
        self.process.stdout.close()
        self.process = None
        return code

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def __enter__(self) -> Controller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()

    def http(self, socket: Path | None = None) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(socket or self.at.local))
        return httpx.AsyncClient(transport=transport, base_url="http://controller", timeout=30)


class Host:
    """A server whose hypervisor is a dictionary: what it makes, it remembers, as real domains outlive processes."""

    def __init__(
        self,
        controller: Controller,
        *,
        host_id: str = HOST,
        installation_id: str = INSTALLATION,
        name: str = "here",
    ) -> None:
        self.controller = controller
        self.host_id = host_id
        self.name = name
        self.installation_id = installation_id
        self.load = HostLoad(memory_available_mib=64_000, disk_free_mib=100_000, load1=0.0)
        self.domains: dict[str, tuple[int, int, int]] = {}
        self.made: list[str] = []
        self.generations: list[int] = []
        self.asked_at: dict[str, datetime] = {}
        """When each desktop was first asked for."""
        self.term = 0
        self.obey = True
        self.rejected: Rejected | None = None

    async def run(self) -> None:
        """Dial every controller, and dial again when the line is lost, until rejected or cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for of in self.controller.settings.controller_sockets:
                tasks.create_task(self._stay(of.hosts))

    async def _stay(self, socket: Path) -> None:
        while self.rejected is None:
            try:
                async with unix_connect(str(socket), "ws://controller/hosts/v1", max_size=1 << 25) as line:
                    beating = asyncio.create_task(self._beat(line))
                    try:
                        await self._serve(line)
                    finally:
                        beating.cancel()
            except (OSError, WebSocketException):  # a death in mid-handshake is neither a reset nor a close
                await asyncio.sleep(0.05)

    async def _beat(self, line: ClientConnection) -> None:
        """Signs of life, from after the hello on."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self._say(line, Heartbeat(load=self.load))

    async def _serve(self, line: ClientConnection) -> None:
        capabilities = Capabilities(kvm=False, spice=True, vcpus=2, memory_mib=65_536, qemu="7.2", libvirt="9.0")
        hello = Hello(
            installation_id=self.installation_id,
            host_id=self.host_id,
            host_name=self.name,
            version="0.1.0",
            capabilities=capabilities,
        )
        await self._say(line, hello)
        async for text in line:
            message: ToServer = to_server.validate_json(text)
            match message:
                case Welcome():
                    pass
                case Rejected():
                    self.rejected = message
                    return
                case Ask():
                    await self._say(line, Answer(id=message.id, png_base64=base64.b64encode(PNG).decode()))
                case Desired() if 0 < message.term < self.term:
                    continue  # of a controller that leads no more
                case Desired():
                    self.term = message.term
                    self.generations.append(message.generation)
                    if self.obey:
                        await self._make_so(line, message)

    async def _make_so(self, line: ClientConnection, desired: Desired) -> None:
        for spec in desired.desktops:
            self.asked_at.setdefault(spec.desktop_id, datetime.now(UTC))
        seen = [self._one(spec) for spec in desired.desktops]
        images = [
            ImageObservation(
                image_id=spec.image_id,
                attempt=spec.attempt,
                state="ready" if spec.wanted == "present" else "absent",
                fraction=1.0,
            )
            for spec in desired.images
        ]
        report = Observed(
            generation=desired.generation,
            complete=True,
            desktops=seen,
            images=images,
            strays=[],
            load=self.load,
        )
        await self._say(line, report)
        for one in seen:
            await self._say(line, DesktopSeen(desktop=one))
        await self._say(line, Heartbeat(load=self.load))

    def _one(self, spec: DesktopSpec) -> DesktopObservation:
        placed = (spec.epoch.generation, spec.epoch.counter, spec.attempt)
        if spec.power is Power.ABSENT:
            self.domains.pop(spec.desktop_id, None)
            state = State.ABSENT
        else:
            if self.domains.get(spec.desktop_id) != placed:
                self.domains[spec.desktop_id] = placed
                self.made.append(spec.desktop_id)
            state = State(spec.power.value)
        return DesktopObservation(
            desktop_id=spec.desktop_id,
            epoch=spec.epoch,
            attempt=spec.attempt,
            state=state,
            guest=Guest.READY if state is State.RUNNING else Guest.SILENT,
            observed_at=datetime.now(UTC),
        )

    async def _say(self, line: ClientConnection, message: Any) -> None:
        await line.send(to_controller.dump_json(message).decode())


@asynccontextmanager
async def connected(host: Host) -> AsyncIterator[Host]:
    task = asyncio.create_task(host.run())
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(what: Callable[[], Any], *, seconds: float = START_S) -> Any:
    """Wait until the awaited answer of `what` is true; fail when it never is."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await what()
            if answer:
                return answer
            await asyncio.sleep(0.02)
