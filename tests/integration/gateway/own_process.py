"""The gateway as it is deployed: another event loop, its own process, ended by SIGTERM."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.ports import free_port
from tests.integration.gateway.stage import DEADLINE_S, Stage

UNDER_UVLOOP = """
import asyncio, importlib, json, signal, sys, uvloop
from pathlib import Path
from frazil.gateway import app
from frazil.runtime import SystemClock
from frazil.settings import Settings
state, run, listen, *changed = sys.argv[1:]
for name, value in json.loads(changed[0] if changed else "{}").items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module(f"frazil.gateway.{module}"), constant, value)
settings = Settings(state_dir=Path(state), run_dir=Path(run), listen=listen)
async def main():
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await app.serve(settings, clock=SystemClock(), ready=lambda: print("ready", flush=True))
    except asyncio.CancelledError:
        print("stopped", flush=True)
uvloop.run(main())
"""


class OwnGateway:
    """One that runs. `said` is its log so far."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.said = b""

    def resident_kib(self) -> int:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    async def listen(self, out: asyncio.StreamReader) -> None:
        """Read its log as it comes: one that nobody reads would stop it."""
        while part := await out.read(1 << 16):
            self.said += part


@asynccontextmanager
async def own_process(stage: Stage, **changed: float) -> AsyncIterator[OwnGateway]:
    """`stage` leads to it then. `changed` are constants of its modules, such as ``links__HANDSHAKE_DEADLINE_S``."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", UNDER_UVLOOP,
        str(stage.settings.state_dir), str(stage.settings.run_dir), f"127.0.0.1:{port}",
        json.dumps({name.replace("__", "."): value for name, value in changed.items()}),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    gateway = OwnGateway(process.pid)
    async with asyncio.timeout(DEADLINE_S):
        while b"ready" not in (line := await process.stdout.readline()):
            gateway.said += line
            assert line, gateway.said.decode()
    stage.port = port
    listening = asyncio.create_task(gateway.listen(process.stdout))
    try:
        yield gateway
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
            await listening
