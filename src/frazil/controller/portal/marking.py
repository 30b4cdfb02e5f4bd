"""Marking words for translation where they are written."""

from __future__ import annotations


def N_(message: str) -> str:
    """The message itself; the catalogue's extraction finds it by this name. It is translated where it is shown."""
    return message
