"""What the agent's messages of a fixed form may hold: nothing hides in those that pass unread."""

from __future__ import annotations

import pytest

from frazil.gateway.filtering.clipboard_rules import Way
from frazil.spice.agent_messages import (
    AGENT_HEADER_BYTES,
    AgentType,
    DisplayConfig,
    FileXferResult,
    Monitor,
    MonitorsConfig,
    MonitorsFlag,
    MonitorSize,
    Reply,
)
from frazil.spice.agent_stream import AGENT_DATA_MAX_BYTES, split
from frazil.spice.records import encode
from tests.unit.gateway.filtering.test_agent import FULL, RELEASE, TEXT, file_start, grab, request, started, status

MONITORS = MonitorsConfig(
    count=64,
    flags=MonitorsFlag.PHYSICAL_SIZE,
    monitors=(Monitor(height=1, width=1, depth=32, x=0, y=0),) * 64,
    sizes=(MonitorSize(height_mm=1, width_mm=1),) * 64,
)
LARGEST = [
    (Way.TO_DESKTOP, AgentType.MONITORS_CONFIG, encode(MONITORS)),
    (Way.TO_DESKTOP, AgentType.DISPLAY_CONFIG, encode(DisplayConfig(flags=1, depth=32))),
    (Way.TO_DESKTOP, AgentType.AUDIO_VOLUME_SYNC, b"\1\0\xff" + bytes(2 * 255)),
    (Way.TO_DESKTOP, AgentType.CLIPBOARD_REQUEST, request(TEXT)),
    (Way.FROM_DESKTOP, AgentType.CLIPBOARD_REQUEST, request(TEXT)),
    (Way.FROM_DESKTOP, AgentType.REPLY, encode(Reply(type=AgentType.MONITORS_CONFIG, error=1))),
]


@pytest.mark.parametrize(("way", "kind", "body"), LARGEST, ids=[f"{kind.name}-{way.name}" for way, kind, _ in LARGEST])
@pytest.mark.parametrize("more", [1, 3000, 1_000_000])
@pytest.mark.parametrize("first", [AGENT_HEADER_BYTES, AGENT_DATA_MAX_BYTES])
def test_the_largest_passes_and_a_longer_one_does_not(
    way: Way, kind: AgentType, body: bytes, more: int, first: int
) -> None:
    """However it is cut; and the account of tokens stays right."""
    line = started()
    to_desktop = way is Way.TO_DESKTOP
    says, data = (line.client_says, line.client_data) if to_desktop else (line.guest_says, line.guest_data)
    got = line.to_guest if to_desktop else line.to_client
    says(kind, body)
    whole = b"".join(split(kind, body + bytes(more)))
    data(whole[:first])
    for at in range(first, len(whole), AGENT_DATA_MAX_BYTES):
        data(whole[at : at + AGENT_DATA_MAX_BYTES])
    assert got == [(kind, body)]
    assert line.client_tokens == 9


def test_what_is_hung_on_to_a_small_message_is_dropped_with_it() -> None:
    line = started()
    line.client_says(*file_start(1))
    line.guest_says(AgentType.CLIPBOARD_GRAB, grab(TEXT, layout=FULL))
    line.to_client.clear()
    line.guest_says(AgentType.CLIPBOARD_RELEASE, RELEASE + b"secret")
    line.guest_says(AgentType.ANNOUNCE_CAPABILITIES, bytes(4) + b"secret" * 100)
    line.guest_says(AgentType.FILE_XFER_STATUS, status(1, FileXferResult.CAN_SEND_DATA)[1] + b"secret" * 100)
    assert line.to_client == []
