"""The clock: whether it shows a time that can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import frazil
from frazil.cli.doctor.finding import Check, Finding, Level
from frazil.model.clock import Clock

NAME = "clock"
SLACK = timedelta(minutes=5)


def look(clock: Clock, *, known: list[Path]) -> Finding:
    """Compare the clock with when the files in `known` (those that exist) were last written."""
    now = clock.now()
    for path in known:
        if not path.exists():
            continue
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if written > now + SLACK:
            return Finding(
                check=NAME,
                level=Level.FAILED,
                what=f"The clock shows {now:%Y-%m-%d %H:%M} UTC, but {path} was written at {written:%Y-%m-%d %H:%M}.",
                means="Sign-ins, tickets and certificates are valid for a time; with a wrong clock they are refused.",
                mend="timedatectl set-ntp true   # or: date -u -s 'YYYY-MM-DD HH:MM'",
            )
    return Finding(check=NAME, level=Level.OK, what=f"The clock shows {now:%Y-%m-%d %H:%M} UTC.")


def check(clock: Clock, *, known: list[Path]) -> Check:
    files = [Path(frazil.__file__), *known]
    return Check(name=NAME, look=lambda: look(clock, known=files))
