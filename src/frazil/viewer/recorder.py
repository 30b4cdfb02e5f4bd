"""What a desktop plays, into a WAV file."""

from __future__ import annotations

import asyncio
import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, InvalidInput
from frazil.spice.sound_blocks import Samples, SoundFormat
from frazil.viewer.desktop import Desktop

SLACK_S = 0.2
"""Blocks come so much sooner or later than they are played; a longer pause was silence."""
FILE_MAX_BYTES = (1 << 32) - 64
"""Sizes in a WAV file have 32 bits."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is in the file. `peak` is the loudest sample, from 0 to 1."""

    format: SoundFormat
    duration_s: float
    peak: float


async def record_sound(desktop: Desktop, path: str | Path, *, for_s: float) -> Recorded:
    """Write what the desktop plays within the next `for_s` seconds into a WAV file of that length (16 bits a sample).

    Where nothing is played there is silence. What the desktop's mixer is set to is not applied (`Desktop.volumes`).

    Raises DeadlinePassed when nothing is played at all (no file is written then), InvalidInput for a file that can't be
    written, Conflict when the desktop goes over to another format or `connect` was not told to follow sound.
    """
    file: _Wav | None = None
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                async for block in desktop.sound():
                    if file is None:
                        file = _Wav(path, block.format, for_s=for_s)
                    elif file.format != block.format:
                        raise Conflict("The desktop plays in another format now; the file ends here.")
                    file.add(block.samples, at_s=loop.time() - began_s)
        if file is None:
            raise DeadlinePassed(f"The desktop has played nothing for {for_s:g} s, or its policy forbids sound.")
        return file.finish()
    finally:
        if file is not None:
            file.close()


class _Wav:
    """A file that gets as long as its time, and no longer."""

    def __init__(self, path: str | Path, form: SoundFormat, *, for_s: float) -> None:
        self.format = form
        self._moments = round(for_s * form.rate_hz)
        if self._moments * form.channels * 2 > FILE_MAX_BYTES:
            raise InvalidInput(f"{for_s:g} s of sound are more than a WAV file can hold.", field="for_s")
        self._written = 0
        self._peak = 0
        try:
            self._raw = Path(path).open("wb")  # noqa: SIM115 - closed by whoever made us
        except OSError as exc:
            raise InvalidInput(f"{path} can't be written: {exc.strerror}.", field="path") from exc
        self._file = wave.Wave_write(self._raw)
        self._file.setnchannels(form.channels)
        self._file.setsampwidth(2)
        self._file.setframerate(form.rate_hz)

    def add(self, samples: Samples, *, at_s: float) -> None:
        """Sound that has come by then, behind the silence before it."""
        begins = round(at_s * self.format.rate_hz) - len(samples)
        if begins - self._written > SLACK_S * self.format.rate_hz:
            self._silence(begins)
        self._write(samples)

    def finish(self) -> Recorded:
        self._silence(self._moments)
        return Recorded(self.format, self._written / self.format.rate_hz, self._peak / 32768)

    def close(self) -> None:
        with self._raw:
            self._file.close()

    def _silence(self, until: int) -> None:
        while (missing := until - self._written) > 0:
            self._write(np.zeros((min(missing, self.format.rate_hz), self.format.channels), np.int16))

    def _write(self, samples: Samples) -> None:
        samples = samples[: self._moments - self._written]
        if len(samples):
            self._file.writeframesraw(samples.astype("<i2").tobytes())
            self._written += len(samples)
            self._peak = max(self._peak, int(np.abs(samples.astype(np.int32)).max()))
