"""One call to the controller: who calls, over what, and what its answer means."""

from __future__ import annotations

import json
import socket as socket_module
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from frazil.client.problems import error_of
from frazil.model.errors import FrazilError, InvalidInput, RemoteProtocolError, Unavailable
from frazil.wire.rest import Page

M = TypeVar("M", bound=BaseModel)
BASE = "/api/v1"
TIMEOUT_S = 30.0
PAGE_SIZE = 500


class Calls:
    """The HTTP side of `Client`. Not for use from several threads at once."""

    def __init__(self, http: httpx.Client, *, where: str) -> None:
        self._http = http
        self._where = where

    @classmethod
    def local(cls, socket: Path, *, timeout_s: float = TIMEOUT_S) -> Calls:
        """Over the controller's local socket, as this machine's root. Unavailable when nobody listens there."""
        with socket_module.socket(socket_module.AF_UNIX, socket_module.SOCK_STREAM) as probe:
            probe.settimeout(timeout_s)
            try:
                probe.connect(str(socket))
            except OSError as exc:
                raise Unavailable(
                    f"The controller at {socket} can't be reached: {exc.strerror or exc}.", remedy="Is it up? frazil up"
                ) from exc
        transport = httpx.HTTPTransport(uds=str(socket))
        http = httpx.Client(transport=transport, base_url="http://localhost", timeout=timeout_s)
        return cls(http, where=str(socket))

    @classmethod
    def remote(cls, url: str, *, token: SecretStr | None, ca: Path | None, timeout_s: float = TIMEOUT_S) -> Calls:
        """Over the gateway's public port. `ca` is a PEM file to trust instead of the system's authorities."""
        if not url.startswith("https://"):
            raise InvalidInput(f"{url} is not an https address.", remedy="It looks like https://desktops.example.org.")
        try:
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
        except (OSError, ssl.SSLError) as exc:
            raise InvalidInput(f"{ca} can't be read as certificates: {exc}.", remedy="Give a PEM file.") from exc
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        http = httpx.Client(base_url=url.rstrip("/"), verify=context, timeout=timeout_s, headers=headers)
        return cls(http, where=url)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One call; raises the error of `frazil.model.errors` that the answer means."""
        try:
            response = self._http.request(
                method,
                BASE + path,
                content=_with_secrets(body) if body is not None else None,
                params=query,
                headers={**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})},
            )
        except httpx.TimeoutException as exc:
            raise Unavailable(
                f"The controller at {self._where} did not answer in time.", remedy="Try again; see: frazil doctor."
            ) from exc
        except httpx.ConnectError as exc:
            raise self._unreachable(exc) from exc
        except httpx.TransportError as exc:
            raise Unavailable(
                f"The connection to the controller at {self._where} broke: {exc}.", remedy="Try again in a moment."
            ) from exc
        if response.status_code >= 400:
            raise error_of(response)
        return response

    def get(self, kind: type[M], path: str) -> M:
        """GET of one thing."""
        return self.parse(kind, self.send("GET", path))

    def items(self, kind: type[M], path: str, *, query: Mapping[str, str] | None = None) -> Iterator[M]:
        """All things of a list, page after page."""
        cursor: str | None = None
        while True:
            asked = {"limit": str(PAGE_SIZE), **(query or {}), **({"cursor": cursor} if cursor else {})}
            page = self.parse(Page[kind], self.send("GET", path, query=asked))  # type: ignore[valid-type]
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def parse(self, kind: type[M], response: httpx.Response) -> M:
        """The answer's body as `kind`."""
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as exc:
            raise RemoteProtocolError(
                f"{self._where} did not answer like Frazil's controller ({exc.error_count()} faults in its answer).",
                remedy="Is the address right, and are both of versions that fit?",
            ) from exc

    def _unreachable(self, exc: httpx.ConnectError) -> FrazilError:
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            return InvalidInput(
                f"The certificate of {self._where} is not of an authority that is trusted here.",
                remedy="Give its own authority's certificate with --ca or FRAZIL_CA.",
            )
        return Unavailable(f"The controller at {self._where} can't be reached: {exc}.", remedy="Is it up? frazil up")


def part(name: str) -> str:
    """A name or id as one part of a path."""
    if not name or name in (".", ".."):
        raise InvalidInput(f"{name!r} is not a name.")
    return quote(name, safe="")


def _with_secrets(body: BaseModel) -> str:
    """The body as JSON, its secrets written out: they are what the call is for."""
    return json.dumps(body.model_dump(mode="python", exclude_none=True), default=_plain)


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
