"""Exit codes, and which error ends with which."""

from __future__ import annotations

from enum import IntEnum

from frazil.client import DeadlinePassed
from frazil.model.errors import FrazilError, GuestSilent, InvalidInput, NotFound, Refused


class Exit(IntEnum):
    """What `frazil` ends with."""

    DONE = 0
    FAILED = 1
    WRONG_CALL = 2
    NOT_FOUND = 3
    REFUSED = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


MEANING = {
    Exit.DONE: "done",
    Exit.FAILED: "failed; the reason is on the standard error",
    Exit.WRONG_CALL: "wrong call: an option, a name or a value makes no sense; nothing was changed",
    Exit.NOT_FOUND: "no such thing, or not yours to see",
    Exit.REFUSED: "refused: not signed in, or not allowed",
    Exit.TIMED_OUT: "timed out: what was waited for goes on by itself",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}

_BY_ERROR: tuple[tuple[type[FrazilError], Exit], ...] = (
    (InvalidInput, Exit.WRONG_CALL),
    (NotFound, Exit.NOT_FOUND),
    (Refused, Exit.REFUSED),
    (DeadlinePassed, Exit.TIMED_OUT),
    (GuestSilent, Exit.TIMED_OUT),
)


def exit_of(error: FrazilError) -> Exit:
    """The exit code for this error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)


def in_words() -> str:
    """The codes in one sentence, for the end of the help."""
    return "Exit codes: " + ", ".join(
        f"{code.value} {text.partition(':')[0].partition(';')[0]}" for code, text in MEANING.items()
    )
