"""Where a server says that its desktop goes."""

from __future__ import annotations

import pytest

from frazil.model.errors import RemoteProtocolError
from frazil.spice.main_channel import MigrateBegin, MigrateBeginSeamless, SwitchHost
from frazil.spice.migration import Destination, destination


def test_each_message_names_a_place() -> None:
    begin = MigrateBegin(port=5900, tls_port=5901, host=b"b.example\0", cert_subject=b"O=Lab,CN=b\0")
    there = Destination(host="b.example", port=5900, tls_port=5901, cert_subject="O=Lab,CN=b")
    assert destination(begin) == destination(MigrateBeginSeamless(destination=begin, source_version=1)) == there
    switch = SwitchHost(port=0, tls_port=5901, host=b"::1\0", cert_subject=b"")
    assert destination(switch) == Destination(host="::1", port=None, tls_port=5901, cert_subject="")


def test_a_port_of_minus_one_is_none() -> None:
    """So QEMU says that there is none (`qemu_spice_migrate_info`)."""
    begin = MigrateBegin(port=5900, tls_port=0xFFFF, host=b"b\0", cert_subject=b"")
    assert destination(begin) == Destination(host="b", port=5900, tls_port=None, cert_subject="")


@pytest.mark.parametrize(
    ("host", "ports", "subject", "words"),
    [
        (b"\0", (5900, 0), b"", "name is none"),
        (b"b\r\nX: y\0", (5900, 0), b"", "name is none"),
        (b"b/../c\0", (5900, 0), b"", "name is none"),
        (b"x" * 256, (5900, 0), b"", "name is none"),
        (b"\xff\0", (5900, 0), b"", "no text"),
        (b"b\0", (0, 0xFFFF), b"", "without a port"),
        (b"b\0", (5900, 0), bytes(5000), "5000 bytes"),
    ],
)
def test_what_is_no_place(host: bytes, ports: tuple[int, int], subject: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        destination(SwitchHost(port=ports[0], tls_port=ports[1], host=host, cert_subject=subject))
