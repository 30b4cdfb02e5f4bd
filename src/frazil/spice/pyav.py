"""PyAV (FFmpeg for Python), which need not be there: Frazil's extra `video` brings it.

It is imported when something asks for it, since its libraries take a while to come.
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal


def library() -> ModuleType | None:
    """The module `av`, or None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


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
