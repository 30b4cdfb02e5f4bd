"""The controller's use cases, for the REST API and the pages alike.

Each takes the caller's `Identity`, checks what it may do, and returns `wire.rest` models; errors are of
`frazil.model.errors`. Things are named by id or by name (`ref`). All are coroutines unless said otherwise::

    people.list_for(identity, *, limit=100, cursor=None) -> Page[User]
    people.show(identity, ref) -> User;  people.me(identity) -> User
    people.create(identity, UserRequest) -> User
    people.set_password(identity, ref, PasswordRequest) -> None
    people.delete(identity, ref) -> None
    groups.list_for(identity, *, user=None, limit, cursor) -> Page[Group]   (user: those that they are in)
    groups.show(identity, ref) -> Group;  groups.members(identity, ref, *, limit, cursor) -> Page[GroupMember]
    groups.create(identity, GroupRequest) -> Group
    groups.change(identity, ref, GroupChange, *, if_match: int) -> Group   (if_match: Group.version)
    groups.delete(identity, ref) -> None
    groups.join(identity, ref, user) -> None;  groups.leave(identity, ref, user) -> None
    setup.make_link(identity) -> SetupLink
    setup.is_open(token) -> bool                        (is this link's token good now?)
    setup.first_administrator(SetupRequest, *, remote_address) -> User
    logins.sign_in(LoginRequest, *, remote_address) -> SignedIn(login: wire.rest.Login, cookie: str)
    logins.sign_out(identity) -> None
    logins.authenticate(cookie, *, remote_address) -> Identity | None
    tokens.list_for(identity, ...) -> Page[ApiToken]; tokens.create(identity, TokenRequest) -> NewApiToken
    tokens.delete(identity, token_id) -> None
    pools.list_for(identity, *, limit, cursor) -> Page[Pool]     (a user: only the entitled ones)
    pools.show(identity, ref) -> Pool
    pools.create(identity, PoolRequest) -> Pool
    pools.change(identity, ref, PoolChange, *, if_match: int) -> Pool   (if_match: Pool.version)
    pools.assign(identity, ref, AssignmentRequest) -> Desktop   (a persistent pool's)
    pools.delete(identity, ref, *, for_good=False) -> Operation
    entitlements.list_for(identity, *, pool=None, user=None, group=None, limit, cursor) -> Page[Entitlement]
    entitlements.grant(identity, pool, user) -> None; entitlements.revoke(identity, pool, user) -> None
    entitlements.grant_group(identity, pool, group) -> None; entitlements.revoke_group(identity, pool, group) -> None
    hosts.list_for(identity, ...) -> Page[Host]; hosts.show(identity, ref) -> Host
    hosts.forget(identity, ref, *, if_match: int, with_desktops=False) -> ForgottenHost   (if_match: Host.revision)
    hosts.strays(identity) -> Page[QuarantinedThing]
    joining.invite(identity) -> HostInvitation
    joining.revoke(identity, ref) -> None
    images.list_for(identity, ...) -> Page[Image]; images.show(identity, ref) -> Image
    images.create(identity, ImageRequest) -> Operation
    images.retry(identity, ref) -> Operation; images.delete(identity, ref) -> Operation
    desktops.list_for(identity, *, pool=None, phase=None, mine=False, deleted=False, limit, cursor) -> Page[Desktop]
    desktops.show(identity, ref) -> Desktop
    desktops.adopt(identity, stray, AdoptRequest) -> Desktop   (a stray's id, or as the list of strays names it)
    desktops.act(identity, ref, action) -> Desktop      (action: start restart stop shutdown pause retry delete erase)
    desktops.restore(identity, ref, RestoreRequest) -> Desktop   (from the recycle bin)
    desktops.screenshot(identity, ref) -> bytes         (PNG)
    desktops.events(identity, ref, *, limit, cursor) -> Page[Event]
    sessions.open(identity, SessionRequest) -> NewSession
    sessions.list_for(identity, ...) -> Page[Session]   (open ones; a user: only the own)
    sessions.show(identity, session_id) -> Session
    sessions.end(identity, session_id) -> None
    tickets.mint(identity, session_id) -> Ticket
    viewer_files.make(identity, session_id, *, authority) -> MadeFile   (a native viewer's, with a ticket in it)
    operations.show(identity, operation_id) -> Operation
    events.list_for(identity, search=EVERYTHING, *, limit, cursor) -> Page[Event]   (search: an EventSearch)
    events.found(identity, search=EVERYTHING) -> AsyncIterator[Event]  (not a coroutine; all of them)
    events.desktops_of(identity, events) -> dict[str, DesktopName]   (by id; of those that are gone too)
    measuring.text(identity) -> bytes                   (for Prometheus)
    events.stream(identity, *, after=None) -> AsyncIterator[Event]   (not a coroutine)

For pages: `request.state.identity` is the `Identity` or None; the login cookie is `identity.cookies.COOKIE_NAME`
(`set_cookie(response, value)`, `clear_cookie(response)`); `identity.csrf.check(identity, token)` raises Refused.
Errors raised in a page's handler are rendered by `app.state.render_problem(request, problem) -> Response` where
that is set (by `portal.mount`) and the path is not under /api.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frazil.controller.services.context import Context
from frazil.controller.services.desktops import Desktops
from frazil.controller.services.entitlements import Entitlements
from frazil.controller.services.events import Events
from frazil.controller.services.groups import Groups
from frazil.controller.services.hosts import Hosts
from frazil.controller.services.images import Images
from frazil.controller.services.joining import Joining, Joins
from frazil.controller.services.logins import Logins, SignedIn
from frazil.controller.services.measuring import Measuring
from frazil.controller.services.operations import Operations
from frazil.controller.services.people import People
from frazil.controller.services.pools import Pools
from frazil.controller.services.sessions import Sessions
from frazil.controller.services.setup import Setup
from frazil.controller.services.tickets import Tickets
from frazil.controller.services.tokens import Tokens
from frazil.controller.services.viewer_files import ViewerFiles

__all__ = ["Context", "Joins", "Services", "SignedIn", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All use cases of one controller."""

    people: People
    groups: Groups
    setup: Setup
    logins: Logins
    tokens: Tokens
    pools: Pools
    entitlements: Entitlements
    hosts: Hosts
    joining: Joining
    images: Images
    desktops: Desktops
    sessions: Sessions
    tickets: Tickets
    viewer_files: ViewerFiles
    operations: Operations
    events: Events
    measuring: Measuring


def build(ctx: Context, *, viewer_trust_file: Path | None = None, joins: Joins | None = None) -> Services:
    """viewer_trust_file: what native viewers are told of the gateway's certificate (`wire.viewer_trust`).

    joins: how other machines' servers join; None where they may not.
    """
    people = People(ctx)
    tickets = Tickets(ctx)
    sessions = Sessions(ctx, tickets)
    return Services(
        people=people,
        groups=Groups(ctx),
        setup=Setup(ctx, people),
        logins=Logins(ctx),
        tokens=Tokens(ctx),
        pools=Pools(ctx),
        entitlements=Entitlements(ctx),
        hosts=Hosts(ctx),
        joining=Joining(ctx, joins),
        images=Images(ctx),
        desktops=Desktops(ctx),
        sessions=sessions,
        tickets=tickets,
        viewer_files=ViewerFiles(sessions, tickets, trust_file=viewer_trust_file),
        operations=Operations(ctx),
        events=Events(ctx),
        measuring=Measuring(ctx),
    )
