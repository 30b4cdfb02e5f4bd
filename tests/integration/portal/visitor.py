"""A browser without a screen: follows redirects, keeps cookies, fills in forms as a page offers them."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from pathlib import Path

import httpx

from tests.integration.portal.stack import PASSWORD


class _Forms(HTMLParser):
    """Every form's action and the fields that it would send untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self.forms.append((given["action"], {}))
            self._open = True
        elif tag == "input" and self._open and given.get("name") and _is_sent(given):
            self.forms[-1][1][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def _is_sent(field: Mapping[str, str]) -> bool:
    return field.get("type") != "checkbox" or "checked" in field


class Visitor:
    def __init__(self, url: str, authority: Path, *, language: str = "en") -> None:
        context = ssl.create_default_context(cafile=str(authority))
        self.http = httpx.AsyncClient(
            base_url=url, verify=context, follow_redirects=True, headers={"Accept-Language": language}
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def send(
        self, page: httpx.Response, action: str, *, untick: Collection[str] = (), **typed: str
    ) -> httpx.Response:
        """Send the form of `page` that goes to `action`, with what is typed over its fields."""
        parser = _Forms()
        parser.feed(page.text)
        found = [fields for where, fields in parser.forms if where == action]
        assert found, f"no form to {action} among {[where for where, _ in parser.forms]}"
        kept = {name: value for name, value in found[0].items() if name not in untick}
        return await self.http.post(action, data=kept | typed)

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return await self.send(await self.get("/sign-in"), "/sign-in", name=name, password=password)
