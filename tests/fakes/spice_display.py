"""A desktop's display, as far as a SPICE main link goes: link, any password, the first message, then silence.

Made of Frazil's own protocol code and run in a thread for each connection, as QEMU's end of `openGraphicsFD` would be.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from frazil.spice import framing, link
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.capabilities import CommonCap, words_of
from frazil.spice.framing import HeaderKind
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import MainInit, MainServer
from frazil.spice.records import encode

MECHANISM_BYTES = 4
CAPS = words_of((CommonCap.AUTH_SELECTION, CommonCap.AUTH_SPICE, CommonCap.MINI_HEADER))
INIT = MainInit(
    session_id=1,
    display_channels_hint=1,
    supported_mouse_modes=3,
    current_mouse_mode=2,
    agent_connected=False,
    agent_tokens=10,
    multi_media_time_ms=0,
    ram_hint=0,
)


class SpiceDisplay:
    """Called for each connection: gives a descriptor that the caller owns. One key serves all."""

    def __init__(self) -> None:
        self._key = TicketKey()

    def __call__(self, _desktop_id: str) -> int:
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(ours,), daemon=True).start()
        return theirs.detach()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError):  # whoever linked has left
            stream = sock.makefile("rwb", buffering=0)
            message = link.decode_message(_exactly(sock, link.decode_header(_exactly(sock, link.HEADER_BYTES))))
            reply = LinkReply(error=LinkError.OK, public_key=self._key.public_der, common_caps=CAPS)
            stream.write(link.encode_reply(reply))
            _exactly(sock, ENCRYPTED_BYTES + (MECHANISM_BYTES if link.selects_auth(message, reply) else 0))
            stream.write(LinkError.OK.to_bytes(4, "little"))
            kind = HeaderKind.MINI if link.uses_mini_header(message, reply) else HeaderKind.FULL
            stream.write(framing.encode(kind, MainServer.INIT, encode(INIT), serial=1))
            while sock.recv(65536):
                pass


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
