"""`frazil up` with the server of `fake_server`: the real supervisor, controller and gateway, and no libvirt."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from dataclasses import dataclass, fields
from pathlib import Path

from frazil.cli import connection
from frazil.cli.supervisor import accounts, code, lock, places
from frazil.cli.supervisor.child import Child, children
from frazil.cli.supervisor.keeper import Keeper
from frazil.cli.supervisor.peers import ensure_peers
from frazil.gateway.tls import ensure_certificates
from frazil.runtime import SystemClock, SystemIds
from frazil.settings import Settings

REPOSITORY = Path(__file__).parents[2]
FAKE_SERVER = "tests.harness.fake_server"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeServer(Child):
    """The server's place in the supervisor, taken by `fake_server`."""

    def argv(self, ready_fd: int) -> list[str]:
        return [*self.prefix, "--", str(self.code.python), "-m", FAKE_SERVER, "server", "--ready-fd", str(ready_fd)]


def _with_fake(child: Child) -> Child:
    if child.name != "server":
        return child
    given = {field.name: getattr(child, field.name) for field in fields(Child)}
    return FakeServer(**{**given, "code": code.Code(child.code.python, str(REPOSITORY))})


def run(settings: Settings, ready_fd: int) -> None:
    """Until told to stop."""
    with lock.held(settings):
        users = accounts.ensure()
        places.prepare(settings, users)
        installation_id = places.ensure_installation(settings, ids=SystemIds())
        ensure_certificates(settings, clock=SystemClock(), owner_gid=users.gateway.gid)
        ensure_peers(settings, users, installation_id, clock=SystemClock())
        kept = children(settings, users, own=code.for_root(), others=code.for_others(settings.state_dir))
        asyncio.run(_keep([_with_fake(child) for child in kept], ready_fd))


async def _keep(kept: list[Child], ready_fd: int) -> None:
    keeper = Keeper(kept, clock=SystemClock(), say=lambda words: print(words, flush=True), environment=os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, keeper.stop)

    async def tell() -> None:
        await keeper.all_ready()
        os.write(ready_fd, b"\n")
        os.close(ready_fd)

    async with asyncio.TaskGroup() as group:
        telling = group.create_task(tell())
        await keeper.run()
        telling.cancel()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--ready-fd", type=int, required=True)
    run(connection.settings(), arguments.parse_args().ready_fd)
