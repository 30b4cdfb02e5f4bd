"""Sound as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]
"""Moments × channels, from -32768 to 32767."""


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """How many channels there are, and how many samples each has in a second."""

    channels: int
    rate_hz: int


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """Some milliseconds of sound. `samples` are moments × channels of int16; `time_ms` is the multimedia clock's, which
    begins again at 0 after 2³² ms."""

    samples: Samples
    format: SoundFormat
    time_ms: int

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return len(self.samples) / self.format.rate_hz
