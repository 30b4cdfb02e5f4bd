"""The main channel (spice-common `spice.proto`, `MainChannel`; numbers of spice-protocol `enums.h`)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Data, Empty
from frazil.spice.fields import (
    U8,
    U16,
    U32,
    U64,
    Bool32,
    Buffer,
    Counted32,
    CountedArray,
    Number,
    Octets,
    SizedAtOffset,
)
from frazil.spice.records import kind_of, record
from frazil.spice.tables import MessageTable


class MainServer(IntEnum):
    """Server to client."""

    MIGRATE_BEGIN = 101
    MIGRATE_CANCEL = 102
    INIT = 103
    CHANNELS_LIST = 104
    MOUSE_MODE = 105
    MULTI_MEDIA_TIME = 106
    AGENT_CONNECTED = 107
    AGENT_DISCONNECTED = 108
    AGENT_DATA = 109
    AGENT_TOKEN = 110
    MIGRATE_SWITCH_HOST = 111
    MIGRATE_END = 112
    NAME = 113
    UUID = 114
    AGENT_CONNECTED_TOKENS = 115
    MIGRATE_BEGIN_SEAMLESS = 116
    MIGRATE_DST_SEAMLESS_ACK = 117
    MIGRATE_DST_SEAMLESS_NACK = 118


class MainClient(IntEnum):
    """Client to server."""

    CLIENT_INFO = 101
    MIGRATE_CONNECTED = 102
    MIGRATE_CONNECT_ERROR = 103
    ATTACH_CHANNELS = 104
    MOUSE_MODE_REQUEST = 105
    AGENT_START = 106
    AGENT_DATA = 107
    AGENT_TOKEN = 108
    MIGRATE_END = 109
    MIGRATE_DST_DO_SEAMLESS = 110
    MIGRATE_CONNECTED_SEAMLESS = 111


class MainCap(IntEnum):
    """What either side can do on this channel (`SPICE_MAIN_CAP_*`)."""

    SEMI_SEAMLESS_MIGRATE = 0
    NAME_AND_UUID = 1
    AGENT_CONNECTED_TOKENS = 2
    SEAMLESS_MIGRATE = 3


class MouseMode(IntFlag):
    """Who draws the pointer: in server mode motions are relative, in client mode positions are absolute."""

    SERVER = 1
    CLIENT = 2


@record
class MainInit:
    """The first message of a session. `session_id` is the connection id that its other links must name."""

    session_id: U32
    display_channels_hint: U32
    supported_mouse_modes: U32
    current_mouse_mode: U32
    agent_connected: Bool32
    agent_tokens: U32
    multi_media_time_ms: U32
    ram_hint: U32


@record
class ChannelId:
    """A channel that the client may link to."""

    type: U8
    id: U8


@record
class ChannelsList:
    """All of them; the main channel itself is not named."""

    channels: Annotated[tuple[ChannelId, ...], CountedArray(Number("I"), kind_of(ChannelId))]


@record
class MouseModeState:
    """Which modes there are, and which one is on."""

    supported: U16
    current: U16


@record
class MultiMediaTime:
    """The clock that sound and video are played by."""

    time_ms: U32


@record
class AgentDisconnected:
    """The guest's agent is gone; `error` is a link error's number."""

    error: U32


@record
class AgentTokens:
    """In an agent's messages to come: so many `AGENT_DATA` more may be sent to whoever says this."""

    tokens: U32


@record
class SwitchHost:
    """Where the desktop is now. Host and subject end with NUL; a port of 0 is not to be used."""

    port: U16
    tls_port: U16
    host: SizedAtOffset
    cert_subject: SizedAtOffset


@record
class MigrateBegin:
    """Where the desktop will be: connect there, but stay."""

    port: U16
    tls_port: U16
    host: SizedAtOffset
    cert_subject: SizedAtOffset


@record
class MigrateBeginSeamless:
    """`MigrateBegin` when both servers keep the links' state."""

    destination: MigrateBegin
    source_version: U32


@record
class ServerName:
    """The machine's name, with a closing NUL."""

    name: Counted32


@record
class ServerUuid:
    """The machine's id."""

    uuid: Annotated[Buffer, Octets(16)]


@record
class ClientInfo:
    """What the client can keep."""

    cache_bytes: U64


@record
class MouseModeRequest:
    """The mode that the client would like."""

    mode: U16


@record
class DoSeamless:
    """The client asks the new server whether it can take the links over."""

    source_version: U32


MAIN_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        MainServer.MIGRATE_BEGIN: MigrateBegin,
        MainServer.MIGRATE_CANCEL: Empty,
        MainServer.INIT: MainInit,
        MainServer.CHANNELS_LIST: ChannelsList,
        MainServer.MOUSE_MODE: MouseModeState,
        MainServer.MULTI_MEDIA_TIME: MultiMediaTime,
        MainServer.AGENT_CONNECTED: Empty,
        MainServer.AGENT_DISCONNECTED: AgentDisconnected,
        MainServer.AGENT_DATA: Data,
        MainServer.AGENT_TOKEN: AgentTokens,
        MainServer.MIGRATE_SWITCH_HOST: SwitchHost,
        MainServer.MIGRATE_END: Empty,
        MainServer.NAME: ServerName,
        MainServer.UUID: ServerUuid,
        MainServer.AGENT_CONNECTED_TOKENS: AgentTokens,
        MainServer.MIGRATE_BEGIN_SEAMLESS: MigrateBeginSeamless,
        MainServer.MIGRATE_DST_SEAMLESS_ACK: Empty,
        MainServer.MIGRATE_DST_SEAMLESS_NACK: Empty,
    }
)
MAIN_FROM_CLIENT = BASE_FROM_CLIENT | MessageTable(
    {
        MainClient.CLIENT_INFO: ClientInfo,
        MainClient.MIGRATE_CONNECTED: Empty,
        MainClient.MIGRATE_CONNECT_ERROR: Empty,
        MainClient.ATTACH_CHANNELS: Empty,
        MainClient.MOUSE_MODE_REQUEST: MouseModeRequest,
        MainClient.AGENT_START: AgentTokens,
        MainClient.AGENT_DATA: Data,
        MainClient.AGENT_TOKEN: AgentTokens,
        MainClient.MIGRATE_END: Empty,
        MainClient.MIGRATE_DST_DO_SEAMLESS: DoSeamless,
        MainClient.MIGRATE_CONNECTED_SEAMLESS: Empty,
    }
)
