"""Where a desktop's display is: read from a viewer's file or a URI.

Files are those of virt-viewer (`src/virt-viewer-file.c`), URIs those of spice-gtk (`src/spice-uri.c`,
`spice-session.c`): ``spice://HOST:PORT``, ``spice://HOST?port=PORT&tls-port=PORT&password=WORD``,
``spice+tls://HOST:PORT`` and ``spice+unix:///PATH``.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from frazil.model.errors import InvalidInput

SECTION = "virt-viewer"
PROXY_PORT = 3128
"""What spice-gtk takes when a proxy names none."""
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "\\": "\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that makes a tunnel by CONNECT."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A SPICE server. Either `path` (a UNIX socket), or `host` and at least one port; with `tls_port` all goes by TLS.

    `ca_pem` is trusted in place of the system's authorities, `host_subject` is the certificate's subject, which then
    counts in place of the host's name.
    """

    host: str = ""
    port: int | None = None
    tls_port: int | None = None
    path: Path | None = None
    password: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)
    host_subject: str = ""
    proxy: Proxy | None = None
    title: str = ""

    def with_password(self, password: str) -> Address:
        return replace(self, password=password)

    def __str__(self) -> str:
        return str(self.path) if self.path else f"{self.host}:{self.tls_port or self.port}"


def of_uri(uri: str) -> Address:
    """Raises InvalidInput."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise InvalidInput(f"{uri!r} is no address: {exc}.", field="where") from exc
    options = dict(parse_qsl(parts.query))
    password = options.get("password", unquote(parts.password or ""))
    if parts.scheme == "spice+unix":
        return Address(path=Path(unquote(parts.path)), password=password)
    if parts.scheme not in ("spice", "spice+tls"):
        raise InvalidInput(
            f"{uri!r} is no address of a desktop.",
            remedy="They are like spice://HOST:PORT, spice+tls://HOST:PORT, spice+unix:///PATH, or a .vv file.",
            field="where",
        )
    plain = _port(options.get("port")) or (port if parts.scheme == "spice" else None)
    tls = _port(options.get("tls-port")) or (port if parts.scheme == "spice+tls" else None)
    return _checked(Address(host=host, port=plain, tls_port=tls, password=password))


def of_viewer_file(text: str) -> Address:
    """The address in a ``.vv`` file. Raises InvalidInput."""
    return _of_values(_values(text))


def _values(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    try:
        parser.read_string(text)
        values = dict(parser[SECTION])
    except (configparser.Error, KeyError) as exc:
        raise InvalidInput("This is no viewer's file: it has no section [virt-viewer].", field="where") from exc
    return {key: _unescaped(value) for key, value in values.items()}


def _of_values(values: Mapping[str, str]) -> Address:
    if values.get("type", "spice") != "spice":
        raise InvalidInput(f"This file is for {values['type']}; only spice is spoken here.", field="where")
    return _checked(
        Address(
            host=values.get("host", ""),
            port=_port(values.get("port")),
            tls_port=_port(values.get("tls-port")),
            path=Path(values["unix-path"]) if values.get("unix-path") else None,
            password=values.get("password", ""),
            ca_pem=values.get("ca", ""),
            host_subject=values.get("host-subject", ""),
            proxy=_proxy(values["proxy"]) if values.get("proxy") else None,
            title=values.get("title", ""),
        )
    )


def of(where: str | Path) -> Address:
    """A URI's address, or that in the viewer's file of this name, which is read. Raises InvalidInput.

    The file is deleted if it asks for that, as one with a password that is good once does.
    """
    if isinstance(where, str) and "://" in where:
        return of_uri(where)
    try:
        values = _values(Path(where).read_text(encoding="utf-8"))
        found = _of_values(values)
        if values.get("delete-this-file") == "1":
            Path(where).unlink()
        return found
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise InvalidInput(
            f"{where} can't be read: {reason}.", remedy="Give a .vv file or an address like spice://HOST:PORT.",
            field="where",
        ) from exc  # fmt: skip


def subject_parts(subject: str) -> list[tuple[str, str]]:
    """``KEY=value`` parts of a `host_subject`, joined by commas; a backslash stands before one in a value."""
    parts = [part.strip() for part in re.findall(r"(?:\\.|[^,\\])+", subject)]
    pairs = (_ESCAPED.sub(r"\1", part).partition("=") for part in parts)
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _checked(address: Address) -> Address:
    if address.path is None and not (address.host and (address.port or address.tls_port)):
        raise InvalidInput("The address has no host and port.", field="where")
    return address


def _port(text: str | None) -> int | None:
    if not text or text == "-1":
        return None
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise InvalidInput(f"{text!r} is no port.", field="where")
    return int(text)


def _proxy(text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or PROXY_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme != "http":
        raise InvalidInput(f"{text!r} is no proxy that is known here: they are like http://HOST:PORT.", field="where")
    return Proxy(host=host, port=port)


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), value)
