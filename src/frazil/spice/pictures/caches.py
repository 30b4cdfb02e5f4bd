"""What a client keeps because it is told to: pictures by their id, palettes by theirs.

Pictures belong to the session: all display channels share them. The server counts their pixels itself, evicts by
`InvalList`, and never goes over what the client named in `DisplayInit`; here that is checked. Palettes belong to a
display channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.model.errors import RemoteProtocolError
from frazil.spice.image_records import Palette
from frazil.spice.pictures.picture import Picture

Mask: TypeAlias = npt.NDArray[np.bool_]
"""Height × width: what is drawn."""

PALETTES_MAX = 1000
"""spice-server keeps no more than 128 in a client (`CLIENT_PALETTE_CACHE_SIZE`)."""


class NotInCache(RemoteProtocolError):
    """A message names a picture that is not there. By another display channel it may still come; then try again."""

    def __init__(self, number: int) -> None:
        super().__init__(f"A message names picture {number:#x}, which is not in the cache.")
        self.number = number


@dataclass(frozen=True, slots=True)
class _Kept:
    thing: Picture | Mask
    lossy: bool

    @property
    def pixels(self) -> int:
        return int(self.thing.pixels.size if isinstance(self.thing, Picture) else self.thing.size)


class PictureCache:
    """Pictures and masks by id, `pixels_max` of them in all."""

    def __init__(self, pixels_max: int) -> None:
        self._pixels_max = pixels_max
        self._kept: dict[int, _Kept] = {}
        self._pixels = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, number: int, thing: Picture | Mask, *, lossy: bool) -> None:
        """Keep it in the place of what had its id."""
        self.forget([number])
        kept = _Kept(thing, lossy)
        if self._pixels + kept.pixels > self._pixels_max:
            raise RemoteProtocolError(f"The server lets more than {self._pixels_max} pixels be kept.")
        self._kept[number] = kept
        self._pixels += kept.pixels

    def picture(self, number: int, *, lossless: bool = False) -> Picture:
        """Raises NotInCache; also for a lossy one where `lossless` is due."""
        kept = self._kept.get(number)
        if kept is None or (lossless and kept.lossy):
            raise NotInCache(number)
        if not isinstance(kept.thing, Picture):
            raise RemoteProtocolError("A mask is no picture.")
        return kept.thing

    def mask(self, number: int) -> Mask:
        """Raises NotInCache."""
        kept = self._kept.get(number)
        if kept is None:
            raise NotInCache(number)
        if isinstance(kept.thing, Picture):
            raise RemoteProtocolError("A picture is no mask.")
        return kept.thing

    def forget(self, numbers: Iterable[int]) -> None:
        """Ids that are not there are passed over."""
        for number in numbers:
            kept = self._kept.pop(number, None)
            if kept is not None:
                self._pixels -= kept.pixels

    def clear(self) -> None:
        self._kept.clear()
        self._pixels = 0


class PaletteCache:
    """Palettes by id."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, ...]] = {}

    def put(self, palette: Palette) -> None:
        if len(self._kept) >= PALETTES_MAX and palette.unique not in self._kept:
            raise RemoteProtocolError(f"The server lets more than {PALETTES_MAX} palettes be kept.")
        self._kept[palette.unique] = palette.colors

    def colors(self, number: int) -> tuple[int, ...]:
        """Raises RemoteProtocolError for one that is not there."""
        try:
            return self._kept[number]
        except KeyError as exc:
            raise RemoteProtocolError(f"A message names palette {number:#x}, which is not in the cache.") from exc

    def forget(self, number: int) -> None:
        self._kept.pop(number, None)

    def clear(self) -> None:
        self._kept.clear()
