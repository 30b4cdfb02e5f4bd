#!/usr/bin/env python3
"""What a person waits for: from a key to the picture that answers it, and for a whole picture. Prints one JSON object.

    .venv/bin/python bench/viewer.py [--presses 40] [--busy-seconds 8] [--pictures 1] [--skip-pictures]

Needs QEMU and binutils; for the pictures also root and mmdebstrap. Nothing else of Frazil runs than a gateway with the
tests' own controller. Lines (`bench/line.py`) delay and limit what passes, in user space; `loopback` has neither. Each
way is measured over each line: `straight` to QEMU, and through the gateway by `websocket` and by the `tunnel` of native
viewers.

`still`: milliseconds from a key to the drawing that answers it, in a guest that does nothing else (a boot sector). QEMU
looks at its screen only every 30 ms, which would hide what the gateway adds; so QEMU is asked when it heard each key
and when it drew next. `path_ms` is a key's whole time without that, `qemu_ms` the median of that, and `added_percent`
what the median path through the gateway adds to the straight one's and `qemu_ms`.

`busy`: the same while a window of 640 x 480 shows a film (what spice-server takes for video) or scrolls a text, 25
times a second, by the server's ways of streaming video: off, filter, all. Keys are typed on without waiting for
answers; those that had none 6 s after the last key count as that late. `streams`: how many the server made,
`frames_per_s`: of the film, `draws_per_s`: of either, `mbit_per_s`: what the display link carried.

`added_percent` has 90 of 100 times the true value between `low` and `high`; a goal is null where they don't tell.

`pictures`: milliseconds and KiB until the whole screen of a signed-on desktop is there, straight over each line (the
gateway changes nothing of it), by compression: the desktop as it comes, and with something like a photograph on it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keys
from attempts import Attempts
from compare import at_most
from figures import Surroundings, report
from pictures import desktop_image, of_a_desktop
from relays import versions
from ways import DELAYED, LINES, WAYS, Behind, in_front_of

from frazil.model.errors import FrazilError
from tests.harness.busy_screen import BusyScreen

MODES = ("off", "filter", "all")
SHOWN = {"film": MODES, "text": ("off", "all")}
"""And the modes in which each is measured: `filter` takes no text for video."""
ADDED_PERCENT = 5.0
Rows = dict[str, object]
Goals = dict[str, bool | None]


def measure(options: argparse.Namespace, image: Path | None) -> Rows:
    surroundings, parts = Surroundings(), Attempts()
    result: Rows = {}
    busy: dict[str, Rows] = {shows: {} for shows in SHOWN}
    goals: dict[str, bool | None] = {}
    for mode in MODES:
        # How a server streams is said when it starts.
        with tempfile.TemporaryDirectory(prefix="fz-bench-keys-") as directory:
            at = Path(directory)
            with BusyScreen(at, streaming=mode) as guest, in_front_of(guest, at) as behind:
                if mode == MODES[0]:
                    result["still"], met = still(parts, behind, guest, options)
                    goals |= met
                for shows in (shows for shows, modes in SHOWN.items() if mode in modes):
                    busy[shows][mode], met = typed(parts, behind, guest, shows, mode, options)
                    goals |= met
    result["busy"] = busy
    if image is not None:
        result["pictures"] = parts.take("pictures", lambda: of_a_desktop(image, options.pictures))
    machine = {**surroundings.facts(), "versions": versions()}
    return {**result, "failed": parts.failed, "machine": machine,
            "goals": {**goals, "every part was measured": not parts.failed}}  # fmt: skip


def still(parts: Attempts, behind: Behind, guest: BusyScreen, options: argparse.Namespace) -> tuple[Rows, Goals]:
    rows: Rows = {}
    goals: Goals = {}
    for line in LINES:
        row = parts.take(f"still, {line}", partial(keys.still, behind, guest, line, options.presses), times=2)
        if row is not None:
            rows[line] = row
            goals |= met(f"still, {line}", row["added_percent"]) if line in DELAYED else {}
    return rows, goals


def typed(
    parts: Attempts, behind: Behind, guest: BusyScreen, shows: str, mode: str, options: argparse.Namespace
) -> tuple[Rows, Goals]:
    """Text is asked of the server only: the gateway has no more to do with it than with a film."""
    rows: Rows = {}
    all_took: list[keys.Took] = []
    ways = WAYS if shows == "film" else WAYS[:1]
    for turn, line in enumerate(DELAYED):
        first = turn % len(ways)  # by turns, too
        order = (*ways[first:], *ways[:first])
        what = f"{shows}, streaming {mode}"
        found = parts.take(
            f"{what}, {line}", partial(keys.busy, behind, guest, line, shows, order, options.busy_seconds), times=2
        )
        if found is not None:
            rows[line], took = found
            all_took.append(took)
    rows["delayed_lines"] = {"added_percent": keys.added(all_took)}
    return rows, met(what, keys.added(all_took))


def met(what: str, added: object) -> Goals:
    assert isinstance(added, dict)
    return {
        f"{what}, {way}: adds at most {ADDED_PERCENT:g} %": at_most(found, ADDED_PERCENT)
        for way, found in added.items()
    }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--presses", type=int, default=40, help="still: by each way and line (default: %(default)s)")
    parser.add_argument("--busy-seconds", type=float, default=8.0, help="of typing, each (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=1, help="of each compression and line (default: %(default)s)")
    parser.add_argument("--skip-pictures", action="store_true", help="keys only: no image is needed")
    options = parser.parse_args(argv)
    try:
        image = None if options.skip_pictures else desktop_image()  # Before anything: it may be missing.
    except (FrazilError, OSError) as exc:
        print(f"There is no image of debian-icewm, and it can't be built: {exc}. Try --skip-pictures.", file=sys.stderr)
        return 2
    return report(measure(options, image))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
