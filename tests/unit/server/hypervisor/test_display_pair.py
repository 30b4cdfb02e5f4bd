"""The two ends of a display's link: only they can meet, and what they hold is little."""

from __future__ import annotations

import contextlib
import socket

import pytest

from frazil.model.errors import HostError
from frazil.server.hypervisor.display_pair import connected_pair


def test_two_ends_that_nobody_else_can_have() -> None:
    qemus, gateways = connected_pair()
    with qemus, gateways:
        assert qemus.family == gateways.family == socket.AF_INET
        assert qemus.getpeername() == gateways.getsockname()
        qemus.sendall(b"picture")
        gateways.sendall(b"key")
        assert (gateways.recv(16), qemus.recv(16)) == (b"picture", b"key")
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(gateways.getsockname())
    assert gateways.fileno() == -1


def test_what_waits_between_them_is_little() -> None:
    """As much as in a UNIX socket, and not the megabytes to which the kernel lets TCP grow."""
    qemus, gateways = connected_pair()
    with qemus, gateways:
        qemus.settimeout(0.2)
        held = 0
        with contextlib.suppress(TimeoutError):
            while held < 1 << 20:
                held += qemus.send(bytes(4096))
        assert held < 1 << 18


def test_somebody_who_is_quicker_gets_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    listen, strangers = socket.socket.listen, []

    def listen_in_sight(listening: socket.socket, backlog: int) -> None:
        listen(listening, backlog)
        strangers.append(socket.create_connection(listening.getsockname()))

    monkeypatch.setattr(socket.socket, "listen", listen_in_sight)
    qemus, gateways = connected_pair()
    (stranger,) = strangers
    with qemus, gateways, stranger:
        assert qemus.getpeername() == gateways.getsockname()
        assert gateways.getpeername() == qemus.getsockname()
        stranger.settimeout(5)
        assert stranger.recv(1) == b""


def test_a_host_without_a_loopback_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(_: socket.socket, address: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(HostError, match="loopback: Cannot assign"):
        connected_pair()
