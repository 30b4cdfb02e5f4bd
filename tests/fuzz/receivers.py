"""What both sides of a link make of what passes, and whether they may: a policy's promises, whatever the sides say.

A receiver reads as a real one does, and knows nothing of how the filter decides. What is held against the filter is
what *no* policy of the link's life so far allows, since what is under way when a policy changes may come to its end.
"""

from __future__ import annotations

from collections.abc import Mapping

from frazil.gateway.filtering import Destination, Output
from frazil.gateway.record_borders import RecordBorders
from frazil.model.policy import ClipboardType, Policy
from frazil.spice.agent_clipboard import (
    ClipboardData,
    ClipboardFormat,
    ClipboardGrab,
    ClipboardLayout,
    ClipboardRequest,
)
from frazil.spice.agent_messages import AgentType, AnnounceCapabilities
from frazil.spice.agent_stream import AgentParser, AgentPiece
from frazil.spice.base_messages import BaseClient, BaseServer
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, Message, MessageParser
from frazil.spice.main_channel import (
    ChannelsList,
    MainClient,
    MainServer,
    MigrateBegin,
    MigrateBeginSeamless,
    SwitchHost,
)
from frazil.spice.port_channel import StreamMessage
from frazil.spice.records import decode
from frazil.spice.sound_channels import PlaybackServer, RecordServer
from frazil.spice.usbredir import Hello, InterfaceInfo, PacketParser, PacketType, UsbCap

READ_FROM_SERVER = (ChannelType.MAIN, ChannelType.PLAYBACK, ChannelType.RECORD, ChannelType.USBREDIR)
STORAGE = 0x08
NO_STORAGE = "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"
LIMITS_KIB = 16 << 10
"""Of a list of files, whatever the limit for other copies is."""
TO_GUEST: Mapping[int, int] = {
    AgentType.MONITORS_CONFIG: 2028,
    AgentType.DISPLAY_CONFIG: 8,
    AgentType.AUDIO_VOLUME_SYNC: 513,
    AgentType.MAX_CLIPBOARD: 4,
}
TO_CLIENT: Mapping[int, int] = {AgentType.REPLY: 8}
BOTH: Mapping[int, int] = {
    AgentType.ANNOUNCE_CAPABILITIES: 2028,
    AgentType.CLIPBOARD_GRAB: 2028,
    AgentType.CLIPBOARD_REQUEST: 8,
    AgentType.CLIPBOARD_RELEASE: 4,
    AgentType.FILE_XFER_STATUS: 16,
}
"""What may be said to each side, and in how many bytes; the rest is copies and files, which the policy is about."""
FILES = (AgentType.FILE_XFER_START, AgentType.FILE_XFER_DATA)
HARMLESS_USB = frozenset(
    {
        PacketType.HELLO,
        PacketType.DEVICE_DISCONNECT,
        PacketType.INTERFACE_INFO,
        PacketType.EP_INFO,
        PacketType.FILTER_FILTER,
    }
)
"""What a guest may hear where there is no device."""
WHOLE_USB = frozenset(
    {PacketType.HELLO, PacketType.DEVICE_CONNECT, PacketType.DEVICE_DISCONNECT, PacketType.INTERFACE_INFO}
)


class Ever:
    """What any policy of a link's life so far allows."""

    def __init__(self, policy: Policy) -> None:
        self.policies = [policy]

    def any(self, right: str) -> bool:
        return any(getattr(policy, right) for policy in self.policies)

    def links(self, channel: int) -> bool:
        right = {
            ChannelType.PLAYBACK: "sound",
            ChannelType.RECORD: "microphone",
            ChannelType.USBREDIR: "usb",
            ChannelType.WEBDAV: "folders",
        }
        return channel not in right or self.any(right[ChannelType(channel)])

    def formats(self, *, to_guest: bool) -> set[int]:
        """What may be copied that way."""
        found: set[int] = set()
        for policy in self.policies:
            if policy.clipboard_to_desktop if to_guest else policy.clipboard_from_desktop:
                if ClipboardType.TEXT in policy.clipboard_types:
                    found.add(ClipboardFormat.UTF8_TEXT)
                if ClipboardType.IMAGE in policy.clipboard_types:
                    found |= set(range(ClipboardFormat.IMAGE_PNG, ClipboardFormat.FILE_LIST))
            if policy.folders and (policy.files_to_desktop or not to_guest):
                found.add(ClipboardFormat.FILE_LIST)
        return found

    def copy_max_bytes(self, copied: int) -> int:
        kib = max(policy.clipboard_max_kib for policy in self.policies)
        return 1024 * (LIMITS_KIB if copied == ClipboardFormat.FILE_LIST else kib)


