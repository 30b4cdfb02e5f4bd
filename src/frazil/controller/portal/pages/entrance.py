"""Set-up, sign-in, sign-out, and the reader's language."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.identity import cookies
from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, passwords_agree, read
from frazil.controller.portal.pages.home import direct_session
from frazil.controller.portal.reader import LANGUAGE_COOKIE
from frazil.controller.portal.security import safe_target
from frazil.controller.portal.views import Form, SetupView, SignInView
from frazil.model.errors import Conflict, NotFound, NotSignedIn, Throttled
from frazil.wire.rest import LoginRequest, SetupRequest

_YEAR_S = 365 * 86400


class Entrance:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        anybody = Access.ANYBODY
        return [
            Entry("GET", "/setup/{token}", anybody, self.setup),
            Entry("POST", "/setup/{token}", anybody, self.set_up),
            Entry("GET", "/sign-in", anybody, self.sign_in_form),
            Entry("POST", "/sign-in", anybody, self.sign_in),
            Entry("POST", "/sign-out", Access.SIGNED_IN, self.sign_out),
            Entry("POST", "/language", anybody, self.language),
        ]

    async def setup(self, call: Call) -> Response:
        token = call.ref("token")
        if not await self._services.setup.is_open(token):
            raise NotFound(
                "This set-up link was used already, or is not the newest one.",
                remedy="Sign in, or run `frazil setup-link` on the machine for a new link.",
            )
        return self._portal.page(call, "setup", SetupView(token=token, form=Form()))

    async def set_up(self, call: Call) -> Response:
        token, form = call.ref("token"), call.form
        try:
            passwords_agree(form, call.reader)
            asked = {name: form.get(name, "") for name in ("name", "password", "display_name")}
            request = read(SetupRequest, {**asked, "token": token}, call.reader)
        except WrongForm as exc:
            return self._portal.page(call, "setup", SetupView(token=token, form=call.typed(exc.wrong)), status=422)
        await self._services.setup.first_administrator(request, remote_address=call.remote_address)
        return await self._let_in(call, LoginRequest(name=request.name, password=request.password), "/")

    async def sign_in_form(self, call: Call) -> Response:
        target = safe_target(call.request.query_params.get("next", "/"))
        if call.caller is not None:
            return self._portal.see(target)
        return self._portal.page(call, "sign-in", SignInView(next=target, form=Form()))

    async def sign_in(self, call: Call) -> Response:
        target = safe_target(call.form.get("next", "/"))
        try:
            request = read(LoginRequest, {n: call.form.get(n, "") for n in ("name", "password")}, call.reader)
            return await self._let_in(call, request, target)
        except WrongForm as exc:
            return self._portal.page(call, "sign-in", SignInView(next=target, form=call.typed(exc.wrong)), status=422)
        except Throttled as exc:
            view = SignInView(next=target, form=call.typed(), retry_after_s=exc.retry_after_s)
            answer = self._portal.page(call, "sign-in", view, status=429)
            answer.headers["Retry-After"] = str(max(1, round(exc.retry_after_s)))
            return answer
        except NotSignedIn:
            wrong = {"password": call.reader.gettext("The name or the password is wrong.")}
            return self._portal.page(call, "sign-in", SignInView(next=target, form=call.typed(wrong)), status=401)

    async def _let_in(self, call: Call, request: LoginRequest, target: str) -> Response:
        signed_in = await self._services.logins.sign_in(request, remote_address=call.remote_address)
        if target == "/":
            identity = await self._services.logins.authenticate(signed_in.cookie, remote_address=call.remote_address)
            if identity is not None:
                try:
                    target = await direct_session(self._portal, call, identity) or "/"
                except Conflict:
                    # No desktop can be had right now; the portal says why on the pool's card.
                    target = "/"
        answer = self._portal.see(target)
        cookies.set_cookie(answer, signed_in.cookie)
        return answer

    async def sign_out(self, call: Call) -> Response:
        await self._services.logins.sign_out(call.identity)
        answer = self._portal.see("/sign-in")
        cookies.clear_cookie(answer)
        return answer

    async def language(self, call: Call) -> Response:
        code = call.form.get("language", "")
        target = call.form.get("next", "/")
        # Unlike after a sign-in, the page to go back to may well be the sign-in or the set-up page.
        local = target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()
        answer = self._portal.see(target if local else "/")
        if code in self._portal.languages.by_code:
            answer.set_cookie(LANGUAGE_COOKIE, code, max_age=_YEAR_S, path="/", secure=True, samesite="lax")
        return answer
