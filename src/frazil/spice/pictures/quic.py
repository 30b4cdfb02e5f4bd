"""QUIC pictures: each pixel is guessed from its neighbours, and what it differs by is coded (spice-common `quic.c`).

Of each colour, the guess is the mean of the pixel to the left and the one above. What it differs by becomes a small
number (0, -1, 1, -2, … are 0, 1, 2, 3, …), which is written in one of eight Golomb-Rice codes. Which code it is, a
model says: numbers fall into buckets by the number before them on the line, and each bucket counts what every code
would have cost. The model learns from all pixels at first, then from some, chosen by a fixed table of random numbers.
Where the line above has two equal pixels and this one had two, a run follows: how often the pixel is repeated.

Colours are coded together, as one group that shares runs and the choice of pixels to learn from; an alpha plane is a
group of its own. This is the readable decoder; `_coders.c` has a fast one that does the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.fields import Buffer
from frazil.spice.pictures import coders
from frazil.spice.pictures.picture import Picture, check_size, from_rgb555

MAGIC = b"QUIC"
HEADER_BYTES = 20
LENGTH_MAX_BITS = 26
"""The longest code word."""
LEARNING_STEPS = 6
"""How often the share of pixels that are learned from is halved."""
LEARNING_PIXELS = 2048
"""So many pixels are between two halvings."""
TRIGGERS = (110, 550, 900, 800, 550, 400, 350)
"""Costs over which a bucket's counters are halved, by the number of halvings before."""
RUN_BITS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15)
"""Bits of a run's length, by how long runs have been."""
CHANCE = bytes.fromhex(
    "021713150712280e0c202f2c2406120b04132a1d103f39331003050e0f1e1409242d03393d000805290e2b1b2b3b1f23"
    "273c2a260d363e011a030b3d34220730043b160c160832040a062c080b2e1f333511012b2e3c24360a1b272c16291702"
    "2c0028352830102b201c210c1402383e373a12140d37261d391331212f3f3b00233d13192e263c0423011a281c0a050e"
    "19123031143b3e222e072134223a091d08373e3c2524253206030a1c30181a3d391e0b360206322f07112335200c1711"
    "05153137332d341b2719273f16182a343826292938200d181a331b383a25182a0f1c111e1f0f101719362122011d1f32"
    "3515310f2f09003a252d1e0d092d3f15"
)
"""The random numbers; of each only the lowest six bits are ever used."""


Planes: TypeAlias = npt.NDArray[np.uint8]
"""Height × planes × width values: red, green, blue (of 5 bits in RGB16) and alpha; or gray alone."""


class QuicType(IntEnum):
    """What the pixels are, in QUIC's header."""

    GRAY = 1
    RGB16 = 2
    RGB24 = 3
    RGB32 = 4
    RGBA = 5


class Bits:
    """A stream of little-endian words of 32 bits, each with its highest bit first."""

    __slots__ = ("_words", "at", "end")

    def __init__(self, data: Buffer) -> None:
        count = len(data) // 4
        self._words = (*struct.unpack(f"<{count}I", bytes(data[: 4 * count])), 0)
        self.at = 0
        self.end = 32 * count

    def peek(self) -> int:
        """The next 32 bits, with zeros behind the last one."""
        word, shift = divmod(self.at, 32)
        if self.at > self.end:
            raise RemoteProtocolError("A QUIC picture is cut off.")
        if word == len(self._words) - 1:
            return 0
        both: int = self._words[word] << 32 | self._words[word + 1]
        return both >> 32 - shift & 0xFFFFFFFF


