"""The gateway's process: one public TLS port for pages, API and SPICE."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import resource
import socket
from collections.abc import Callable

import structlog

from frazil.gateway import measuring, revocations
from frazil.gateway.connection import ConnectionParts, serve_connection
from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.controllers import Controllers
from frazil.gateway.links import LinkParts
from frazil.gateway.places import Places
from frazil.gateway.refusals import RefusedLinks
from frazil.gateway.remote_displays import RemoteDisplays
from frazil.gateway.reports import Reports
from frazil.gateway.sessions import LiveSessions
from frazil.gateway.tls import SERVED_FILE, ServedCertificate
from frazil.model.clock import Clock, Ids
from frazil.model.errors import InvalidInput
from frazil.runtime import SystemIds
from frazil.settings import Settings
from frazil.spice.auth import TicketKey

CONNECTIONS_MAX = 4096
BACKLOG = 512
FILES_WANTED = 4 * CONNECTIONS_MAX
NO_FILES_PAUSE_S = 0.5
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 224 << 10
"""Over what a display socket holds, under what uvloop keeps for a TLS connection and what a line is measured by."""
FAREWELL_S = 1.0

_log = structlog.get_logger()


async def serve(settings: Settings, *, clock: Clock, ready: Callable[[], None], ids: Ids | None = None) -> None:
    """Serve until cancelled; then tell each viewer that it may come back soon.

    `frazil.gateway.tls.ensure_certificates` must have run. `ready` is called once, when connections are taken. `ids`
    makes the references in problem documents. Raises InvalidInput when the certificate can't be used or the port can't
    be had.
    """
    certificate = ServedCertificate(settings.tls_dir / SERVED_FILE)
    listening = listen(settings.listen)
    _raise_file_limit()
    _keep_large_buffers_untouched()
    gc.freeze()  # What was imported stays; looking for garbage in it, again and again, would hold up all links.
    controller = ControllerSide([of.internal for of in settings.controller_sockets])
    each_alone = [ControllerSide([of.internal]) for of in settings.controller_sockets]
    reports = Reports(controller)
    refusals = RefusedLinks(controller)
    sessions = LiveSessions()
    parts = ConnectionParts(
        clock=clock,
        ids=ids or SystemIds(),
        context=certificate.context,
        controllers=Controllers([of.public for of in settings.controller_sockets]),
        links=LinkParts(
            clock=clock,
            controller=controller,
            reports=reports,
            refusals=refusals,
            sessions=sessions,
            display_socket=settings.display_socket,
            remote=RemoteDisplays(settings.trust_dir),
            key=TicketKey(),
            places=Places(),
            tls_port=listening.getsockname()[1],
            certificate=certificate,
        ),
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reports.run())
            tasks.create_task(refusals.run())
            tasks.create_task(certificate.follow())
            tasks.create_task(revocations.follow(controller, sessions))
            for one in each_alone:  # each keeps in its memory what it is told
                tasks.create_task(measuring.tell(one, sessions, clock=clock))
            tasks.create_task(_take_connections(listening, parts))
            _log.info("gateway.listening", address=settings.listen)
            ready()
    finally:
        listening.close()
        await _farewell(reports, refusals)
        for one in (controller, *each_alone):
            await one.aclose()
        _log.info("gateway.stopped")


def listen(address: str) -> socket.socket:
    """A listening, non-blocking socket on ``host:port`` or ``[host]:port``. Raises InvalidInput."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(
            f"{address!r} is no address to listen on.", remedy="Write it as 0.0.0.0:8443 or [::]:8443.", field="listen"
        )
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, int(port)))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as exc:
        sock.close()
        taken = exc.errno == errno.EADDRINUSE
        raise InvalidInput(
            f"The gateway can't listen on {address}: {exc.strerror or exc}.",
            remedy=f"Stop what uses port {port} (ss -ltnp shows it), or set `listen` to another port."
            if taken
            else "Set `listen` to an address of this machine.",
            field="listen",
        ) from exc
    return sock


async def _take_connections(listening: socket.socket, parts: ConnectionParts) -> None:
    loop = asyncio.get_running_loop()
    open_now = 0
    async with asyncio.TaskGroup() as tasks:
        while True:
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    _log.error("gateway.no-room", why=exc.strerror)
                    await asyncio.sleep(NO_FILES_PAUSE_S)
                    continue
                if exc.errno in (errno.EBADF, errno.EINVAL):
                    raise
                continue  # That peer was gone before it was taken.
            if open_now >= CONNECTIONS_MAX:
                sock.close()
                _log.warning("gateway.too-many-connections", most=CONNECTIONS_MAX)
                continue
            open_now += 1
            address = str(peer[0]).removeprefix("::ffff:")
            task = tasks.create_task(_guarded(sock, address, parts))

            def gone(_: asyncio.Task[None]) -> None:
                nonlocal open_now
                open_now -= 1

            task.add_done_callback(gone)


async def _guarded(sock: socket.socket, address: str, parts: ConnectionParts) -> None:
    """One connection's bug must not end the others: it is logged in full here, and nowhere swallowed silently."""
    try:
        await serve_connection(sock, address, parts)
    except Exception:  # noqa: BLE001
        _log.exception("gateway.bug", remote_address=address)


async def _farewell(reports: Reports, refusals: RefusedLinks) -> None:
    """Say what can still be said of the links that just closed, briefly."""
    try:
        async with asyncio.timeout(FAREWELL_S):
            await reports.flush()
            await refusals.flush()
    except TimeoutError:
        _log.info("gateway.reports-undelivered")


def _raise_file_limit() -> None:
    """Each link holds two descriptors; many systems allow 1,024 by default and far more on demand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _keep_large_buffers_untouched() -> None:
    """Each large buffer is mapped by itself: only pages that were written to count, and it goes back whole.

    glibc does so until the first one is freed; then it gives out used memory and leaves holes (mallopt(3)). Another C
    library has no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
