"""Which CONNECT requests name a session."""

from __future__ import annotations

import pytest

from frazil.gateway.tunnel import TunnelRefused, session_of_head, session_of_target

ID = "01900000-0000-7000-8000-0123456789ab"


def test_a_target_is_a_session_and_any_port() -> None:
    assert session_of_target(f"{ID}:8443".encode()) == ID
    for bad in (ID, f"{ID}:", f"{ID}:123456", f"[{ID}]:1", f"{ID}.example:1", f"{ID}:1\n", "127.0.0.1:22"):
        refused = session_of_target(bad.encode())
        assert isinstance(refused, TunnelRefused)
        assert refused.status == 403


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_head_is_read_in_both_versions(version: str) -> None:
    assert session_of_head(f"CONNECT {ID}:1 HTTP/{version}\r\nHost: x\r\n\r\n".encode(), max_bytes=1 << 15) == ID


@pytest.mark.parametrize("head", [b"", b"CONNECT\r\n\r\n", b"CONNECT x:1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_is_no_connect_is_a_bad_request(head: bytes) -> None:
    refused = session_of_head(head, max_bytes=1 << 15)
    assert isinstance(refused, TunnelRefused)
    assert refused.status == 400
    assert refused.answer().startswith(b"HTTP/1.1 400 Bad Request\r\n")
