"""Capabilities: sets of bits, carried as little-endian 32-bit words (spice-protocol `protocol.h`, `SPICE_*_CAP_*`)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class CommonCap(IntEnum):
    """What either side can do on any channel."""

    AUTH_SELECTION = 0
    AUTH_SPICE = 1
    AUTH_SASL = 2
    MINI_HEADER = 3


def has(words: tuple[int, ...], bit: int) -> bool:
    """Whether `bit` is set; a bit past the last word is not."""
    index, shift = divmod(bit, 32)
    return index < len(words) and bool(words[index] >> shift & 1)


def without(words: tuple[int, ...], bit: int) -> tuple[int, ...]:
    """The same words with `bit` cleared."""
    index, shift = divmod(bit, 32)
    return tuple(word & ~(1 << shift) if i == index else word for i, word in enumerate(words))


def with_bit(words: tuple[int, ...], bit: int) -> tuple[int, ...]:
    """The same words with `bit` set, and as many more as that takes."""
    index, shift = divmod(bit, 32)
    longer = words + (0,) * (index + 1 - len(words))
    return tuple(word | (1 << shift) if i == index else word for i, word in enumerate(longer))


def words_of(bits: Iterable[int]) -> tuple[int, ...]:
    """The shortest words that hold `bits`."""
    value = 0
    for bit in bits:
        value |= 1 << bit
    count = (value.bit_length() + 31) // 32
    return tuple(value >> 32 * i & 0xFFFFFFFF for i in range(count))