class Family:
    """The eight (or five) codes for numbers of `bits` bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        levels = 1 << bits
        self.prefixes = [min(LENGTH_MAX_BITS - bits, (1 << bits - code) - 1) for code in range(bits)]
        """How many zeros a Golomb-Rice word begins with at most; as many mean that a plain number follows."""
        self.plain_from = [prefix << code for code, prefix in enumerate(self.prefixes)]
        self.plain_bits = [(levels - first - 1).bit_length() if levels > first else 0 for first in self.plain_from]
        self.lengths = [
            [
                (number >> code) + code + 1 if number < self.plain_from[code] else prefix + self.plain_bits[code]
                for number in range(levels)
            ]
            for code, prefix in enumerate(self.prefixes)
        ]
        self.bucket_of = [_bucket(number, levels) for number in range(levels)]
        self.signed = [levels - 1 - (number >> 1) if number & 1 else number >> 1 for number in range(levels)]

    def read(self, bits: Bits, code: int) -> int:
        """The next number in that code."""
        word = bits.peek()
        zeros = 32 - word.bit_length()
        if zeros < self.prefixes[code]:
            length = zeros + 1 + code
            bits.at += length
            return zeros << code | word >> 32 - length & (1 << code) - 1
        length = self.prefixes[code] + self.plain_bits[code]
        bits.at += length
        number = self.plain_from[code] + (word >> 32 - length & (1 << self.plain_bits[code]) - 1)
        if number >> self.bits:
            raise RemoteProtocolError(f"A QUIC picture has {number} where a number of {self.bits} bits is due.")
        return number


def _bucket(number: int, levels: int) -> int:
    """Buckets hold 1, 2, 4, 8, … numbers; a last one that would be cut short belongs to the one before."""
    first, size, bucket = 0, 1, 0
    while True:
        last = first + size - 1
        if last + size >= levels:
            last = levels - 1
        if number <= last:
            return bucket
        first, size, bucket = last + 1, size * 2, bucket + 1


FAMILY_8 = Family(8)
FAMILY_5 = Family(5)


@dataclass(slots=True)
class _Channel:
    """One colour: its model, and the numbers of the line that is decoded (or still those of the line before)."""

    family: Family
    width: int
    numbers: list[int] = field(init=False)
    before: int = 0
    """What stands for the number before a line's first one."""
    best: list[int] = field(init=False)
    costs: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        buckets = self.family.bucket_of[-1] + 1
        self.numbers = [0] * self.width
        self.best = [self.family.bits - 1] * buckets
        self.costs = [[0] * self.family.bits for _ in range(buckets)]

    def bucket(self, index: int) -> int:
        return self.family.bucket_of[self.numbers[index - 1] if index else self.before]

    def read(self, bits: Bits, index: int) -> int:
        """The next number's meaning: what the pixel differs by, modulo its range."""
        number = self.family.read(bits, self.best[self.bucket(index)])
        self.numbers[index] = number
        return self.family.signed[number]

    def learn(self, index: int, trigger: int) -> None:
        """Count what each code would have cost."""
        bucket = self.bucket(index)
        costs = self.costs[bucket]
        number = self.numbers[index]
        best = self.family.bits - 1
        for code in range(self.family.bits - 1, -1, -1):
            costs[code] += self.family.lengths[code][number]
            if costs[code] < costs[best]:
                best = code
        self.best[bucket] = best
        if costs[best] > trigger:
            self.costs[bucket] = [cost >> 1 for cost in costs]


class Group:
    """Colours that are coded together. `lines` are those decoded last: one list of values a colour."""

    def __init__(self, bits: Bits, family: Family, colors: int, width: int) -> None:
        self._bits = bits
        self._mask = (1 << family.bits) - 1
        self._width = width
        self._channels = [_Channel(family, width) for _ in range(colors)]
        self._wait = 0
        self._chance = 255
        self._step = 0
        self._step_left = LEARNING_PIXELS
        self._run_state = 0
        self.lines: list[list[int]] | None = None

    def next_line(self) -> list[list[int]]:
        """Decode one line more."""
        above = self.lines
        line = [[0] * self._width for _ in self._channels]
        for channel in self._channels:
            channel.before = 0 if above is None else channel.numbers[0]
        at = 0
        while self._step < LEARNING_STEPS and self._step_left <= self._width - at:
            if self._step_left:
                self._segment(line, above, at, at + self._step_left)
                at += self._step_left
            self._step += 1
            self._step_left = LEARNING_PIXELS
        if at < self._width:
            self._segment(line, above, at, self._width)
            if self._step < LEARNING_STEPS:
                self._step_left -= self._width - at
        self.lines = line
        return line

    def _draw_lot(self) -> int:
        """How many pixels are not learned from until the next one is."""
        self._chance = self._chance + 1 & 255
        return CHANCE[self._chance] & (1 << self._step) - 1

    def _learn(self, index: int) -> None:
        for channel in self._channels:
            channel.learn(index, TRIGGERS[self._step])

    def _segment(self, line: list[list[int]], above: list[list[int]] | None, start: int, end: int) -> None:
        """Pixels `start` to `end` of a line, all with the same share of pixels to learn from."""
        index = start
        if index == 0:
            for color, channel in enumerate(self._channels):
                guess = above[color][0] if above is not None else 0
                line[color][0] = channel.read(self._bits, 0) + guess & self._mask
            if self._wait:
                self._wait -= 1
            else:
                self._wait = self._draw_lot()
                self._learn(0)
            index = 1
        learn_at = index + self._wait
        no_run_at = 0
        while index < end:
            if above is not None and index > 2 and index != no_run_at and self._may_run(line, above, index):
                self._wait = learn_at - index
                no_run_at = index
                length = self._run_length(end - index)
                for values in line:
                    values[index : index + length] = [values[index - 1]] * length
                index += length
                if index == end:
                    return
                learn_at = index + self._wait
                continue
            for color, channel in enumerate(self._channels):
                values = line[color]
                guess = values[index - 1] if above is None else values[index - 1] + above[color][index] >> 1
                values[index] = channel.read(self._bits, index) + guess & self._mask
            if index == learn_at:
                self._learn(index)
                learn_at = index + 1 + self._draw_lot()
            index += 1
        self._wait = learn_at - end

    @staticmethod
    def _may_run(line: list[list[int]], above: list[list[int]], index: int) -> bool:
        return all(values[index - 1] == values[index] for values in above) and all(
            values[index - 1] == values[index - 2] for values in line
        )

    def _run_length(self, most: int) -> int:
        """Ones mean the length that is expected and more to come; a zero and a number end it."""
        bits = self._bits
        length = 0
        while bits.peek() >> 31:
            bits.at += 1
            length += 1 << RUN_BITS[self._run_state]
            self._run_state = min(self._run_state + 1, len(RUN_BITS) - 1)
            if length > most:
                raise RemoteProtocolError("A QUIC picture has a run over the end of its line.")
        bits.at += 1
        rest = RUN_BITS[self._run_state]
        if rest:
            length += bits.peek() >> 32 - rest
            bits.at += rest
        if length > most:
            raise RemoteProtocolError("A QUIC picture has a run over the end of its line.")
        self._run_state = max(self._run_state - 1, 0)
        return length


