"""The controller's process, put together: store, use cases, reconciler, and four sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvicorn
from starlette.types import ASGIApp

from frazil.controller import hostdoor, internal, portal, sockets
from frazil.controller.api import app as api_app
from frazil.controller.api.callers import Listener, On
from frazil.controller.hostlink import HostLinks
from frazil.controller.identity.passwords import Passwords
from frazil.controller.installation import read_installation_id
from frazil.controller.leadership import Leadership
from frazil.controller.metrics import Measures
from frazil.controller.presence import Presence
from frazil.controller.reconcile import Reconciler
from frazil.controller.services import Context, Joins, build, forgetting
from frazil.controller.store import Store
from frazil.controller.store.engine import url_of
from frazil.model.clock import Clock, Ids
from frazil.settings import Settings

STOP_S = 5
"""So long, requests under way may take when the process is asked to end."""

log = structlog.get_logger(__name__)


async def serve(settings: Settings, *, clock: Clock, ids: Ids, ready: Callable[[], None], number: int = 1) -> None:
    """Run the controller until it is cancelled. `ready` is called once all sockets are open.

    number: of the installation's controllers, this one; counted from 1. Raises InvalidInput when the installation's
    file or the database's place is not there, Conflict when this controller is running already.
    """
    at = settings.of_controller(number)
    installation_id = read_installation_id(settings.installation_file)
    async with AsyncExitStack() as stack:
        listening = {path: _listen(stack, path) for path in at}
        store = await asyncio.to_thread(Store.open, url_of(settings))
        stack.callback(store.close)
        passwords = Passwords()
        stack.callback(passwords.close)
        ctx = Context(
            store=store,
            clock=clock,
            ids=ids,
            passwords=passwords,
            presence=Presence(clock),
            measures=Measures(number),
        )
        services = build(
            ctx, viewer_trust_file=settings.viewer_trust_file, joins=_joins(settings, installation_id=installation_id)
        )
        leadership = Leadership(store, clock=clock, holder=ids.new_id())
        links = HostLinks(
            ctx,
            leadership,
            installation_id=installation_id,
            heartbeat_s=settings.heartbeat_s,
            controllers=settings.controllers,
        )
        leadership.changed = links.lead
        reconciler = Reconciler(ctx, leadership)
        ctx.wake = reconciler.wake
        ctx.tell_hosts = links.refresh
        ctx.ask_host = links.ask
        ctx.leads = lambda: leadership.leads
        await services.measuring.begin()
        app = api_app.create(services)
        portal.mount(app, services, settings)
        apps: dict[Path, ASGIApp] = {
            at.public: On(app, Listener.PUBLIC),
            at.local: On(app, Listener.LOCAL),
            at.internal: internal.create(ctx, services),
        }
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(leadership.run()),
                tasks.create_task(store.listen(reconciler.wake)),
                tasks.create_task(reconciler.run()),
                tasks.create_task(forgetting.run(ctx, days=settings.history_days)),
            ]
            if settings.hosts_listen:
                door = hostdoor.Door(links, services.joining, trust_dir=settings.trust_dir)
                loops.append(tasks.create_task(door.run(settings.hosts_listen, number=number)))
            async with (
                hostdoor.local(links, listening[at.hosts]),
                _servers(tasks, apps, listening, stopping=store.changed.close),
            ):
                log.info("controller.ready", sockets=[str(path) for path in listening])
                ready()
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    for loop in loops:
                        loop.cancel()


def _joins(settings: Settings, *, installation_id: str) -> Joins | None:
    if not settings.hosts_listen:
        return None
    address, _, port = settings.hosts_listen.rpartition(":")
    if address.strip("[]") in ("", "0.0.0.0", "::"):
        address = urlsplit(settings.public_url).hostname or socket.gethostname()
    return Joins(
        installation_id=installation_id,
        trust_dir=settings.trust_dir,
        url=f"https://{address}:{port}",
        controllers=settings.controllers,
    )


def _listen(stack: AsyncExitStack, path: Path) -> socket.socket:
    made = sockets.listen(path)
    stack.callback(path.unlink, missing_ok=True)
    stack.callback(made.close)
    return made


class _Server(uvicorn.Server):
    """uvicorn, without its signal handlers: the process is stopped by cancelling `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _servers(
    tasks: asyncio.TaskGroup,
    apps: dict[Path, ASGIApp],
    listening: dict[Path, socket.socket],
    *,
    stopping: Callable[[], None],
) -> AsyncIterator[None]:
    """All servers, answering inside the block. On the way out streams end and requests under way are finished."""
    servers = []
    running = []
    for path, app in apps.items():
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
        )
        server = _Server(config)
        servers.append(server)
        running.append(tasks.create_task(server.serve(sockets=[listening[path]])))
    try:
        yield
    finally:
        stopping()
        for server in servers:
            server.should_exit = True
        # Shielded from the cancellation that brought us here; each server's own time to end is bounded.
        await asyncio.wait(running, timeout=STOP_S + 2)
