"""The controller's end of the host link (`wire.hostlink`): a WebSocket for each server."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Collection, Iterator, Sequence
from functools import partial

import structlog
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from frazil import failpoint
from frazil.controller import hostreports
from frazil.controller.hostreports import Report
from frazil.controller.leadership import Leadership
from frazil.controller.reports import Reports
from frazil.controller.services.context import Context
from frazil.controller.store import hosts
from frazil.controller.together import Together
from frazil.model.errors import FrazilError, HostError, RemoteProtocolError, Unavailable
from frazil.wire.hostlink import (
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Answer,
    Ask,
    Desired,
    DesktopSeen,
    FailureField,
    Heartbeat,
    Hello,
    HostEvent,
    ImageSeen,
    Observed,
    Rejected,
    TemplateSeen,
    ToController,
    ToServer,
    Welcome,
    to_controller,
    to_server,
)

PATH = "/hosts/v1"
HELLO_DEADLINE_S = 10.0
SEND_DEADLINE_S = 10.0
DESIRED_AT_ONCE = 50
"""What is wanted of so many hosts is read in one transaction."""
CLOSE_REFUSED = 1008
CLOSE_REPLACED = 4001
CLOSE_TRY_AGAIN = 1013

log = structlog.get_logger(__name__)


class _Over(Exception):
    """A newer connection of the same host took over, or this controller leads no more: the host is to dial anew."""


class Link:
    """One connected server. Used from the event loop only.

    sent: the newest Desired that went out; what a report leaves out is judged by it.
    generations: numbers for what is sent; a next block is taken when they are used up.
    over: it is to be closed.
    known_key: SHA-256 of the key that a host on another machine showed; empty for this machine's.
    """

    def __init__(self, host_id: str, websocket: ServerConnection, known_key: str = "") -> None:
        self.host_id = host_id
        self.known_key = known_key
        self.sent: Desired | None = None
        self.generations: Iterator[int] = iter(())
        self.dirty = asyncio.Event()
        self.over = False
        self.questions: dict[str, asyncio.Future[Answer]] = {}
        self._websocket = websocket
        self._sending = asyncio.Lock()

    async def send(self, message: ToServer) -> None:
        text = to_server.dump_json(message).decode()
        async with self._sending, asyncio.timeout(SEND_DEADLINE_S):
            await self._websocket.send(text)


class HostLinks:
    """All connected servers.

    Servers dial every controller. The one that leads tells them what is wanted and writes down what they see; the
    others know from them who is there, and may ask.
    """

    def __init__(
        self, ctx: Context, leadership: Leadership, *, installation_id: str, heartbeat_s: float, controllers: int = 1
    ) -> None:
        """controllers: so many there are."""
        self._ctx = ctx
        self._leadership = leadership
        self._installation_id = installation_id
        self._heartbeat_s = heartbeat_s
        self._controllers = controllers
        self._links: dict[str, Link] = {}
        self._reports = Reports(ctx, leadership)
        self._desired: Together[str, Desired] = Together(self._read_desired, at_once=DESIRED_AT_ONCE)

    def refresh(self, host_ids: Collection[str]) -> None:
        """What is wanted of these hosts may have changed: their links look, and send if so."""
        for host_id in host_ids:
            if (link := self._links.get(host_id)) is not None:
                link.dirty.set()

    def lead(self, leads: bool) -> None:
        """This controller has begun, or ceased, to lead."""
        for link in self._links.values():
            if leads:
                # What another leader told meanwhile is not known here; its numbers are to be left behind.
                link.sent, link.generations = None, iter(())
            else:
                link.over = True
            link.dirty.set()

    async def ask(self, host_id: str, *, desktop_id: str, deadline_s: float) -> bytes:
        """A PNG of the desktop's screen. Raises HostError, or Unavailable when the host is not connected."""
        link = self._links.get(host_id)
        if link is None:
            raise Unavailable("The desktop's host is not connected.", remedy="Try again when it is back.")
        question = Ask(id=self._ctx.ids.new_id(), method="screenshot", desktop_id=desktop_id, deadline_s=deadline_s)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        link.questions[question.id] = future
        try:
            async with asyncio.timeout(deadline_s):
                await link.send(question)
                answer = await future
        except (TimeoutError, ConnectionClosed, ConnectionError) as exc:
            raise Unavailable(
                f"The desktop's host did not answer within {deadline_s:.0f} s.", remedy="Try again."
            ) from exc
        finally:
            link.questions.pop(question.id, None)
        if answer.failure is not None:
            raise HostError(answer.failure.text, remedy=answer.failure.remedy)
        try:
            return base64.b64decode(answer.png_base64 or "", validate=True)
        except binascii.Error as exc:
            raise HostError("The host sent a picture that can't be read.", remedy="Try again.") from exc

    @property
    def has_others(self) -> bool:
        """Whether a host on another machine is linked."""
        return any(link.known_key for link in self._links.values())

    def keep_only(self, keys: Collection[str]) -> None:
        """End the links of hosts on other machines that showed none of these keys."""
        for link in self._links.values():
            if link.known_key and link.known_key not in keys:
                log.warning("host.key-no-longer-good", host=link.host_id)
                link.over = True
                link.dirty.set()

    async def serve(self, websocket: ServerConnection, host_id: str = "", known_key: str = "") -> None:
        """One connection, from its hello to its end.

        host_id, known_key: which host its certificate is of, and that one's key; empty for who needs none, since only
        this machine's root comes in that way.
        """
        try:
            async with asyncio.timeout(HELLO_DEADLINE_S):
                hello = await _receive(websocket)
        except (TimeoutError, ConnectionClosed, RemoteProtocolError) as exc:
            log.warning("host.no-hello", reason=type(exc).__name__)
            await _close(websocket, CLOSE_TRY_AGAIN)
            return
        refusal = self._refusal(hello, host_id)
        if refusal is not None or not isinstance(hello, Hello):
            await reject(
                websocket, refusal or FailureField(code="protocol-error", text="The first message was not a hello.")
            )
            return
        link = Link(hello.host_id, websocket, known_key)
        try:
            await self._welcome(link, hello, str(websocket.remote_address[0]) if known_key else "")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_desired(link))
                tasks.create_task(self._read(link, websocket))
        except* (ConnectionClosed, TimeoutError):
            log.info("host.link-lost", host=link.host_id)
        except* _Over:
            log.info("host.link-over", host=link.host_id)
            await _close(websocket, CLOSE_REPLACED)
        except* FrazilError as group:
            log.error("host.link-failed", host=link.host_id, reasons=[str(exc) for exc in group.exceptions])
            await _close(websocket, CLOSE_TRY_AGAIN)
        finally:
            if self._links.get(link.host_id) is link:
                del self._links[link.host_id]
            for future in link.questions.values():
                if not future.done():
                    future.set_exception(ConnectionResetError())
            self._ctx.wake()

    def _refusal(self, hello: ToController | None, host_id: str) -> FailureField | None:
        if not isinstance(hello, Hello):
            return None
        if host_id and hello.host_id != host_id:
            return FailureField(
                code="refused",
                text=f"The server on {hello.host_name} says that it is another host than its certificate is of.",
                remedy="Let it join again: frazil host invite, on the controller",
            )
        if hello.installation_id != self._installation_id:
            return FailureField(
                code="wrong-installation",
                text=f"The server on {hello.host_name} belongs to another installation.",
                remedy="Give it this installation's file, installation.json, or point it at its own controller.",
            )
        if hello.protocol_min > PROTOCOL_MAX or hello.protocol_max < PROTOCOL_MIN:
            return FailureField(
                code="wrong-protocol",
                text=f"The server on {hello.host_name} speaks versions {hello.protocol_min} to {hello.protocol_max} "
                f"of the host link, this controller {PROTOCOL_MIN} to {PROTOCOL_MAX}.",
                remedy="Bring the older of the two up to date.",
            )
        return None

    async def _welcome(self, link: Link, hello: Hello, address: str) -> None:
        now = self._ctx.clock.now()
        generations = await self._ctx.store.write(
            lambda tx: hosts.hello(
                tx,
                id=hello.host_id,
                name=hello.host_name,
                version=hello.version,
                capabilities=hello.capabilities,
                now=now,
                address=address,
                displays_port=hello.displays_port,
            )
        )
        link.generations = iter(generations)
        earlier = self._links.get(link.host_id)
        if earlier is not None:
            earlier.over = True
            earlier.dirty.set()
        self._links[link.host_id] = link
        link.dirty.set()
        self._ctx.presence.heard(link.host_id)
        protocol = min(PROTOCOL_MAX, hello.protocol_max)
        await link.send(Welcome(protocol=protocol, heartbeat_s=self._heartbeat_s, controllers=self._controllers))
        log.info("host.connected", host=link.host_id, name=hello.host_name, version=hello.version)
        self._ctx.wake()

    async def _send_desired(self, link: Link) -> None:
        """Send the whole of what is wanted when it differs from what was sent; several changes become one."""
        while True:
            await link.dirty.wait()
            if link.over:
                raise _Over
            link.dirty.clear()
            if not self._leadership.leads:
                continue
            sent = link.sent
            desired = await self._desired.ask(link.host_id)
            if sent is not None and sent == desired.model_copy(update={"generation": sent.generation}):
                continue
            generation = next(link.generations, None)
            if generation is None:
                link.generations = iter(
                    await self._leadership.write(lambda tx: hosts.take_generations(tx, link.host_id))
                )
                generation = next(link.generations)
            # What is named as sent before it is: a report about it can't come earlier.
            link.sent = desired.model_copy(update={"generation": generation})
            await link.send(link.sent)
            failpoint.reach("controller.sent")

    async def _read_desired(self, host_ids: Sequence[str]) -> list[Desired]:
        wanted = partial(hostreports.desired, host_ids=host_ids, leader_epoch=self._leadership.epoch)
        return await self._ctx.store.read(wanted)

    async def _read(self, link: Link, websocket: ServerConnection) -> None:
        while True:
            message = await _receive(websocket)
            if message is None:
                continue
            load = message.load if isinstance(message, Observed | Heartbeat) else None
            # Whoever waits for room is looked at again as soon as a host says how much it has.
            waits = load is not None and self._ctx.words.short
            if self._ctx.presence.heard(link.host_id, load) or waits:
                self._ctx.wake()
            await self._take(link, message)

    async def _take(self, link: Link, message: ToController) -> None:
        ctx, host_id = self._ctx, link.host_id
        match message:
            case TemplateSeen(template=template):
                ctx.presence.saw_template(host_id, template)
            case Answer():
                future = link.questions.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
                return
            case Heartbeat() | Hello():
                return
            case Observed() | DesktopSeen() | ImageSeen() | HostEvent():
                if isinstance(message, Observed):
                    ctx.presence.saw_templates(host_id, message.templates)
                    ctx.presence.saw_strays(host_id, message.strays)
                if not self._leadership.leads:
                    return
                changed = await self._reports.take_in(Report(host_id, message, link.sent))
                first = isinstance(message, Observed) and ctx.presence.took_in(host_id)
                failpoint.reach("controller.observed")
                if not (changed or first):
                    return
        ctx.wake()


async def _receive(websocket: ServerConnection) -> ToController | None:
    """The next message; None for one of a kind that this version does not know."""
    text = await websocket.recv()
    try:
        return to_controller.validate_json(text)
    except ValidationError as exc:
        if all(error["type"] == "union_tag_invalid" for error in exc.errors()):
            log.warning("host.unknown-message", reason=str(exc.errors()[0].get("ctx")))
            return None
        raise RemoteProtocolError(f"The server sent a message that can't be read: {exc.errors()[0]['msg']}.") from exc


async def reject(websocket: ServerConnection, failure: FailureField) -> None:
    """Tell a server that it is not linked, and why."""
    log.warning("host.rejected", code=failure.code, text=failure.text)
    try:
        async with asyncio.timeout(SEND_DEADLINE_S):
            await websocket.send(to_server.dump_json(Rejected(failure=failure)).decode())
    except (ConnectionClosed, TimeoutError):
        log.info("host.left-before-answer", code=failure.code)
    await _close(websocket, CLOSE_REFUSED)


async def _close(websocket: ServerConnection, code: int) -> None:
    try:
        async with asyncio.timeout(SEND_DEADLINE_S):
            await websocket.close(code)
    except TimeoutError:
        log.debug("host.does-not-close")
