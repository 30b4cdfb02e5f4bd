"""From a request to a page: who may see it, the form that came with it, the frame around it, and what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from frazil.controller.api import problems
from frazil.controller.identity import Identity, Right, csrf
from frazil.controller.identity.rights import rights_of
from frazil.controller.portal.did import DID
from frazil.controller.portal.forms import WrongForm
from frazil.controller.portal.reader import LANGUAGE_COOKIE, ZONE_COOKIE, Languages, Reader, zone_of
from frazil.controller.portal.security import check_same_origin
from frazil.controller.portal.templating import Templates
from frazil.controller.portal.views import Form, Frame, MessageView, Person
from frazil.controller.portal.words import Trouble, Words
from frazil.model.clock import Clock
from frazil.model.errors import FrazilError, NotSignedIn, Refused
from frazil.settings import Settings
from frazil.wire.rest import Problem

if TYPE_CHECKING:
    from frazil.controller.services import Services

log = structlog.get_logger(__name__)

FORM_MAX_FIELDS = 40
_SECRET_FIELDS = frozenset({"password", "again", "current", csrf.FIELD})


class Access(Enum):
    """Who may call a page, where it is not for the roles that have a `Right`."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    CONSOLE = "whoever's role has any right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a page. `form` is empty for GET."""

    request: Request
    caller: Identity | None
    reader: Reader
    form: Mapping[str, str]

    @property
    def identity(self) -> Identity:
        """Who is signed in; the table of pages has seen to it that somebody is."""
        if self.caller is None:
            raise NotSignedIn("Nobody is signed in.", remedy="Sign in first.")
        return self.caller

    @property
    def words(self) -> Words:
        return Words(self.reader)

    @property
    def live(self) -> bool:
        """Whether only the page's live part is asked for."""
        return "hx-request" in self.request.headers

    @property
    def remote_address(self) -> str | None:
        address = getattr(self.request.state, "remote_address", None)
        return address if isinstance(address, str) else None

    def ref(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def typed(self, wrong: Mapping[str, str] | None = None) -> Form:
        """The form as it was filled in, without secrets, with what is wrong with it."""
        return Form(values={k: v for k, v in self.form.items() if k not in _SECRET_FIELDS}, wrong=wrong or {})


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table of pages."""

    method: str
    path: str
    access: Access | Right
    handler: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What all pages work with."""

    services: Services
    settings: Settings
    languages: Languages
    templates: Templates
    clock: Clock

    # ---- answers ------------------------------------------------------------------------------------------------

    def page(
        self,
        call: Call,
        name: str,
        view: object,
        *,
        trouble: Trouble | None = None,
        status: int = 200,
        has_live: bool = False,
    ) -> Response:
        """The page `name`, or only its live part when that is what is asked for and there is one."""
        template = f"{name}.live" if has_live and call.live and trouble is None else name
        text = self.templates.render(template, self.frame(call.request, call.caller, call.reader, trouble), view)
        return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})

    def see(self, path: str, *, did: str = "") -> Response:
        """Go on to `path`, where it is said what was done."""
        assert not did or did in DID, did
        return RedirectResponse(f"{path}{'&' if '?' in path else '?'}did={did}" if did else path, status_code=303)

    def trouble(self, call: Call, error: FrazilError) -> Trouble:
        """A refusal in words, to be shown on the page where it happened; logged under the reference that is shown."""
        reference = problems.reference()
        log.info("page.refused", code=error.code, what=error.what, reference=reference)
        return call.words.refusal(error.code, str(error), reference=reference)

    def frame(self, request: Request, caller: Identity | None, reader: Reader, trouble: Trouble | None = None) -> Frame:
        url = request.url
        query = {k: v for k, v in request.query_params.items() if k != "did"}
        here = url.path + (f"?{urlencode(query)}" if query else "")
        did = DID.get(request.query_params.get("did", "")) if trouble is None else None
        person = None
        if caller is not None:
            person = Person(user_id=caller.user_id, name=caller.name, role=caller.role)
        return Frame(
            reader=reader,
            words=Words(reader),
            languages=list(self.languages.by_code.values()),
            person=person,
            csrf=(caller.csrf or "") if caller is not None else "",
            here=here if request.method == "GET" else _referring_path(request),
            path=url.path,
            origin=self.settings.public_url.rstrip("/") or f"{_scheme(request)}://{url.netloc}",
            did=reader.gettext(did) if did else "",
            trouble=trouble,
        )

    def reader(self, request: Request) -> Reader:
        cookies = request.cookies
        language = self.languages.choose(
            cookie=cookies.get(LANGUAGE_COOKIE), accept=request.headers.get("accept-language")
        )
        return Reader(language, zone_of(cookies.get(ZONE_COOKIE)), self.clock.now())

    # ---- requests -----------------------------------------------------------------------------------------------

    def routes(self, entries: list[Entry]) -> list[BaseRoute]:
        return [Route(e.path, self._endpoint(e), methods=[e.method], include_in_schema=False) for e in entries]

    def _endpoint(self, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            caller = getattr(request.state, "identity", None)
            call = Call(
                request=request,
                caller=caller if isinstance(caller, Identity) else None,
                reader=self.reader(request),
                form={},
            )
            if entry.access is not Access.ANYBODY and call.caller is None:
                return self._to_sign_in(request)
            if isinstance(entry.access, Right):
                call.identity.require(entry.access)
            elif entry.access is Access.CONSOLE and not rights_of(call.identity.role):
                raise Refused("The console is for those who look after desktops.", remedy="Your desktops are at /.")
            if entry.method == "POST":
                call = await self._with_form(call)
            return await entry.handler(call)

        return endpoint

    async def _with_form(self, call: Call) -> Call:
        check_same_origin(call.request.headers)
        async with call.request.form(max_files=0, max_fields=FORM_MAX_FIELDS) as data:
            form = {name: value for name, value in data.items() if isinstance(value, str)}
        if call.caller is not None:
            csrf.check(call.caller, form.get(csrf.FIELD))
        return Call(request=call.request, caller=call.caller, reader=call.reader, form=form)

    def _to_sign_in(self, request: Request) -> Response:
        target = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        path = "/sign-in" if request.method != "GET" or target == "/" else f"/sign-in?next={quote(target)}"
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})

    def problem(self, request: Request, problem: Problem) -> Response:
        """A page that says what went wrong; a live part makes its page load again and so show it.

        What is over by itself (a host or a part not reachable now) leaves the page as it is: it asks again soon.
        """
        if problem.status == 401:
            return self._to_sign_in(request)
        caller = getattr(request.state, "identity", None)
        call = Call(
            request=request,
            caller=caller if isinstance(caller, Identity) else None,
            reader=self.reader(request),
            form={},
        )
        if call.live:
            return Response(status_code=problem.status, headers={} if problem.status >= 500 else {"HX-Refresh": "true"})
        code = problem.type.rpartition(":")[2]
        # An address that no page has is said enough by the title; the API's own advice is for programs.
        text = " ".join(filter(None, (problem.detail, problem.remedy))) if "endpoint" in request.scope else ""
        return self._message(call, call.words.refusal(code, text, reference=problem.reference), problem.status)

    def _message(self, call: Call, trouble: Trouble, status: int) -> Response:
        back = "/sign-in" if call.caller is None else _referring_path(call.request)
        if back == call.request.url.path:
            back = "/"
        return self.page(call, "message", MessageView(trouble=trouble, back=back), status=status)


def _referring_path(request: Request) -> str:
    """The page that this request came from, where that is one of ours; else the portal."""
    referer = urlsplit(request.headers.get("referer", ""))
    if referer.netloc != request.url.netloc or not referer.path.startswith("/"):
        return "/"
    return referer.path


__all__ = ["Access", "Call", "Entry", "Handler", "Portal", "WrongForm"]


def _scheme(request: Request) -> str:
    """What the person's browser speaks: the gateway says it, and lets nobody else."""
    return request.headers.get("x-forwarded-proto", request.url.scheme)