class Receivers:
    """Both sides of a link. `where` a client may be sent; None for nowhere."""

    def __init__(self, channel: ChannelType, kind: HeaderKind, policy: Policy, where: Destination | None) -> None:
        self._channel = channel
        self._ever = Ever(policy)
        self._where = where
        self._messages = {to_server: MessageParser(kind) for to_server in (False, True)}
        self._borders = RecordBorders(kind)
        self._agents = {to_server: AgentParser() for to_server in (False, True)}
        self._caps: dict[bool, tuple[int, ...]] = {}
        """What each side was told that the other one's agent can, in words of `AgentCap`."""
        self._usb = {False: PacketParser(frozenset({PacketType.HELLO})), True: PacketParser(WHOLE_USB)}
        self._usb_caps: dict[bool, tuple[int, ...]] = {}
        self._connected = False

    def change(self, policy: Policy) -> None:
        self._ever.policies.append(policy)

    def take(self, output: Output, *, server_spoke: bool) -> None:
        """What one call of the filter returned. AssertionError when something is in it that may not pass."""
        sides = {False: output.to_client, True: output.to_server}
        for to_server in (not server_spoke, server_spoke):  # what was said goes before what it made us say
            for part in sides[to_server]:
                self._read(bytes(part), to_server=to_server)

    def _read(self, part: bytes, *, to_server: bool) -> None:
        if not to_server:
            assert 0 <= self._borders.border(part) <= len(part)
            if self._channel not in READ_FROM_SERVER:
                return
        for message in self._messages[to_server].feed(part):
            if to_server:
                self._server_gets(message)
            else:
                self._client_gets(message)

    def _server_gets(self, message: Message) -> None:
        number = message.type
        assert number not in (BaseClient.MIGRATE_FLUSH_MARK, BaseClient.MIGRATE_DATA), "it ends the desktop"
        match self._channel:
            case ChannelType.MAIN:
                assert number != MainClient.MIGRATE_DST_DO_SEAMLESS, "it ends the desktop"
                if number == MainClient.AGENT_DATA:
                    self._agent_gets(message.body, to_guest=True)
            case ChannelType.PLAYBACK | ChannelType.RECORD:
                assert number <= 100 or self._ever.links(self._channel), f"message {number} of a forbidden microphone"
            case ChannelType.INPUTS:
                assert message.size <= 4096
            case ChannelType.USBREDIR:
                self._usb_gets(message, to_guest=True)

    def _client_gets(self, message: Message) -> None:
        number = message.type
        assert number != BaseServer.LIST, "a client unfolds it, and nobody has looked into it"
        assert not message.sub_list, "a client unfolds it, and nobody has looked into it"
        match self._channel:
            case ChannelType.MAIN:
                self._main_client_gets(message)
            case ChannelType.PLAYBACK:
                sound = number in (PlaybackServer.DATA, PlaybackServer.START)
                assert not sound or self._ever.links(self._channel), f"message {number} of forbidden sound"
            case ChannelType.RECORD:
                assert number != RecordServer.START or self._ever.links(self._channel), "a forbidden microphone is on"
            case ChannelType.USBREDIR:
                self._usb_gets(message, to_guest=False)

    def _main_client_gets(self, message: Message) -> None:
        match message.type:
            case MainServer.CHANNELS_LIST:
                for listed in decode(ChannelsList, message.body).channels:
                    assert self._ever.links(listed.type), f"channel {listed.type} is listed"
            case MainServer.AGENT_CONNECTED | MainServer.AGENT_DISCONNECTED | MainServer.AGENT_CONNECTED_TOKENS:
                for agent in self._agents.values():
                    agent.reset()
                self._caps.clear()
            case MainServer.AGENT_DATA:
                self._agent_gets(message.body, to_guest=False)
            case MainServer.MIGRATE_BEGIN:
                self._sent(decode(MigrateBegin, message.body))
            case MainServer.MIGRATE_SWITCH_HOST:
                self._sent(decode(SwitchHost, message.body))
            case MainServer.MIGRATE_BEGIN_SEAMLESS:
                self._sent(decode(MigrateBeginSeamless, message.body).destination)

    def _sent(self, there: MigrateBegin | SwitchHost) -> None:
        assert self._where is not None, "a client is sent somewhere"
        named = (there.port, there.tls_port, bytes(there.host), bytes(there.cert_subject))
        host, subject = self._where.host.encode() + b"\0", self._where.cert_subject.encode() + b"\0"
        assert named == (0, self._where.tls_port, host, subject)

    def _agent_gets(self, body: memoryview, *, to_guest: bool) -> None:
        piece = self._agents[to_guest].feed(body)
        if not piece.first:
            return
        kind, size = piece.header.type, piece.header.size
        known = {**BOTH, **(TO_GUEST if to_guest else TO_CLIENT)}
        if kind in known:
            assert size <= known[kind], f"agent message {kind} has {size} bytes"
        elif kind in FILES:
            assert to_guest
            assert self._ever.any("files_to_desktop"), "a file"
        else:
            assert kind == AgentType.CLIPBOARD, f"agent message {kind}"
        if kind == AgentType.ANNOUNCE_CAPABILITIES:
            self._caps[to_guest] = decode(AnnounceCapabilities, piece.data).caps
        self._check_copy(piece, to_guest=to_guest)

    def _check_copy(self, piece: AgentPiece, *, to_guest: bool) -> None:
        formats, asked_for = self._ever.formats(to_guest=to_guest), self._ever.formats(to_guest=not to_guest)
        exact = len(self._ever.policies) == 1  # else capabilities may be on their way that one side counts with already
        layout = ClipboardLayout.between(self._caps.get(True, ()), self._caps.get(False, ()))
        match piece.header.type:
            case AgentType.CLIPBOARD if exact and piece.header.size > 8:  # what is no longer says that there is nothing
                copied = layout.decode(ClipboardData, piece.data).content.type
                size = piece.header.size - layout.prefix_bytes - 4
                assert size == 0 if copied == ClipboardFormat.NONE else copied in formats, f"a copy of format {copied}"
                assert size <= self._ever.copy_max_bytes(copied), f"a copy of {size} bytes"
            case AgentType.CLIPBOARD:
                assert formats or piece.header.size <= 8, "a copy"
            case AgentType.CLIPBOARD_GRAB:
                assert formats, "something to copy"
                if exact:
                    assert set(layout.decode(ClipboardGrab, piece.data).content.types) <= formats
            case AgentType.CLIPBOARD_RELEASE:
                assert formats, "something that can't be copied any more, and never could"
            case AgentType.FILE_XFER_STATUS:
                assert not to_guest or self._ever.any("files_to_desktop"), "how a file is"
            case AgentType.CLIPBOARD_REQUEST:
                assert asked_for, "somebody asks for a copy"
                if exact:
                    assert layout.decode(ClipboardRequest, piece.data).content.type in asked_for

    def _usb_gets(self, message: Message, *, to_guest: bool) -> None:
        assert message.type != StreamMessage.COMPRESSED_DATA, "what nobody has looked into"
        if message.type != StreamMessage.DATA:
            return
        for packet in self._usb[to_guest].feed(message.body):
            if packet.first and to_guest:
                self._guest_gets_usb(packet.type, packet.data)
            if packet.first and packet.type == PacketType.HELLO and to_guest not in self._usb_caps:
                self._usb_caps[to_guest] = decode(Hello, packet.data).caps
                wide = len(self._usb_caps) == 2 and all(
                    caps and caps[0] >> UsbCap.WIDE_IDS & 1 for caps in self._usb_caps.values()
                )
                for parser in self._usb.values():
                    parser.wide_ids = wide

    def _guest_gets_usb(self, packet: int, body: memoryview) -> None:
        assert packet in HARMLESS_USB or self._ever.any("usb"), f"USB packet {packet}"
        if packet == PacketType.INTERFACE_INFO:
            info = decode(InterfaceInfo, body)
            storage = STORAGE in info.interface_class[: info.count]
            forbidden = all(NO_STORAGE in policy.usb_filters for policy in self._ever.policies)
            assert not (self._connected and storage and forbidden), "a drive"
        elif packet == PacketType.DEVICE_CONNECT:
            self._connected = True
        elif packet == PacketType.DEVICE_DISCONNECT:
            self._connected = False
