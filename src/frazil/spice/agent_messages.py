"""What client and guest agent say to each other (spice-protocol `vd_agent.h`), without the clipboard.

Each message has a header of twenty bytes and travels inside `AGENT_DATA` of the main channel; `agent_stream` cuts and
joins. The clipboard's layouts depend on capabilities and are in `agent_clipboard`.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.base_messages import Empty
from frazil.spice.fields import (
    I32,
    U8,
    U16,
    U32,
    U64,
    ArrayCountedBy,
    ArrayToEnd,
    Bool8,
    Bool32,
    Counted32,
    CountedArray,
    Number,
    Rest,
    U16sCounted8,
    U32sToEnd,
)
from frazil.spice.records import kind_of, record
from frazil.spice.tables import MessageTable

AGENT_PROTOCOL = 1
AGENT_HEADER_BYTES = 20


class AgentType(IntEnum):
    """`VD_AGENT_*`. Who sends what stands beside it."""

    MOUSE_STATE = 1  # server
    MONITORS_CONFIG = 2  # client
    REPLY = 3  # agent
    CLIPBOARD = 4  # both
    DISPLAY_CONFIG = 5  # client
    ANNOUNCE_CAPABILITIES = 6  # both
    CLIPBOARD_GRAB = 7  # both
    CLIPBOARD_REQUEST = 8  # both
    CLIPBOARD_RELEASE = 9  # both
    FILE_XFER_START = 10  # client
    FILE_XFER_STATUS = 11  # both
    FILE_XFER_DATA = 12  # client
    CLIENT_DISCONNECTED = 13  # server
    MAX_CLIPBOARD = 14  # client
    AUDIO_VOLUME_SYNC = 15  # client
    GRAPHICS_DEVICE_INFO = 16  # server


class AgentCap(IntEnum):
    """`VD_AGENT_CAP_*`: bits of `AnnounceCapabilities.caps`."""

    MOUSE_STATE = 0
    MONITORS_CONFIG = 1
    REPLY = 2
    CLIPBOARD = 3
    DISPLAY_CONFIG = 4
    CLIPBOARD_BY_DEMAND = 5
    CLIPBOARD_SELECTION = 6
    SPARSE_MONITORS_CONFIG = 7
    GUEST_LINEEND_LF = 8
    GUEST_LINEEND_CRLF = 9
    MAX_CLIPBOARD = 10
    AUDIO_VOLUME_SYNC = 11
    MONITORS_CONFIG_POSITION = 12
    FILE_XFER_DISABLED = 13
    FILE_XFER_DETAILED_ERRORS = 14
    GRAPHICS_DEVICE_INFO = 15
    CLIPBOARD_NO_RELEASE_ON_REGRAB = 16
    CLIPBOARD_GRAB_SERIAL = 17


class FileXferResult(IntEnum):
    """How a transfer stands. From 4 on they are for clients with `FILE_XFER_DETAILED_ERRORS` only."""

    CAN_SEND_DATA = 0
    CANCELLED = 1
    ERROR = 2
    SUCCESS = 3
    NOT_ENOUGH_SPACE = 4
    SESSION_LOCKED = 5
    VDAGENT_NOT_CONNECTED = 6
    DISABLED = 7


class AgentResult(IntEnum):
    """What a `Reply` says."""

    SUCCESS = 1
    ERROR = 2


class MonitorsFlag(IntFlag):
    """What else is in a `MonitorsConfig`."""

    USE_POSITIONS = 1
    PHYSICAL_SIZE = 2


@record
class AgentHeader:
    """`size` bytes follow. `opaque` is the sender's, 0 today."""

    protocol: U32
    type: U32
    opaque: U64
    size: U32


@record
class MouseState:
    """The pointer on one display; `buttons` are `1 << button`."""

    x: U32
    y: U32
    buttons: U32
    display_id: U8


@record
class Monitor:
    """Twenty bytes, height first. 0 by 0 is a monitor that is off."""

    height: U32
    width: U32
    depth: U32
    x: I32
    y: I32


@record
class MonitorSize:
    """Millimetres; 0 by 0 is unknown."""

    height_mm: U16
    width_mm: U16


@record
class MonitorsConfig:
    """The monitors that the client wants. `sizes` is there only with `MonitorsFlag.PHYSICAL_SIZE`."""

    count: U32
    flags: U32
    monitors: Annotated[tuple[Monitor, ...], ArrayCountedBy("count", kind_of(Monitor))]
    sizes: Annotated[tuple[MonitorSize, ...], ArrayToEnd(kind_of(MonitorSize))] = ()


@record
class Reply:
    """The agent's answer to a message of `type`; `error` is an `AgentResult`."""

    type: U32
    error: U32


@record
class DisplayConfig:
    """`flags`: 1 no wallpaper, 2 no font smoothing, 4 no animation, 8 set the colour depth to `depth`."""

    flags: U32
    depth: U32


@record
class AnnounceCapabilities:
    """`caps` are words of `AgentCap` bits. `request` asks the other side for its own."""

    request: Bool32
    caps: U32sToEnd


@record
class FileXferStart:
    """`info` is a GKeyFile with NUL: `[vdagent-file-xfer]`, `name=`, `size=`."""

    id: U32
    info: Rest


@record
class FileXferStatus:
    """`result` is a `FileXferResult`; `detail` depends on it and is empty for old peers."""

    id: U32
    result: U32
    detail: Rest


@record
class FileXferFreeSpace:
    """The detail of `NOT_ENOUGH_SPACE`, which not every agent gives."""

    free_bytes: U64


@record
class FileXferError:
    """The detail of `ERROR`, which not every agent gives. Of `kind` 0, `error` is one of GLib's `G_IO_ERROR_*`."""

    kind: U8
    error: U32


@record
class FileXferData:
    """`size` is the length of `data`."""

    id: U32
    size: U64
    data: Rest


@record
class MaxClipboard:
    """The most bytes of clipboard that the client takes; -1 is any number."""

    max_bytes: I32


@record
class AudioVolumeSync:
    """The client's volume, one value a channel."""

    is_playback: Bool8
    mute: Bool8
    volumes: U16sCounted8


@record
class DeviceDisplay:
    """Which device of the guest shows a monitor of a channel. `address` ends with NUL."""

    channel_id: U32
    monitor_id: U32
    device_display_id: U32
    address: Counted32


@record
class GraphicsDeviceInfo:
    """All displays of the machine."""

    displays: Annotated[tuple[DeviceDisplay, ...], CountedArray(Number("I"), kind_of(DeviceDisplay))]


AGENT = MessageTable(
    {
        AgentType.MOUSE_STATE: MouseState,
        AgentType.MONITORS_CONFIG: MonitorsConfig,
        AgentType.REPLY: Reply,
        AgentType.DISPLAY_CONFIG: DisplayConfig,
        AgentType.ANNOUNCE_CAPABILITIES: AnnounceCapabilities,
        AgentType.FILE_XFER_START: FileXferStart,
        AgentType.FILE_XFER_STATUS: FileXferStatus,
        AgentType.FILE_XFER_DATA: FileXferData,
        AgentType.CLIENT_DISCONNECTED: Empty,
        AgentType.MAX_CLIPBOARD: MaxClipboard,
        AgentType.AUDIO_VOLUME_SYNC: AudioVolumeSync,
        AgentType.GRAPHICS_DEVICE_INFO: GraphicsDeviceInfo,
    }
)
