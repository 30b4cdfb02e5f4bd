"""Sound that can be told apart: a tone of its own in each channel."""

from __future__ import annotations

import numpy as np

from frazil.spice.sound_blocks import Samples


def tones(seconds: float, *, channels: int = 2, rate_hz: int = 48_000) -> Samples:
    """440 Hz in the first channel, 660 in the second."""
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    waves = [np.sin(2 * np.pi * (440 + 220 * channel) * at_s) * 10_000 for channel in range(channels)]
    return np.stack(waves, axis=1).astype(np.int16)


def likeness(heard: Samples, played: Samples) -> float:
    """How alike they are, 1 at most, whatever a coder's delay of up to 20 ms; by the worst of the channels."""
    assert heard.shape[1] == played.shape[1]
    length = min(len(heard), len(played)) - 2000
    wanted = played[1000 : 1000 + length].astype(float)

    def at(delay: int) -> float:
        got = heard[1000 + delay : 1000 + delay + length].astype(float)
        return min(float(np.corrcoef(got[:, n], wanted[:, n])[0, 1]) for n in range(played.shape[1]))

    return max(at(delay) for delay in range(960))
