"""Two connected sockets for one link to a desktop's display: QEMU's end and the gateway's.

To spice-server a client on a UNIX socket is a viewer on the same machine: it compresses no drawing for it and measures
no line (docs/adr/0125-displays-over-tcp.md). So these are TCP on the loopback. Nobody else can have either end, and
nothing listens once they are there.
"""

from __future__ import annotations

import socket

from frazil.model.errors import HostError

LOOPBACK = "127.0.0.1"
HELD_BYTES = 1 << 16
"""What each end may hold. The kernel would let it grow to megabytes, behind which every answer to a key waits."""
CONNECTING_S = 5.0


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """QEMU's end, then the gateway's; both block. Raises HostError."""
    try:
        qemus, gateways = _connected()
    except OSError as exc:
        raise HostError(f"A desktop's display can't be connected on the loopback: {exc.strerror or exc}.") from exc
    for end in (qemus, gateways):
        end.settimeout(None)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return qemus, gateways


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_BYTES)
        listening.bind((LOOPBACK, 0))
        listening.listen(1)
        listening.settimeout(CONNECTING_S)
        qemus = socket.socket()
        try:
            qemus.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD_BYTES)
            qemus.settimeout(CONNECTING_S)
            qemus.connect(listening.getsockname())
            gateways, peer = listening.accept()
            while peer != qemus.getsockname():  # Somebody else was quicker.
                gateways.close()
                gateways, peer = listening.accept()
        except BaseException:
            qemus.close()
            raise
    return qemus, gateways
