"""PyAV (FFmpeg for Python), which need not be there: Frazil's extra `video` brings it.

It is imported when something asks for it, since its libraries take a while to come.
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal

VERSION_MIN = 18
"""Earlier ones name things otherwise."""


def library() -> ModuleType | None:
    """The module `av`, or None where it is not installed, or too old."""
    try:
        import av
    except ImportError:
        return None
    return av if int(av.__version__.partition(".")[0]) >= VERSION_MIN else None


def knows(codec: str, mode: Literal["r", "w"]) -> bool:
    """Whether FFmpeg is there and decodes (``r``) or encodes (``w``) that codec."""
    av = library()
    if av is None:
        return False
    try:
        av.Codec(codec, mode)
    except ValueError:  # UnknownCodecError
        return False
    return True
