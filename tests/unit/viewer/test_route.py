"""Where a desktop may be followed to, and on which terms."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from frazil.model.errors import Refused
from frazil.spice.migration import Destination
from frazil.viewer.address import Address, Proxy
from frazil.viewer.route import Route

PROXY = Proxy(host="proxy", port=3128)
PLAIN = Address(host="a", port=5900, password="old", title="office")
SECURE = Address(host="a", tls_port=5901, ca_pem="PEM", host_subject="CN=a", proxy=PROXY)


def told(port: int | None = 5900, tls_port: int | None = 5901, subject: str = "CN=b") -> Destination:
    return Destination(host="b", port=port, tls_port=tls_port, cert_subject=subject)


def test_who_came_by_tls_goes_on_by_tls_under_the_same_authority() -> None:
    route = Route(SECURE, "word", lambda _: True)
    assert route.follows
    there = route.to(told())
    assert there.where == Address(host="b", tls_port=5901, ca_pem="PEM", host_subject="CN=b", proxy=PROXY)
    assert there.password == "word"
    named = route.to(told(subject="")).where
    assert isinstance(named, Address)
    assert named.host_subject == "", "then the certificate has to be of the host's name"
    with pytest.raises(Refused, match="moves to b:5900, where there is no TLS, by which this connection came"):
        route.to(told(tls_port=None))


def test_who_came_without_tls_goes_on_so_unless_there_is_only_tls() -> None:
    route = Route(PLAIN, "word", lambda _: True)
    assert route.to(told()).where == Address(host="b", port=5900, password="old", title="office", host_subject="CN=b")
    only = route.to(told(port=None)).where
    assert isinstance(only, Address)
    assert (only.port, only.tls_port) == (None, 5901)


def test_nobody_is_led_away_unasked() -> None:
    alone = Route(PLAIN, "word")
    assert not alone.follows
    with pytest.raises(Refused, match="this connection does not follow it"):
        alone.to(told())
    with pytest.raises(Refused, match="was told not to follow"):
        Route(PLAIN, "word", lambda there: there.host == "c").to(told())


@pytest.mark.parametrize("where", [Address(path=Path("/run/spice")), socket.socket], ids=["path", "sockets"])
def test_without_a_host_there_is_no_way(where: Address | type[socket.socket]) -> None:
    route = Route(where, "", lambda _: True)
    assert not route.follows
    with pytest.raises(Refused, match="it was given sockets, no host"):
        route.to(told())
