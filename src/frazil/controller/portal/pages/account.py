"""One's own password and access tokens."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.portal.dispatch import Access, Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, passwords_agree, read
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import AccountView, Form
from frazil.model.errors import Refused
from frazil.wire.rest import NewApiToken, PasswordRequest, TokenRequest


class Account:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        signed_in = Access.SIGNED_IN
        return [
            Entry("GET", "/account", signed_in, self.show),
            Entry("POST", "/account/password", signed_in, self.password),
            Entry("POST", "/account/tokens", signed_in, self.make_token),
            Entry("POST", "/account/tokens/{token}/delete", signed_in, self.delete_token),
        ]

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(
        self,
        call: Call,
        *,
        new_token: NewApiToken | None = None,
        password: Form | None = None,
        token: Form | None = None,
    ) -> Response:
        tokens = await every(lambda cursor: self._services.tokens.list_for(call.identity, cursor=cursor))
        view = AccountView(tokens=tokens, new_token=new_token, password=password or Form(), token=token or Form())
        return self._portal.page(call, "account", view, status=422 if password or token else 200)

    async def password(self, call: Call) -> Response:
        try:
            passwords_agree(call.form, call.reader)
            values = {name: call.form.get(name, "") for name in ("current", "password")}
            request = read(PasswordRequest, values, call.reader)
            await self._services.people.set_password(call.identity, call.identity.require_account(), request)
        except WrongForm as exc:
            return await self._show(call, password=call.typed(exc.wrong))
        except Refused:
            wrong = {"current": call.reader.gettext("This is not your password now.")}
            return await self._show(call, password=call.typed(wrong))
        return self._portal.see("/account", did="password")

    async def make_token(self, call: Call) -> Response:
        try:
            values = {"name": call.form.get("token_name", "")}
            request = read(TokenRequest, values, call.reader, names={"name": "token_name"})
        except WrongForm as exc:
            return await self._show(call, token=call.typed(exc.wrong))
        return await self._show(call, new_token=await self._services.tokens.create(call.identity, request))

    async def delete_token(self, call: Call) -> Response:
        await self._services.tokens.delete(call.identity, call.ref("token"))
        return self._portal.see("/account", did="token-deleted")
