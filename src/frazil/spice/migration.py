"""What a server says when its desktop goes to another server, and where that is (spice-common `spice.proto`). No I/O.

There are three ways, by what both sides can do (`MainCap`):

- *switch host*: `MIGRATE_SWITCH_HOST` when the desktop is there. The client begins a session there as with any server.
- *semi-seamless*: `MIGRATE_BEGIN` beforehand. The client links all its channels there too, under the session's old
  connection id, and says `MIGRATE_CONNECTED`, or `MIGRATE_CONNECT_ERROR`. After `MIGRATE_END` it says that to the new
  server on the main channel, which then begins as in a new session.
- *seamless*: `MIGRATE_BEGIN_SEAMLESS`. The new server is asked first (`MIGRATE_DST_DO_SEAMLESS`), and acknowledges or
  not; without that it goes on as semi-seamless. At the end each channel is told `MIGRATE` by itself, and goes over with
  its state, which the client may have to carry (`MigrateFlag`).

`MIGRATE_CANCEL` calls off what was begun. Where to is said by the server alone: whether to go is the client's choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer
from frazil.spice.main_channel import MigrateBegin, MigrateBeginSeamless, SwitchHost

_HOST = re.compile(r"[0-9A-Za-z._:%\[\]-]{1,255}")
_SUBJECT_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Another server. At least one port is there; an empty subject is one that the server did not say."""

    host: str
    port: int | None
    tls_port: int | None
    cert_subject: str


def destination(told: MigrateBegin | MigrateBeginSeamless | SwitchHost) -> Destination:
    """Raises RemoteProtocolError for what names no place."""
    place = told.destination if isinstance(told, MigrateBeginSeamless) else told
    host = _text(place.host)
    if not _HOST.fullmatch(host):
        raise RemoteProtocolError("The desktop moves to a host whose name is none.")
    port, tls_port = _port(place.port), _port(place.tls_port)
    if port is None and tls_port is None:
        raise RemoteProtocolError("The desktop moves to a host without a port.")
    subject = _text(place.cert_subject)
    return Destination(host=host, port=port, tls_port=tls_port, cert_subject=subject)


def _port(number: int) -> int | None:
    """QEMU says -1 for one that there is not."""
    return None if number in (0, 0xFFFF) else number


def _text(value: Buffer) -> str:
    """Text with a closing NUL, which spice-server leaves out of what is empty."""
    raw = bytes(value)
    if len(raw) > _SUBJECT_MAX_BYTES:
        raise RemoteProtocolError(f"The desktop moves to a place with a name of {len(raw)} bytes.")
    try:
        return raw.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError as exc:
        raise RemoteProtocolError("The desktop moves to a place whose name is no text.") from exc
