"""What viewers' files and URIs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.controller import viewer_file
from frazil.model.errors import InvalidInput
from frazil.model.policy import Policy
from frazil.viewer import Address, Proxy
from frazil.viewer.address import of, of_uri, of_viewer_file, subject_parts


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("spice://desk:5900", Address(host="desk", port=5900)),
        (
            "spice://desk?port=5900&tls-port=5901&password=a%20b",
            Address(host="desk", port=5900, tls_port=5901, password="a b"),
        ),
        ("spice://:s%2Fx@desk:5900", Address(host="desk", port=5900, password="s/x")),
        ("spice+tls://desk:5901", Address(host="desk", tls_port=5901)),
        ("spice://[::1]:5900", Address(host="::1", port=5900)),
        ("spice+unix:///run/my%20vm.sock", Address(path=Path("/run/my vm.sock"))),
    ],
)
def test_an_address_is_read(uri: str, address: Address) -> None:
    assert of_uri(uri) == address
    assert of(uri) == address


@pytest.mark.parametrize(
    "uri",
    ["http://desk:1", "spice://desk", "spice://:5900", "spice://desk:99999", "spice://desk?port=x", "spice://[::1"],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput):
        of_uri(uri)


def test_the_portals_own_file_is_read(tmp_path: Path) -> None:
    text = viewer_file.render(
        viewer_file.ViewerFile(
            portal=viewer_file.Portal(host="portal.example", port=8443),
            session_id="0190-77",
            ticket="t\\icket",
            title=" Office",
            host_subject="O=A\\, B,CN=portal.example",
            ca_pem="-----BEGIN\nEND-----\n",
            policy=Policy(),
        )
    )
    wanted = Address(
        host="0190-77",
        tls_port=8443,
        password="t\\icket",
        ca_pem="-----BEGIN\nEND-----\n",
        host_subject="O=A\\, B,CN=portal.example",
        proxy=Proxy(host="portal.example", port=8443),
        title=" Office",
    )
    assert of_viewer_file(text) == wanted
    file = tmp_path / "office.vv"
    file.write_text(text, encoding="utf-8")
    assert of(str(file)) == wanted


def test_a_file_that_asks_for_it_is_deleted_once_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "office.vv"
    file.write_text("[virt-viewer]\ntype=spice\nhost=a\ndelete-this-file=1\n")
    with pytest.raises(InvalidInput):
        of(file)
    assert file.exists(), "one that is of no use is not lost"
    file.write_text("[virt-viewer]\ntype=spice\nhost=a\nport=1\ndelete-this-file=1\n")
    assert of(file) == Address(host="a", port=1)
    assert not file.exists()
    file.write_text("[virt-viewer]\ntype=spice\nhost=a\nport=1\ndelete-this-file=0\n")
    assert of(file) == Address(host="a", port=1)
    assert file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no file",
        "[other]\nhost=a",
        "[virt-viewer]\ntype=vnc\nhost=a\nport=1",
        "[virt-viewer]\ntype=spice\nhost=a",
        "[virt-viewer]\nhost=a\nport=1\nproxy=ftp://x:1",
        "[virt-viewer]\nhost=a\nport=1\nproxy=http://x:y",
    ],
)
def test_what_is_no_viewers_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        of_viewer_file(text)


def test_a_proxy_may_be_short() -> None:
    assert of_viewer_file("[virt-viewer]\nhost=a\nport=1\nproxy=p").proxy == Proxy(host="p", port=3128)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.vv can't be read: No such file"):
        of(tmp_path / "none.vv")
    (tmp_path / "bytes.vv").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="no text"):
        of(tmp_path / "bytes.vv")


def test_nobody_reads_a_password_in_a_log() -> None:
    assert "secret" not in repr(Address(host="a", port=1).with_password("secret"))
    assert str(of_uri("spice://:secret@desk:5900")) == "desk:5900"


def test_a_subject_may_have_commas() -> None:
    assert subject_parts("O=A\\, B\\\\,CN=x") == [("O", "A, B\\"), ("CN", "x")]
