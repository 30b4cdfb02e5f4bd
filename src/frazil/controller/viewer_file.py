"""The text of a native viewer's connection file (``.vv``). Pure.

The keys are those of virt-viewer 11 (`src/virt-viewer-file.c`); the form is GLib's key file. The gateway takes the
session's id as the target of CONNECT, and the ticket as SPICE's password inside TLS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frazil.model.errors import InvalidInput
from frazil.model.policy import Policy
from frazil.wire.viewer_trust import ViewerTrust

MEDIA_TYPE = "application/x-virt-viewer"
SECURE_CHANNELS = (
    "main", "display", "inputs", "cursor", "playback", "record", "smartcard", "usbredir", "port", "webdav"
)  # fmt: skip
SECURE_ATTENTION = "ctrl+alt+end"
TOGGLE_FULLSCREEN = "shift+f11"
RELEASE_CURSOR = "shift+f12"
NO_INPUT_DEVICES = "0x03,-1,-1,-1,0"
"""Keyboards and mice are not taken away by themselves, as is spice-gtk's own default."""
HTTPS_PORT = 443
_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9.\-_]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """Where the public port is, as the person reached it; an IPv6 address is in brackets."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerFile:
    """One file; good for one connection, while its ticket is."""

    portal: Portal
    session_id: str
    ticket: str
    title: str
    host_subject: str
    ca_pem: str
    policy: Policy


def portal_at(authority: str) -> Portal:
    """From a request's ``Host``. Raises InvalidInput."""
    found = _AUTHORITY.fullmatch(authority)
    port = int(found["port"] or HTTPS_PORT) if found else 0
    if found is None or not 0 < port < 1 << 16:
        raise InvalidInput(f"{authority[:100]!r} is no address of a portal.", field="host")
    return Portal(host=found["host"], port=port)


def trusted_subject(trust: ViewerTrust) -> str:
    """Raises InvalidInput when a native viewer could not tell the certificate from another's."""
    if trust.host_subject is None:
        raise InvalidInput(
            "Native viewers can't check this portal's certificate: its common name is none of its names.",
            remedy="Open the desktop in the browser. An administrator can set a certificate whose subject has one of "
            "its names as common name, or use Frazil's own authority.",
        )
    return trust.host_subject


def render(file: ViewerFile) -> str:
    """The whole text. What the policy forbids is enforced by the gateway; here the viewer is told not to offer it."""
    values = {
        "type": "spice",
        "host": file.session_id,
        "tls-port": str(file.portal.port),
        "proxy": f"http://{file.portal.host}:{file.portal.port}",
        "password": file.ticket,
        "delete-this-file": "1",
        "title": file.title,
        "host-subject": file.host_subject,
        "ca": file.ca_pem,
        "secure-attention": SECURE_ATTENTION,
        "toggle-fullscreen": TOGGLE_FULLSCREEN,
        "release-cursor": RELEASE_CURSOR,
        "enable-smartcard": "0",
        **_usb(file.policy),
    }
    lines = [f"{key}={_escaped(value)}" for key, value in values.items() if value]
    lines.append(f"secure-channels={';'.join(SECURE_CHANNELS)}")
    return "[virt-viewer]\n" + "\n".join(lines) + "\n"


def _usb(policy: Policy) -> dict[str, str]:
    """A viewer takes one filter, for what it connects by itself; several can't be put in one, so nothing is then."""
    if not policy.usb:
        return {"enable-usbredir": "0"}
    if len(policy.usb_filters) > 1:
        return {"enable-usbredir": "1", "enable-usb-autoshare": "0"}
    found = {"enable-usbredir": "1", "enable-usb-autoshare": "1"}
    for rules in policy.usb_filters:
        found["usb-filter"] = f"{NO_INPUT_DEVICES}|{rules}"
    return found


def _escaped(value: str) -> str:
    """As GLib's key files read it: no control characters, and no space at the beginning."""
    text = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    text = "".join(char for char in text if char.isprintable())
    return "\\s" + text[1:] if text.startswith(" ") else text
