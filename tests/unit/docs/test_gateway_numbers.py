"""What the documents say of the gateway's limits is what it does."""

from __future__ import annotations

import re
from pathlib import Path

from frazil.gateway import app, entrance, forward, links, places
from frazil.wire.rest import BODY_MAX_BYTES

INSTALL = (Path(__file__).parents[3] / "docs" / "howto" / "install.md").read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_code() -> None:
    said = re.sub(r"\s+", " ", INSTALL.partition("## What the one port takes")[2])
    assert f"| connections | {app.CONNECTIONS_MAX:,} |" in said
    shares = (
        f"{places.PLACES}; {places.SESSION_PLACES} of them to one session, {places.ADDRESS_PLACES} from one address"
    )
    assert f"| links to desktops that are being made | {shares} |" in said
    assert f"for up to {links.HANDSHAKE_DEADLINE_S:g} s" in said
    assert f"(/{places.IPV6_PREFIX})" in said
    assert (
        f"at most {BODY_MAX_BYTES >> 20} MiB, and comes at {forward.BODY_LEAST_BYTES_PER_S >> 10} KiB in a second"
        in said
    )
    assert forward.PROGRESS_DEADLINE_S == entrance.UNHEARD_MAX_S == 60, "a minute, as it says"
