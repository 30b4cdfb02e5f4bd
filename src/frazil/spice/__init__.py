"""The SPICE protocol, sans I/O: bytes in, messages and bytes out.

`link` and `auth` are the first exchange of a link, in both roles; `framing` and `sub_lists` cut what follows into
messages. Messages are declared once, as records (`records`, `fields`, `dependent_fields`): `base_messages`,
`main_channel`, `display_channel` (with `draw_records`, `image_records`, `geometry_records`), `cursor_channel`,
`inputs_channel`, `port_channel`, `sound_channels`; those of the guest's agent in `agent_messages` and
`agent_clipboard`, carried as `agent_stream` says. `pictures` decodes images and video, `canvas` draws, `sound` decodes
what is played and codes what is recorded: these need numpy and are not imported here. `ack_window` and `agent_tokens`
keep the accounts of whoever stands in the middle. `channels`, `capabilities` and `link_errors` are tables. Everything
that a peer can send wrong is a `RemoteProtocolError`.
"""

from frazil.spice.ack_window import AckWindow
from frazil.spice.agent_stream import AgentAssembler, AgentParser
from frazil.spice.agent_tokens import TokenAccount
from frazil.spice.auth import ENCRYPTED_BYTES, Mechanism, TicketKey, encrypt_password
from frazil.spice.capabilities import CommonCap
from frazil.spice.channels import ChannelType, channel_name
from frazil.spice.cursor import Cursor
from frazil.spice.framing import HeaderKind, Message, MessageParser
from frazil.spice.link import BadLink, LinkMessage, LinkReply
from frazil.spice.link_errors import LinkError, link_error_name
from frazil.spice.main_channel import MainInit
from frazil.spice.records import decode, encode, record
from frazil.spice.tables import MessageTable

__all__ = [
    "ENCRYPTED_BYTES",
    "AckWindow",
    "AgentAssembler",
    "AgentParser",
    "BadLink",
    "ChannelType",
    "CommonCap",
    "Cursor",
    "HeaderKind",
    "LinkError",
    "LinkMessage",
    "LinkReply",
    "MainInit",
    "Mechanism",
    "Message",
    "MessageParser",
    "MessageTable",
    "TicketKey",
    "TokenAccount",
    "channel_name",
    "decode",
    "encode",
    "encrypt_password",
    "link_error_name",
    "record",
]