def read_header(data: Buffer) -> tuple[QuicType, int, int]:
    """Type, width and height."""
    if len(data) < HEADER_BYTES or bytes(data[:4]) != MAGIC:
        raise RemoteProtocolError("A QUIC picture does not begin as one.")
    version, number, width, height = struct.unpack("<4I", bytes(data[4:HEADER_BYTES]))
    if version != 0:
        raise RemoteProtocolError(f"A QUIC picture is of version {version}; only 0 is known.")
    try:
        kind = QuicType(number)
    except ValueError as exc:
        raise RemoteProtocolError(f"A QUIC picture has type {number}, which is none.") from exc
    check_size(width, height)
    return kind, width, height


def decode_planes(data: Buffer) -> tuple[QuicType, Planes]:
    """The type, and the planes' values."""
    kind, width, height = read_header(data)
    bits = Bits(data[HEADER_BYTES:])
    family = FAMILY_5 if kind is QuicType.RGB16 else FAMILY_8
    groups = [Group(bits, family, 1 if kind is QuicType.GRAY else 3, width)]
    if kind is QuicType.RGBA:
        groups.append(Group(bits, family, 1, width))
    lines = []
    for _ in range(height):
        line = [plane for group in groups for plane in group.next_line()]
        lines.append(np.array(line, np.uint8))
    return kind, np.stack(lines)


def decode_planes_compiled(data: Buffer) -> tuple[QuicType, Planes]:
    """The same by the compiled module, which must be there."""
    kind, width, height = read_header(data)
    depth = FAMILY_5.bits if kind is QuicType.RGB16 else FAMILY_8.bits
    colors, alpha = 1 if kind is QuicType.GRAY else 3, kind is QuicType.RGBA
    made = coders.quic(data[HEADER_BYTES:], CHANCE, depth=depth, colors=colors, alpha=alpha, width=width, height=height)
    return kind, np.frombuffer(made, np.uint8).reshape(height, colors + alpha, width)


def decode_quic(data: Buffer) -> Picture:
    """Any QUIC picture; the uppermost line is always coded first."""
    kind, planes = decode_planes_compiled(data) if coders.AVAILABLE else decode_planes(data)
    return picture_of(kind, planes)


def picture_of(kind: QuicType, planes: Planes) -> Picture:
    """Pixels of the planes that a decoder made."""
    if kind is QuicType.GRAY:
        gray = planes[:, 0].astype(np.uint32)
        return Picture(gray << np.uint32(16) | gray << np.uint32(8) | gray)
    red, green, blue = (planes[:, color].astype(np.uint32) for color in range(3))
    if kind is QuicType.RGB16:
        return Picture(from_rgb555((red << np.uint32(10) | green << np.uint32(5) | blue).astype(np.uint16)))
    pixels = red << np.uint32(16) | green << np.uint32(8) | blue
    if kind is QuicType.RGBA:
        pixels |= planes[:, 3].astype(np.uint32) << np.uint32(24)
    return Picture(pixels, alpha=kind is QuicType.RGBA)
