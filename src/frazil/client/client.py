"""The controller's REST API as typed calls. Every method raises the errors of `frazil.model.errors`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType

from pydantic import SecretStr

from frazil.client.calls import PAGE_SIZE, Calls, part
from frazil.client.problems import by_code
from frazil.model.clock import Clock
from frazil.model.desktop import Phase
from frazil.model.errors import FrazilError, HostError, InvalidInput, NotFound, Throttled
from frazil.wire import rest
from frazil.wire.hostlink import FailureField


class DeadlinePassed(HostError):
    """What was waited for did not come in time. It goes on; only the waiting ended."""

    code = "deadline-passed"


class Client:
    """What a program may ask of the controller. Things are named by id or by name."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @classmethod
    def local(cls, socket: Path) -> Client:
        """As root of the controller's machine, who is an administrator by being root."""
        return cls(Calls.local(socket))

    @classmethod
    def remote(cls, url: str, *, token: SecretStr | None = None, ca: Path | None = None) -> Client:
        """Over the public port, with an API token."""
        return cls(Calls.remote(url, token=token, ca=ca))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._calls.close()

    # --- who -----------------------------------------------------------------------------------------------------

    def health(self) -> rest.Health:
        return self._calls.get(rest.Health, "/health")

    def me(self) -> rest.User:
        return self._calls.get(rest.User, "/me")

    def setup_link(self) -> rest.SetupLink:
        """A new one-time link for the first administrator; Conflict once there is one. Local only."""
        return self._calls.parse(rest.SetupLink, self._calls.send("POST", "/setup/link"))

    def sign_in(self, name: str, password: SecretStr) -> rest.Login:
        """Sign in; the cookie stays in this client. Unsafe calls with a cookie need the login's CSRF token."""
        body = rest.LoginRequest(name=name, password=password)
        return self._calls.parse(rest.Login, self._calls.send("POST", "/logins", body=body))

    def sign_out(self, *, csrf_token: str) -> None:
        self._calls.send("DELETE", "/logins/current", headers={"X-CSRF-Token": csrf_token})

    def make_token(self, request: rest.TokenRequest, *, csrf_token: str | None = None) -> rest.NewApiToken:
        headers = {"X-CSRF-Token": csrf_token} if csrf_token else {}
        response = self._calls.send("POST", "/tokens", body=request, headers=headers)
        return self._calls.parse(rest.NewApiToken, response)

    def delete_token(self, token_id: str) -> None:
        """It is of no use from now on, to this client neither where it is its own."""
        self._calls.send("DELETE", f"/tokens/{token_id}")

    def users(self) -> list[rest.User]:
        return list(self._calls.items(rest.User, "/users"))

    def add_user(self, request: rest.UserRequest) -> rest.User:
        return self._calls.parse(rest.User, self._calls.send("POST", "/users", body=request))

    def user(self, user: str) -> rest.User:
        return self._calls.get(rest.User, f"/users/{part(user)}")

    def change_user(self, user: rest.User, change: rest.UserChange) -> rest.User:
        """Change `user` if they are still as given; Conflict when somebody changed them meanwhile."""
        response = self._calls.send(
            "PATCH", f"/users/{part(user.id)}", body=change, headers={"If-Match": f'"{user.version}"'}
        )
        return self._calls.parse(rest.User, response)

    def set_password(self, user: str, request: rest.PasswordRequest) -> None:
        self._calls.send("PUT", f"/users/{part(user)}/password", body=request)

    def delete_user(self, user: str) -> None:
        self._calls.send("DELETE", f"/users/{part(user)}")

    def groups(self, *, user: str | None = None) -> list[rest.Group]:
        """All, or those that a user is in."""
        return list(self._calls.items(rest.Group, "/groups", query={"user": user} if user else {}))

    def add_group(self, request: rest.GroupRequest) -> rest.Group:
        return self._calls.parse(rest.Group, self._calls.send("POST", "/groups", body=request))

    def group(self, group: str) -> rest.Group:
        return self._calls.get(rest.Group, f"/groups/{part(group)}")

    def change_group(self, group: rest.Group, change: rest.GroupChange) -> rest.Group:
        """Change `group` if it is still as given; Conflict when somebody changed it meanwhile."""
        response = self._calls.send(
            "PATCH", f"/groups/{part(group.id)}", body=change, headers={"If-Match": f'"{group.version}"'}
        )
        return self._calls.parse(rest.Group, response)

    def delete_group(self, group: str) -> None:
        self._calls.send("DELETE", f"/groups/{part(group)}")

    def members(self, group: str) -> list[rest.GroupMember]:
        return list(self._calls.items(rest.GroupMember, f"/groups/{part(group)}/members"))

    def join(self, group: str, user: str) -> None:
        self._calls.send("PUT", f"/groups/{part(group)}/members/{part(user)}")

    def leave(self, group: str, user: str) -> None:
        self._calls.send("DELETE", f"/groups/{part(group)}/members/{part(user)}")

    # --- what there is ---------------------------------------------------------------------------------------------

    def hosts(self) -> list[rest.Host]:
        return list(self._calls.items(rest.Host, "/hosts"))

    def host(self, ref: str) -> rest.Host:
        return self._calls.get(rest.Host, f"/hosts/{part(ref)}")

    def change_host(self, host: rest.Host, change: rest.HostChange) -> rest.Host:
        """Change `host` if it is still as given; Conflict when somebody changed it meanwhile."""
        response = self._calls.send(
            "PATCH", f"/hosts/{part(host.id)}", body=change, headers={"If-Match": f'"{host.revision}"'}
        )
        return self._calls.parse(rest.Host, response)

    def maintain(self, host: str, *, maintenance: bool) -> rest.Host:
        """Put a host into maintenance, or end it."""
        method = "PUT" if maintenance else "DELETE"
        return self._calls.parse(rest.Host, self._calls.send(method, f"/hosts/{part(host)}/maintenance"))

    def forget_host(self, host: rest.Host, *, with_desktops: bool = False) -> rest.ForgottenHost:
        """Take a host that is gone for good out of the database, as it was looked at; Stale when that has changed.

        with_desktops: with persons' own desktops that have their only disk there.
        """
        response = self._calls.send(
            "DELETE",
            f"/hosts/{part(host.id)}",
            query={"with_desktops": "true"} if with_desktops else {},
            headers={"If-Match": f'"{host.holding}"'},
        )
        return self._calls.parse(rest.ForgottenHost, response)

    def invite_host(self) -> rest.HostInvitation:
        """A token with which another machine becomes a host."""
        return self._calls.parse(rest.HostInvitation, self._calls.send("POST", "/hosts/invitations"))

    def revoke_host(self, host: str) -> None:
        """Let a host on another machine in no more."""
        self._calls.send("DELETE", f"/hosts/{part(host)}/certificate")

    def metrics(self) -> str:
        """All measurements, in Prometheus's text format; docs/reference/metrics.md says what each means."""
        return self._calls.send("GET", "/metrics").text

    def strays(self) -> list[rest.QuarantinedThing]:
        return list(self._calls.items(rest.QuarantinedThing, "/strays"))

    def adopt(self, stray: str, request: rest.AdoptRequest) -> rest.Desktop:
        """Take a stray desktop back as it lies. stray: its id, or as the list of strays names it."""
        response = self._calls.send("POST", f"/strays/{part(stray)}/adopt", body=request)
        return self._calls.parse(rest.Desktop, response)

    def images(self) -> list[rest.Image]:
        return list(self._calls.items(rest.Image, "/images"))

    def image(self, image: str) -> rest.Image:
        return self._calls.get(rest.Image, f"/images/{part(image)}")

    def make_image(self, request: rest.ImageRequest) -> rest.Operation:
        return self._operation("POST", "/images", body=request)

    def retry_image(self, image: str) -> rest.Operation:
        return self._operation("POST", f"/images/{part(image)}/retry")

    def delete_image(self, image: str) -> rest.Operation:
        return self._operation("DELETE", f"/images/{part(image)}")

    # --- pools and who may use them --------------------------------------------------------------------------------

    def pools(self) -> list[rest.Pool]:
        return list(self._calls.items(rest.Pool, "/pools"))

    def pool(self, pool: str) -> rest.Pool:
        return self._calls.get(rest.Pool, f"/pools/{part(pool)}")

    def make_pool(self, request: rest.PoolRequest) -> rest.Pool:
        return self._calls.parse(rest.Pool, self._calls.send("POST", "/pools", body=request))

    def change_pool(self, pool: rest.Pool, change: rest.PoolChange) -> rest.Pool:
        """Change `pool` if it is still as given; Conflict when somebody changed it meanwhile."""
        response = self._calls.send(
            "PATCH", f"/pools/{part(pool.id)}", body=change, headers={"If-Match": f'"{pool.version}"'}
        )
        return self._calls.parse(rest.Pool, response)

    def assign(self, pool: str, request: rest.AssignmentRequest) -> rest.Desktop:
        """Make a desktop of a persistent pool a user's."""
        return self._calls.parse(rest.Desktop, self._calls.send("POST", f"/pools/{part(pool)}/desktops", body=request))

    def delete_pool(self, pool: str, *, for_good: bool = False) -> rest.Operation:
        return self._operation("DELETE", f"/pools/{part(pool)}", query=_for_good(for_good))

    def entitlements(
        self, *, pool: str | None = None, user: str | None = None, group: str | None = None
    ) -> list[rest.Entitlement]:
        """Who may use which pool; of a user, with what comes by groups."""
        asked = {key: value for key, value in (("pool", pool), ("user", user), ("group", group)) if value}
        return list(self._calls.items(rest.Entitlement, "/entitlements", query=asked))

    def grant(self, pool: str, user: str) -> None:
        self._calls.send("PUT", f"/pools/{part(pool)}/users/{part(user)}")

    def revoke(self, pool: str, user: str) -> None:
        self._calls.send("DELETE", f"/pools/{part(pool)}/users/{part(user)}")

    def grant_group(self, pool: str, group: str) -> None:
        self._calls.send("PUT", f"/pools/{part(pool)}/groups/{part(group)}")

    def revoke_group(self, pool: str, group: str) -> None:
        self._calls.send("DELETE", f"/pools/{part(pool)}/groups/{part(group)}")

    # --- desktops ----------------------------------------------------------------------------------------------------

    def desktops(
        self, *, pool: str | None = None, phase: Phase | None = None, deleted: bool = False
    ) -> list[rest.Desktop]:
        """deleted: those in the recycle bin, which the others are without."""
        query = {"pool": pool or "", "phase": phase.value if phase else "", "deleted": "true" if deleted else ""}
        asked = {key: value for key, value in query.items() if value}
        return list(self._calls.items(rest.Desktop, "/desktops", query=asked))

    def desktop(self, desktop: str) -> rest.Desktop:
        return self._calls.get(rest.Desktop, f"/desktops/{part(desktop)}")

    def explain(self, desktop: str) -> rest.Explanation:
        """Why it is on its host, or on none."""
        return self._calls.get(rest.Explanation, f"/desktops/{part(desktop)}/explanation")

    def act(self, desktop: str, act: str) -> rest.Desktop:
        """start, stop, shutdown, pause or retry."""
        return self._calls.parse(rest.Desktop, self._calls.send("POST", f"/desktops/{part(desktop)}/{part(act)}"))

    def delete_desktop(self, desktop: str, *, for_good: bool = False) -> rest.Desktop:
        """Its `kept_until` says until when it can be restored; null: it goes now."""
        response = self._calls.send("DELETE", f"/desktops/{part(desktop)}", query=_for_good(for_good))
        return self._calls.parse(rest.Desktop, response)

    def restore_desktop(self, desktop: str, request: rest.RestoreRequest) -> rest.Desktop:
        response = self._calls.send("POST", f"/desktops/{part(desktop)}/restore", body=request)
        return self._calls.parse(rest.Desktop, response)

    def screenshot(self, desktop: str) -> bytes:
        """A PNG, at most `rest.SCREENSHOT_AGE_S` old."""
        return self._calls.send("GET", f"/desktops/{part(desktop)}/screenshot").content

    def desktop_events(self, desktop: str) -> list[rest.Event]:
        return list(self._calls.items(rest.Event, f"/desktops/{part(desktop)}/events"))

    # --- what happened -----------------------------------------------------------------------------------------------

    def events(
        self,
        *,
        user: str | None = None,
        kind: str | None = None,
        outcome: rest.Outcome | None = None,
        desktop: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[rest.Event]:
        """What fits all that is said, newest first; a page is asked for when the one before has been read.

        user: who did it, by name or id. kind: this one; `session.`, with a dot at its end, is all that begin so.
        desktop: by name or id, of one that is gone too. since, until: from then on, before then; aware.
        text: is in what is told, in who did it or from where, whatever its case.
        """
        for field, moment in (("since", since), ("until", until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidInput(f"{field} does not say its time zone.", field=field)
        query = {
            "user": user,
            "kind": kind,
            "outcome": outcome,
            "desktop": desktop,
            "since": since.isoformat() if since is not None else None,
            "until": until.isoformat() if until is not None else None,
            "text": text,
            "limit": str(page_size),
        }
        asked = {name: value for name, value in query.items() if value is not None}
        return self._calls.items(rest.Event, "/events", query=asked)

    # --- using one ---------------------------------------------------------------------------------------------------

    def open_session(self, request: rest.SessionRequest) -> rest.NewSession:
        return self._calls.parse(rest.NewSession, self._calls.send("POST", "/sessions", body=request))

    def sessions(self) -> list[rest.Session]:
        return list(self._calls.items(rest.Session, "/sessions"))

    def session(self, session_id: str) -> rest.Session:
        return self._calls.get(rest.Session, f"/sessions/{part(session_id)}")

    def ticket(self, session_id: str, *, wait_s: float = 0.0) -> rest.Ticket:
        """A one-time ticket for an open session; Conflict, with its state in words, while the desktop is not ready.

        wait_s: how long to wait for a desktop on its way, 20 s at most.
        """
        path = f"/sessions/{part(session_id)}/tickets"
        return self._calls.parse(rest.Ticket, self._calls.send("POST", path, query={"wait_s": f"{wait_s:g}"}))

    def viewer_file(self, session_id: str, *, wait_s: float = 0.0) -> str:
        """The text of a connection file for remote-viewer, with a one-time ticket in it; otherwise as `ticket`."""
        path = f"/sessions/{part(session_id)}/viewer-files"
        return self._calls.send("POST", path, query={"wait_s": f"{wait_s:g}"}).text

    def end_session(self, session_id: str) -> None:
        self._calls.send("DELETE", f"/sessions/{part(session_id)}")

    # --- waiting -----------------------------------------------------------------------------------------------------

    def operation(self, operation_id: str) -> rest.Operation:
        return self._calls.get(rest.Operation, f"/operations/{part(operation_id)}")

    def wait_for_operation(
        self,
        operation: rest.Operation,
        *,
        clock: Clock,
        pause: Callable[[float], None],
        timeout_s: float,
        tell: Callable[[rest.Operation], None] = lambda operation: None,
    ) -> rest.Operation:
        """Ask until it ended; `tell` hears of each answer. A failed one raises the error that its reason names."""
        deadline = clock.monotonic_s() + timeout_s
        while operation.state == "running":
            tell(operation)
            if clock.monotonic_s() >= deadline:
                raise DeadlinePassed(
                    f"It is not done after {timeout_s:.0f} s; now: {operation.step or operation.kind}.",
                    remedy="It goes on by itself. Give a longer --timeout to wait for it.",
                )
            pause(0.5)
            operation = self.operation(operation.id)
        if operation.state == "failed":
            raise _error_of(operation.failure)
        return operation

    def wait_for_desktop(
        self,
        desktop_id: str,
        wanted: frozenset[Phase],
        *,
        clock: Clock,
        pause: Callable[[float], None],
        timeout_s: float,
        tell: Callable[[rest.Desktop], None] = lambda desktop: None,
    ) -> rest.Desktop | None:
        """Ask until the desktop's phase is one of `wanted`; None when it is gone and that was wanted.

        A desktop that fails, when failed is not wanted, raises HostError with its reason.
        """
        deadline = clock.monotonic_s() + timeout_s
        while True:
            try:
                desktop = self.desktop(desktop_id)
            except NotFound:
                if Phase.GONE in wanted:
                    return None
                raise
            if desktop.phase in wanted:
                return desktop
            tell(desktop)
            if desktop.phase is Phase.FAILED:
                failure = desktop.failure
                raise HostError(
                    failure.text if failure else "The desktop failed.", remedy=failure.remedy if failure else ""
                )
            if clock.monotonic_s() >= deadline:
                raise DeadlinePassed(
                    f"{desktop.name} is {desktop.phase_text} after {timeout_s:.0f} s. {desktop.why}".rstrip(),
                    remedy="It goes on by itself. Give a longer --timeout to wait for it.",
                )
            pause(0.5)

    def _operation(
        self, method: str, path: str, *, body: rest.ImageRequest | None = None, query: dict[str, str] | None = None
    ) -> rest.Operation:
        return self._calls.parse(rest.Operation, self._calls.send(method, path, body=body, query=query or {}))


def _for_good(yes: bool) -> dict[str, str]:
    return {"for_good": "true"} if yes else {}


def _failed(failure: FailureField | None, *, otherwise: str) -> HostError:
    return HostError(failure.text, remedy=failure.remedy) if failure else HostError(otherwise)


def _error_of(failure: FailureField | None) -> FrazilError:
    """A wrong file is the caller's to mend and a full disk the host's: whoever waited is told which."""
    if failure is None:
        return HostError("It failed.")
    kind = by_code().get(failure.code, HostError)
    if issubclass(kind, Throttled):  # needs to know until when
        kind = HostError
    return kind(failure.text, remedy=failure.remedy)
