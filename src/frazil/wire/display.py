"""How the gateway gets a desktop's display from its host's server.

On one machine: the gateway connects to the server's UNIX stream socket, writes one `DisplayRequest` as a JSON line (at
most `LINE_MAX_BYTES`), and reads one `DisplayAnswer` line. When `ok`, that line's first byte carries one file
descriptor (SCM_RIGHTS): a connected SPICE socket of the desktop, on which nothing has been said yet. One request a
connection.
"""

from __future__ import annotations

from frazil.wire.base import Message
from frazil.wire.hostlink import EpochField, FailureField

LINE_MAX_BYTES = 4096


class DisplayRequest(Message):
    desktop_id: str
    epoch: EpochField


class DisplayAnswer(Message):
    ok: bool
    failure: FailureField | None = None
