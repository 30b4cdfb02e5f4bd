"""The command line that does the same as a page. Names are quoted for a shell where they need it."""

from __future__ import annotations

import shlex


def command(*words: str) -> str:
    """``frazil`` and `words`, ready to be pasted into a shell."""
    return shlex.join(("frazil", *words))
