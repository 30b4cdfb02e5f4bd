"""What a desktop showed at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from frazil.model.errors import InvalidInput

Rgb = npt.NDArray[np.uint8]
SAMPLES = 64
"""Pixels of a picture that are looked for before all of it is compared."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a screen, in its pixels; `right` and `bottom` are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def middle(self) -> tuple[int, int]:
        """Where a click on it goes."""
        return (self.left + self.right) // 2, (self.top + self.bottom) // 2

    def contains(self, x: int, y: int) -> bool:
        """Whether this pixel is in it."""
        return self.left <= x < self.right and self.top <= y < self.bottom

    def touches(self, other: Box) -> bool:
        """Whether they have a pixel in common."""
        return (
            max(self.left, other.left) < min(self.right, other.right)
            and max(self.top, other.top) < min(self.bottom, other.bottom)
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Screenshot:
    """`rgb` has height × width × 3 bytes: red, green and blue of each pixel, the uppermost line first."""

    rgb: Rgb

    @classmethod
    def load(cls, path: str | Path) -> Screenshot:
        """A picture from a file that Pillow can read. Raises InvalidInput."""
        try:
            with Image.open(path) as file:
                return cls(np.asarray(file.convert("RGB")))
        except OSError as exc:
            raise InvalidInput(f"{path} is no picture that can be read.") from exc

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.rgb.shape[0])

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = self.rgb[y, x]
        return int(red), int(green), int(blue)

    def save(self, path: str | Path) -> None:
        """Write it, in the format that the name's ending says (``.png`` keeps each pixel). Raises InvalidInput."""
        try:
            Image.fromarray(self.rgb).save(path)
        except (OSError, ValueError) as exc:
            raise InvalidInput(f"{path} can't be written: {getattr(exc, 'strerror', None) or exc}.") from exc

    def cut(self, box: Box) -> Screenshot:
        """A part of it."""
        return Screenshot(self.rgb[box.top : box.bottom, box.left : box.right].copy())

    def same(self, other: Screenshot) -> bool:
        """Whether each pixel is the same."""
        return np.array_equal(self.rgb, other.rgb)

    def changed(self, other: Screenshot) -> Box | None:
        """The smallest box outside of which nothing differs from `other`; None when nothing does."""
        if self.rgb.shape != other.rgb.shape:
            return Box(0, 0, self.width, self.height)
        differs = (self.rgb != other.rgb).any(axis=2)
        lines, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        if not lines.size:
            return None
        return Box(int(columns[0]), int(lines[0]), int(columns[-1]) + 1, int(lines[-1]) + 1)

    def find(self, picture: Screenshot) -> Box | None:
        """Where `picture` is in this one, pixel for pixel; the uppermost place, None when it is nowhere."""
        down, across = self.height - picture.height + 1, self.width - picture.width + 1
        if down <= 0 or across <= 0:
            return None
        whole, part = _packed(self.rgb), _packed(picture.rgb)
        possible = np.ones((down, across), np.bool_)
        rare = np.random.default_rng(0).permutation(part.size)[:SAMPLES]
        for y, x in zip(*np.unravel_index(rare, part.shape), strict=True):
            possible &= whole[y : y + down, x : x + across] == part[y, x]
        for top, left in np.argwhere(possible):
            if np.array_equal(whole[top : top + picture.height, left : left + picture.width], part):
                return Box(int(left), int(top), int(left) + picture.width, int(top) + picture.height)
        return None


def _packed(rgb: Rgb) -> npt.NDArray[np.uint32]:
    wide = np.zeros((*rgb.shape[:2], 4), np.uint8)
    wide[:, :, :3] = rgb
    packed: npt.NDArray[np.uint32] = wide.view(np.uint32)[:, :, 0]
    return packed
