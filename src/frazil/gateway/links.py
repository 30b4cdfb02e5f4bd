"""One SPICE link: let in, then relayed both ways until either side or the controller ends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

import structlog

from frazil import failpoint
from frazil.gateway import display_start, handshake, piece_reader
from frazil.gateway.close_codes import CloseCode
from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.display_start import DisplayStart
from frazil.gateway.displays import open_display
from frazil.gateway.filtering import Destination, LinkFilter, refuses_channel
from frazil.gateway.handshake import LinkRefused, refuse_link, refuse_password
from frazil.gateway.places import Places
from frazil.gateway.refusals import RefusedLinks
from frazil.gateway.relay import FORBIDDEN, RELAY_READ_BYTES, Ended, Relay
from frazil.gateway.remote_displays import RemoteDisplays
from frazil.gateway.reports import Reports
from frazil.gateway.sessions import HOST_REVOKED, LiveSession, LiveSessions
from frazil.gateway.streams import ClientStream, PlainStream
from frazil.gateway.tls import ServedCertificate
from frazil.model.clock import Clock
from frazil.model.errors import HostError, NotFound, Refused, Unavailable
from frazil.model.policy import Policy
from frazil.spice.auth import TicketKey
from frazil.spice.channels import ChannelType, channel_name
from frazil.spice.framing import HeaderKind
from frazil.spice.link import LinkMessage, LinkReply, uses_mini_header
from frazil.spice.link_errors import LinkError
from frazil.wire.sessions import LinkState, RedeemRequest, Route

HANDSHAKE_DEADLINE_S = 20.0
"""From the connection's opening to the back end's answer. Asking the controller and the host is within it."""

_log = structlog.get_logger()
_PATH = re.compile(r"/spice/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def session_of(path: str) -> str | None:
    """The session id in a link's path; None for any other path."""
    found = _PATH.fullmatch(path)
    return found[1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParts:
    """What every link of the process shares."""

    clock: Clock
    controller: ControllerSide
    reports: Reports
    refusals: RefusedLinks
    sessions: LiveSessions
    display_socket: Path
    remote: RemoteDisplays
    key: TicketKey
    places: Places
    tls_port: int
    certificate: ServedCertificate
    """Its subject and the port are how migration messages name the gateway to a native viewer."""


class Link:
    """One link. `run` is called once, by the task that owns the connection."""

    def __init__(self, client: ClientStream, session_id: str, remote_address: str, parts: LinkParts) -> None:
        self._client = client
        self._session_id = session_id
        self._remote_address = remote_address
        self._parts = parts
        self._cut: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._session: LiveSession | None = None
        self._is_main = False
        self._start: DisplayStart | None = None
        self._passing: Relay | None = None
        self._log = _log.bind(session_id=session_id, remote_address=remote_address)

    def cut(self, code: CloseCode, reason: str) -> None:
        """End this link soon; see `sessions.Cuttable`."""
        if not self._cut.done():
            self._cut.set_result(Ended(code, reason))

    def change(self, policy: Policy) -> None:
        """Another policy holds from now on; see `sessions.Cuttable`. Before the link is made there is nothing to do."""
        if self._passing is None:
            return
        try:
            self._passing.change(policy)
        except Ended as exc:
            self.cut(exc.code, exc.reason)

    async def run(self) -> None:
        """Serve until the end, and close the client's side."""
        back_end: PlainStream | None = None
        code, reason = CloseCode.NORMAL, ""
        try:
            async with asyncio.timeout(HANDSHAKE_DEADLINE_S):
                message = await handshake.read_message(self._client)
                route = await self._route(message)
                # Who says nothing, or names no session, takes no place.
                async with self._parts.places.place(self._session_id, self._remote_address):
                    back_end = await self._open(route)
                    reply = await self._let_in(message, route, back_end)
            failpoint.reach("gateway.linked")
            if self._is_main:
                self._say(connected=True)
            code, reason = await self._relay(back_end, message, reply)
        except LinkRefused as exc:
            code, reason = exc.close_code, exc.what
            self._log.info("gateway.link-refused", why=exc.what, error=exc.error.name)
            if exc.close_code is CloseCode.REFUSED and not isinstance(exc.__cause__, Refused):
                # What the controller itself refused, it has written down.
                self._parts.refusals.say(self._session_id, self._remote_address, exc.what)
            await self._answer(exc.answer)
        except TimeoutError:
            code, reason = CloseCode.BAD_LINK, f"The link was not made within {HANDSHAKE_DEADLINE_S:g} s."
            self._log.info("gateway.link-refused", why=reason, error="deadline")
        except (EOFError, OSError):
            self._log.info("gateway.link-refused", why="The client left before the link was made.", error="left")
        except Ended as exc:
            code, reason = exc.code, exc.reason
            self._log.info("gateway.link-refused", why=reason, error="ended")
        except asyncio.CancelledError:
            code, reason = CloseCode.RESTARTING, "The gateway is restarting."
            raise
        finally:
            self._leave(reason)
            await self._close(back_end, code, reason)

    async def _close(self, back_end: PlainStream | None, code: CloseCode, reason: str) -> None:
        try:
            await self._client.close(code, reason)
        finally:
            if back_end is not None:
                await self._let_go(back_end)

    async def _let_go(self, back_end: PlainStream) -> None:
        try:
            if self._start is not None:
                await self._start.see_out(back_end)
        finally:
            await back_end.close()

    async def _answer(self, packet: bytes) -> None:
        try:
            async with asyncio.timeout(1):
                await self._client.write(packet)
        except (OSError, TimeoutError):
            self._log.debug("gateway.answer-unread")

    async def _route(self, message: LinkMessage) -> Route:
        self._is_main = message.channel_type == ChannelType.MAIN
        if self._is_main and message.connection_id != 0:
            raise refuse_link(
                "A new main link has the connection id 0.", LinkError.BAD_CONNECTION_ID, CloseCode.BAD_LINK
            )
        session = self._parts.sessions.get(self._session_id)
        if not self._is_main and session is None:
            raise refuse_link("There is no main link yet.", LinkError.PERMISSION_DENIED, CloseCode.REFUSED)
        if session is not None and refuses_channel(session.policy, message.channel_type):
            raise refuse_link(FORBIDDEN, LinkError.CHANNEL_NOT_AVAILABLE, CloseCode.REFUSED)
        try:
            route = await self._parts.controller.route(self._session_id)
        except NotFound as exc:
            raise refuse_link("There is no such session.", LinkError.PERMISSION_DENIED, CloseCode.ENDED) from exc
        except (Unavailable, Refused) as exc:
            raise refuse_link(exc.what, LinkError.ERROR, CloseCode.UNAVAILABLE) from exc
        if not route.host_trusted:
            raise refuse_link(HOST_REVOKED, LinkError.ERROR, CloseCode.BACKEND_GONE)
        failpoint.reach("gateway.routed")
        return route

    async def _open(self, route: Route) -> PlainStream:
        try:
            if route.host_address:
                sock = await self._parts.remote.open(route)
            else:
                sock = await open_display(self._parts.display_socket, route)
        except HostError as exc:
            raise refuse_link(str(exc), LinkError.ERROR, CloseCode.BACKEND_GONE) from exc
        try:
            reader, writer = await piece_reader.connected(sock)
        except BaseException:
            sock.close()
            raise
        return PlainStream(reader, writer, read_max_bytes=RELAY_READ_BYTES)

    async def _let_in(self, message: LinkMessage, route: Route, back_end: PlainStream) -> LinkReply:
        reply = await handshake.link_back_end(back_end, message)
        ticket = await handshake.read_ticket(self._client, self._parts.key, message, reply)
        if self._is_main:
            await self._redeem(ticket, route)
        else:
            self._join(ticket, message)
        failpoint.reach("gateway.redeemed")
        if message.channel_type == ChannelType.DISPLAY:
            await self._begin_display(message, reply, back_end)
        else:
            result = await handshake.enter_back_end(back_end, message, reply)
            await self._client.write(result)
        self._log = self._log.bind(channel=channel_name(message.channel_type), channel_id=message.channel_id)
        return reply

    async def _begin_display(self, message: LinkMessage, reply: LinkReply, back_end: PlainStream) -> None:
        """The client's first message is asked for before the back end is entered, see `display_start`."""
        kind = _header(message, reply)
        await self._client.write(handshake.welcome())
        first = await self._unless_cut(display_start.read_init(self._client, kind))
        self._start = DisplayStart(kind)
        await handshake.enter_back_end(back_end, message, reply, first=first)
        if self._session is not None:
            self._session.traffic.to_desktop_bytes += len(first)

    async def _unless_cut(self, doing: Coroutine[None, None, bytes]) -> bytes:
        """What this gives. Raises Ended when the link is cut meanwhile."""
        task = asyncio.ensure_future(doing)
        try:
            await asyncio.wait((task, self._cut), return_when=asyncio.FIRST_COMPLETED)
            if self._cut.done():
                raise self._cut.result()
            return task.result()
        finally:
            task.cancel()

    async def _redeem(self, ticket: bytes, route: Route) -> None:
        """The first use of a ticket: it opens the session here."""
        request = RedeemRequest(
            session_id=self._session_id,
            ticket=ticket.decode("ascii", errors="replace"),
            remote_address=self._remote_address,
        )
        try:
            redeemed = await self._parts.controller.redeem(request)
        except (Refused, NotFound) as exc:
            raise refuse_password("The ticket is not valid.", LinkError.PERMISSION_DENIED, CloseCode.REFUSED) from exc
        except Unavailable as exc:
            raise refuse_password(exc.what, LinkError.ERROR, CloseCode.UNAVAILABLE) from exc
        if (redeemed.route.desktop_id, redeemed.route.epoch) != (route.desktop_id, route.epoch):
            # The desktop was replaced between the two questions; the display that is open is the old one's.
            raise refuse_password("The desktop has just changed.", LinkError.ERROR, CloseCode.BACKEND_GONE)
        self._session = self._parts.sessions.open(
            self._session_id,
            ticket,
            self,
            policy=redeemed.route.policy.value(),
            policy_version=redeemed.route.policy_version,
            host_id=redeemed.route.host_id,
        )
        self._session.traffic.input_s = self._parts.clock.monotonic_s()

    def _join(self, ticket: bytes, message: LinkMessage) -> None:
        """A further channel of a session that lives here."""
        session = self._parts.sessions.get(self._session_id)
        if session is None or not session.knows(ticket):
            raise refuse_password(
                "The ticket is not the one that opened this session.", LinkError.PERMISSION_DENIED, CloseCode.REFUSED
            )
        if session.connection_id is None or message.connection_id != session.connection_id:
            raise refuse_password(
                "The connection id is not that of this session's main link.",
                LinkError.BAD_CONNECTION_ID,
                CloseCode.REFUSED,
            )
        session.others.add(self)
        self._session = session

    async def _relay(self, back_end: PlainStream, message: LinkMessage, reply: LinkReply) -> tuple[CloseCode, str]:
        began_s = self._parts.clock.monotonic_s()
        self._log.info("gateway.link-opened")
        assert self._session is not None
        kind = _header(message, reply)
        self._client.begin_messages(kind)
        passing = LinkFilter(
            channel=message.channel_type,
            kind=kind,
            policy=self._session.policy,
            clock=self._parts.clock,
            destination=self._destination,
        )
        relay = self._passing = Relay(
            self._client, back_end, passing, self._session, clock=self._parts.clock, cut=self._cut, start=self._start
        )
        self.change(self._session.policy)
        ended = await relay.run()
        self._log.info(
            "gateway.link-closed",
            why=ended.reason,
            code=int(ended.code),
            to_client_bytes=relay.to_client_bytes,
            to_back_end_bytes=relay.to_back_end_bytes,
            seconds=round(self._parts.clock.monotonic_s() - began_s, 3),
        )
        return ended.code, ended.reason

    def _destination(self) -> Destination:
        """As in a viewer's file: behind the proxy, the host's name is the session's id (0114)."""
        return Destination(
            host=self._session_id, tls_port=self._parts.tls_port, cert_subject=self._parts.certificate.subject
        )

    def _leave(self, reason: str) -> None:
        if self._session is None:
            return
        if self._is_main:
            if self._parts.sessions.close(self._session):
                self._say(connected=False, reason=reason)
        else:
            self._session.others.discard(self)

    def _say(self, *, connected: bool, reason: str = "") -> None:
        state = LinkState(connected=connected, remote_address=self._remote_address, reason=reason)
        self._parts.reports.say(self._session_id, state)


def _header(message: LinkMessage, reply: LinkReply) -> HeaderKind:
    return HeaderKind.MINI if uses_mini_header(message, reply) else HeaderKind.FULL
