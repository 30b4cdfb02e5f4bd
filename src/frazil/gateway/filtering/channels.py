"""Which channels a policy has no use for. They are cut from the server's list, and refused when asked for."""

from __future__ import annotations

from frazil.model.policy import Policy
from frazil.spice.capabilities import without
from frazil.spice.channels import ChannelType
from frazil.spice.main_channel import ChannelsList
from frazil.spice.port_channel import CAP_COMPRESSION_LZ4


def refuses_channel(policy: Policy, channel_type: int) -> bool:
    """Whether nothing of this kind of channel may pass."""
    match channel_type:
        case ChannelType.PLAYBACK:
            return not policy.sound
        case ChannelType.RECORD:
            return not policy.microphone
        case ChannelType.USBREDIR:
            return not policy.usb
        case ChannelType.WEBDAV:
            return not policy.folders
    return False


def cut(policy: Policy, listed: ChannelsList) -> ChannelsList:
    """The list without what the policy refuses."""
    return ChannelsList(channels=tuple(c for c in listed.channels if not refuses_channel(policy, c.type)))


def without_compression(channel_type: int, channel_caps: tuple[int, ...]) -> tuple[int, ...]:
    """What each side is told that the other can do: USB is never compressed, so that we can read along."""
    if channel_type == ChannelType.USBREDIR:
        return without(channel_caps, CAP_COMPRESSION_LZ4)
    return channel_caps
