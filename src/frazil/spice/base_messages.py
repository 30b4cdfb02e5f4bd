"""Messages that every channel has (spice-common `spice.proto`, `BaseChannel`; numbers of spice-protocol `enums.h`)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.fields import U8, U32, U64, Counted32, CountedArray, Number, Rest
from frazil.spice.records import kind_of, record
from frazil.spice.tables import MessageTable


class BaseServer(IntEnum):
    """Server to client."""

    MIGRATE = 1
    MIGRATE_DATA = 2
    SET_ACK = 3
    PING = 4
    WAIT_FOR_CHANNELS = 5
    DISCONNECTING = 6
    NOTIFY = 7
    LIST = 8


class BaseClient(IntEnum):
    """Client to server."""

    ACK_SYNC = 1
    ACK = 2
    PONG = 3
    MIGRATE_FLUSH_MARK = 4
    MIGRATE_DATA = 5
    DISCONNECTING = 6


@record
class Empty:
    """A message without a body."""


@record
class Data:
    """A body without a layout of its own."""

    data: Rest


class MigrateFlag(IntFlag):
    """What a channel that moves wants of the client (`SPICE_MIGRATE_*`).

    `NEED_FLUSH`: a `MIGRATE_FLUSH_MARK` as the last message here. `NEED_DATA_TRANSFER`: a `MIGRATE_DATA` follows, whose
    content is the first message to the new server.
    """

    NEED_FLUSH = 1
    NEED_DATA_TRANSFER = 2


@record
class Migrate:
    """This channel goes to the new server. `flags` are `MigrateFlag`."""

    flags: U32


@record
class SetAck:
    """From here on the client says `ACK` for each `window` messages."""

    generation: U32
    window: U32


@record
class Ping:
    """The client answers `PONG` with the same id and time. `data` is ballast, to measure a line's rate."""

    id: U32
    timestamp: U64
    data: Rest


@record
class Pong:
    """`Ping` without its ballast."""

    id: U32
    timestamp: U64


@record
class ChannelWait:
    """A message of another channel that must have been handled."""

    channel_type: U8
    channel_id: U8
    message_serial: U64


@record
class WaitForChannels:
    """Go on only when the other channels have come so far."""

    waits: Annotated[tuple[ChannelWait, ...], CountedArray(Number("B"), kind_of(ChannelWait))]


@record
class Disconnecting:
    """`reason` is a link error's number."""

    timestamp: U64
    reason: U32


@record
class Notify:
    """A word for the person. `severity`: 0 info, 1 warning, 2 error; `visibility`: 0 low to 2 high."""

    timestamp: U64
    severity: U32
    visibility: U32
    what: U32
    message: Counted32


@record
class AckSync:
    """The client has seen the `SET_ACK` of this generation."""

    generation: U32


BASE_FROM_SERVER = MessageTable(
    {
        BaseServer.MIGRATE: Migrate,
        BaseServer.MIGRATE_DATA: Data,
        BaseServer.SET_ACK: SetAck,
        BaseServer.PING: Ping,
        BaseServer.WAIT_FOR_CHANNELS: WaitForChannels,
        BaseServer.DISCONNECTING: Disconnecting,
        BaseServer.NOTIFY: Notify,
        BaseServer.LIST: Data,
    }
)
BASE_FROM_CLIENT = MessageTable(
    {
        BaseClient.ACK_SYNC: AckSync,
        BaseClient.ACK: Empty,
        BaseClient.PONG: Pong,
        BaseClient.MIGRATE_FLUSH_MARK: Empty,
        BaseClient.MIGRATE_DATA: Data,
        BaseClient.DISCONNECTING: Disconnecting,
    }
)
