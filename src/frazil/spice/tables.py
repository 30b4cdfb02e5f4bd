"""Which message a number means, by channel and direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer
from frazil.spice.records import decode


@dataclass(frozen=True, slots=True)
class MessageTable:
    """One direction of one channel: from message numbers to records. What is not there has no declared layout."""

    records: Mapping[IntEnum, type]

    def decode(self, number: int, body: Buffer | bytearray) -> object:
        """The record of a message. Raises RemoteProtocolError for a number that this direction does not have."""
        for known, record_class in self.records.items():
            if known == number:
                return decode(record_class, body)
        raise RemoteProtocolError(f"Message {number} has no meaning on this channel.")

    def name(self, number: int) -> str:
        """What logs show, such as ``set-ack``; ``message-42`` for a number that we do not know."""
        for known in self.records:
            if known == number:
                return known.name.lower().replace("_", "-")
        return f"message-{number}"

    def __or__(self, more: MessageTable) -> MessageTable:
        return MessageTable({**self.records, **more.records})
