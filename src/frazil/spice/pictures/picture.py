"""A picture: what all decoders make, and the bounds that they keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError

Pixels: TypeAlias = npt.NDArray[np.uint32]
"""Height × width numbers 0xAARRGGBB; colours are multiplied by their alpha where alpha counts."""

PIXELS_MAX = 1 << 25
"""The largest picture that is made, an 8K screen. A few bytes of a hostile server can ask for more."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels, the uppermost line first. Without `alpha` their highest byte means nothing.

    `only_alpha`: there are no colours, all of them are 0.
    """

    pixels: Pixels
    alpha: bool = False
    only_alpha: bool = False

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def check_size(width: int, height: int) -> None:
    """Raise RemoteProtocolError for a picture without pixels or with more than `PIXELS_MAX`."""
    if not width or not height or width * height > PIXELS_MAX:
        raise RemoteProtocolError(f"A picture of {width} by {height} pixels is none that we show.")


def from_bgr(data: bytes | bytearray, width: int, height: int) -> Pixels:
    """Three bytes a pixel, blue first; the highest byte becomes 0."""
    count = width * height
    made = np.empty(count, np.uint32)
    # Words that begin at each third byte, as copying bytes to each fourth one takes ten times as long; behind the last
    # pixel there is no fourth byte.
    words = np.ndarray((count - 1,), "<u4", data, 0, (3,))
    np.bitwise_and(words, np.uint32(0xFFFFFF), out=made[:-1])
    made[-1] = int.from_bytes(data[3 * count - 3 : 3 * count], "little")
    return made.reshape(height, width)


def with_alpha(pixels: Pixels, alpha: bytes | bytearray) -> Pixels:
    """The same colours with one byte a pixel as their alpha."""
    plane = np.frombuffer(alpha, np.uint8).reshape(pixels.shape).astype(np.uint32)
    return (pixels & np.uint32(0xFFFFFF)) | (plane << np.uint32(24))


def from_alpha(plane: npt.NDArray[np.uint8]) -> Picture:
    """A picture that is only alpha."""
    return Picture(plane.astype(np.uint32) << np.uint32(24), alpha=True, only_alpha=True)


def from_rgb555(values: npt.NDArray[np.uint16]) -> Pixels:
    """x1r5g5b5 to 0x00RRGGBB; the upper bits of each colour are its lower ones too."""
    wide = values.astype(np.uint32)
    made = np.zeros(wide.shape, np.uint32)
    for shift_from, shift_to in ((10, 16), (5, 8), (0, 0)):
        five = wide >> np.uint32(shift_from) & np.uint32(31)
        made |= (five << np.uint32(3) | five >> np.uint32(2)) << np.uint32(shift_to)
    return made
