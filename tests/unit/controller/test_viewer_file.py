"""The text of a viewer's file."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from frazil.controller.viewer_file import Portal, ViewerFile, portal_at, render, trusted_subject
from frazil.model.errors import InvalidInput
from frazil.model.policy import Policy
from frazil.wire.viewer_trust import ViewerTrust

FILE = ViewerFile(
    portal=Portal(host="desk.example", port=8443),
    session_id="01900000-0000-7000-8000-0123456789ab",
    ticket="secret",
    title="Office",
    host_subject="CN=desk.example",
    ca_pem="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    policy=Policy(),
)
READ = """
import json, sys
from gi.repository import GLib
file = GLib.KeyFile()
text = sys.stdin.read()
file.load_from_data(text, len(text.encode()), GLib.KeyFileFlags.NONE)
keys = file.get_keys("virt-viewer")[0]
found = {key: file.get_string("virt-viewer", key) for key in keys}
found["secure-channels"] = list(file.get_string_list("virt-viewer", "secure-channels"))
print(json.dumps(found))
"""


def values(file: ViewerFile) -> dict[str, str]:
    head, *lines = render(file).splitlines()
    assert head == "[virt-viewer]"
    return dict(line.split("=", 1) for line in lines)


def test_all_that_a_viewer_needs_is_in_it() -> None:
    assert values(FILE) == {
        "type": "spice",
        "host": FILE.session_id,
        "tls-port": "8443",
        "proxy": "http://desk.example:8443",
        "password": "secret",
        "delete-this-file": "1",
        "title": "Office",
        "host-subject": "CN=desk.example",
        "ca": "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n",
        "secure-attention": "ctrl+alt+end",
        "toggle-fullscreen": "shift+f11",
        "release-cursor": "shift+f12",
        "enable-smartcard": "0",
        "enable-usbredir": "1",
        "enable-usb-autoshare": "1",
        "secure-channels": "main;display;inputs;cursor;playback;record;smartcard;usbredir;port;webdav",
    }


def test_there_is_no_way_without_tls() -> None:
    assert "port" not in values(FILE)


def test_the_systems_authorities_are_trusted_where_none_is_given() -> None:
    assert "ca" not in values(replace(FILE, ca_pem=""))


@pytest.mark.parametrize(
    ("title", "written"),
    [
        ("a\\b", "a\\\\b"),
        ("Iroda; é = [x] #1", "Iroda; é = [x] #1"),
        (" a", "\\sa"),
        ("a\nhost=evil", "a\\nhost=evil"),
        ("a\r\tb\0\x1b[0m", "a\\r\\tb[0m"),
        ("x\u2028host=evil", "xhost=evil"),
    ],
)
def test_no_title_gets_out_of_its_line(title: str, written: str) -> None:
    made = replace(FILE, title=title)
    assert values(made)["title"] == written
    assert values(made)["host"] == FILE.session_id


@pytest.mark.parametrize(
    ("policy", "usb"),
    [
        (Policy(usb=False), {"enable-usbredir": "0"}),
        (Policy(usb=False, usb_filters=("-1,-1,-1,-1,1",)), {"enable-usbredir": "0"}),
        (
            Policy(usb_filters=("0x08,-1,-1,-1,1",)),
            {
                "enable-usbredir": "1",
                "enable-usb-autoshare": "1",
                "usb-filter": "0x03,-1,-1,-1,0|0x08,-1,-1,-1,1",
            },
        ),
        (
            Policy(usb_filters=("0x08,-1,-1,-1,1", "-1,0x1234,-1,-1,1")),
            {"enable-usbredir": "1", "enable-usb-autoshare": "0"},
        ),
    ],
)
def test_the_viewer_is_told_which_devices_may_pass(policy: Policy, usb: dict[str, str]) -> None:
    found = {key: value for key, value in values(replace(FILE, policy=policy)).items() if "usb" in key}
    found.pop("secure-channels", None)
    assert found == usb


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("desk.example", "desk.example", 443),
        ("desk.example:8443", "desk.example", 8443),
        ("10.0.0.5:8443", "10.0.0.5", 8443),
        ("[2001:db8::1]:8443", "[2001:db8::1]", 8443),
        ("[::1]", "[::1]", 443),
    ],
)
def test_the_portal_is_where_the_person_reached_it(authority: str, host: str, port: int) -> None:
    assert portal_at(authority) == Portal(host=host, port=port)


@pytest.mark.parametrize(
    "authority", ["", "a b", "u:p@host", "host:0", "host:99999", "host:1/x", "a\n:1", "::1", "é.hu"]
)
def test_what_is_no_address_is_refused(authority: str) -> None:
    with pytest.raises(InvalidInput):
        portal_at(authority)


def test_a_certificate_that_cant_be_told_apart_makes_no_file() -> None:
    with pytest.raises(InvalidInput, match="browser"):
        trusted_subject(ViewerTrust(ca_pem="", host_subject=None))


@pytest.mark.skipif(not Path("/usr/lib/python3/dist-packages/gi").is_dir(), reason="python3-gi is not installed")
def test_glib_reads_back_what_was_written() -> None:
    made = replace(FILE, title=' \\n "é"; a,b\tc', host_subject="O=A\\, B\\\\C,CN=x")
    done = subprocess.run(
        ["/usr/bin/python3", "-c", READ], input=render(made), capture_output=True, text=True, check=True, timeout=30
    )
    read = json.loads(done.stdout)
    assert read["title"] == made.title
    assert read["host-subject"] == made.host_subject
    assert read["ca"] == made.ca_pem
    assert read["secure-channels"][:2] == ["main", "display"]
