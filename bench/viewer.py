#!/usr/bin/env python3
"""What a person waits for: from a key to the picture that answers it, and for a whole picture. Prints one JSON object.

    .venv/bin/python bench/viewer.py [--presses 150] [--pictures 5] [--skip-pictures]

Needs QEMU; for the pictures also root and mmdebstrap. Nothing else of Frazil runs than a gateway with the tests' own
controller. Lines (`bench/line.py`) delay and limit what passes, in user space; `loopback` has neither.

`keys`: milliseconds from a key to the first drawing after it, in a guest that writes each key (a boot sector: it takes
no time worth the name, but QEMU looks at its screen only every 30 ms). By each line straight to QEMU and through the
gateway in turn, so that a machine that slows down meanwhile slows both. `added_percent` compares the medians. By
`STREAMED_LINE` also with the server's streaming of video in its other modes.

`pictures`: milliseconds and KiB until the whole screen of a signed-on desktop is there, through the gateway, by the
compression of pictures that the viewer asks for: the desktop as it comes, and with something like a photograph on it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from boot import PlainGuest
from figures import Surroundings, report, spread
from relays import running, trust

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from frazil.server.images import cache_key, load_recipe, read_image_files  # noqa: E402
from frazil.wire.rest import Ticket  # noqa: E402
from tests.harness.headless import Headless, straight, viewer  # noqa: E402
from tests.integration.gateway.back_end import BackEnd  # noqa: E402
from tests.integration.images.test_boot import CACHE, ROOT  # noqa: E402

LINES: dict[str, tuple[float, float]] = {
    "loopback": (0, 10_000), "20 ms, 50 Mbit/s": (20, 50), "20 ms, 10 Mbit/s": (20, 10), "80 ms, 50 Mbit/s": (80, 50),
    "80 ms, 10 Mbit/s": (80, 10),
}  # fmt: skip
"""Round trip in milliseconds and megabits a second."""
STREAMED_LINE = "20 ms, 10 Mbit/s"
ADDED_PERCENT = 5.0
COMPRESSIONS = {"off": 1, "auto_glz": 2, "auto_lz": 3, "quic": 4, "glz": 5, "lz": 6, "lz4": 7}
"""`SPICE_IMAGE_COMPRESSION_*` of spice-protocol."""
PHOTOGRAPH = """
cat > /tmp/photo.svg <<'END'
<svg xmlns="http://www.w3.org/2000/svg" width="1280" height="800"><filter id="f" width="100%" height="100%">
<feTurbulence type="fractalNoise" baseFrequency="0.008 0.02" numOctaves="6" seed="7"/></filter>
<rect width="100%" height="100%" fill="#678"/><rect width="100%" height="100%" filter="url(#f)"/></svg>
END
rsvg-convert /tmp/photo.svg > /tmp/photo.png
export DISPLAY=:0 XAUTHORITY=/run/frazil-screen/authority
pkill -x icewmbg; setsid icewmbg --image=/tmp/photo.png > /dev/null 2>&1 < /dev/null & sleep 4
"""
"""sh: something with the grain and the gradients of a photograph fills the desktop."""
AT_A_TIME = 15
QUIET_S = 0.4
PAUSE_S = (0.05, 0.12)
"""Between keys: at random, so that QEMU's beat is met at every moment of it."""


Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Behind:
    """A SPICE server, and a gateway in front of it."""

    back_end: Path
    directory: Path
    gateway_port: int
    controller: subprocess.Popen[str]

    def session(self) -> Ticket:
        assert self.controller.stdin
        assert self.controller.stdout
        print(1, file=self.controller.stdin, flush=True)
        ((session_id, ticket),) = json.loads(self.controller.stdout.readline())
        return Ticket(ticket=ticket, expires_at=datetime.now(UTC), spice_path=f"/spice/{session_id}")


@contextmanager
def gateway(directory: Path, back_end: Path) -> Iterator[Behind]:
    command = [sys.executable, HERE / "behind_gateway.py", directory, back_end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdin
        assert controller.stdout
        try:
            assert controller.stdout.readline() == "ready\n"
            with running("gateway", directory) as relay:
                yield Behind(back_end, directory, relay.port, controller)
        finally:
            controller.stdin.close()


@contextmanager
def line(name: str, target: int | Path) -> Iterator[int]:
    """The port at which `target` is behind that line."""
    round_trip_ms, mbit = LINES[name]
    command = [sys.executable, HERE / "line.py", str(target)]
    command += ["--round-trip-ms", str(round_trip_ms), "--mbit", str(mbit)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


async def press(seen: Headless, chance: random.Random) -> float:
    """Milliseconds from a key to the first drawing after it."""
    await asyncio.sleep(chance.uniform(*PAUSE_S))
    before = await seen.still(for_s=0.05)
    began_s = time.monotonic()
    await seen.press("q")
    return (await seen.picture(after=before) - began_s) * 1000


async def keys(behind: Behind, presses: int, lines: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    chance = random.Random(1)
    for name in lines:
        took_ms: dict[str, list[float]] = {"straight": [], "gateway": []}
        with line(name, behind.back_end) as own, line(name, behind.gateway_port) as port:
            # QEMU has one display client: each way is opened anew for a few keys, and the ways take turns.
            while min(map(len, took_ms.values())) < presses:
                for way, times in took_ms.items():
                    ticket = behind.session()
                    over = viewer(f"localhost:{port}", trust(behind.directory), ticket)
                    async with straight(own) if way == "straight" else over as seen:
                        await seen.picture()
                        await seen.still(for_s=QUIET_S)
                        times += [await press(seen, chance) for _ in range(min(AT_A_TIME, presses))]
        ways = {way: {"mean": round(fmean(times), 2), **spread(times, digits=2)} for way, times in took_ms.items()}
        added = ways["gateway"]["p50"] / ways["straight"]["p50"] - 1
        found[name] = {**ways, "added_percent": round(added * 100, 1)}
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found


async def pictures(behind: Behind, times: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in LINES:
        seen_of: dict[str, list[tuple[float, float]]] = {compression: [] for compression in COMPRESSIONS}
        with line(name, behind.gateway_port) as port:
            for _ in range(times):
                for compression, number in COMPRESSIONS.items():
                    began_s = time.monotonic()
                    address = f"localhost:{port}"
                    async with viewer(address, trust(behind.directory), behind.session(), compression=number) as seen:
                        await seen.picture()
                        await seen.still(for_s=QUIET_S)
                        took_ms = (seen.last_drawn_at_s - began_s) * 1000
                        seen_of[compression].append((took_ms, seen.display_bytes / 1024))
        found[name] = {
            compression: {
                "ms": spread([ms for ms, _ in seen], digits=0)["p50"],
                "kib": spread([kib for _, kib in seen], digits=0)["p50"],
            }
            for compression, seen in seen_of.items()
        }
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found


def measure(options: argparse.Namespace) -> dict[str, object]:
    surroundings = Surroundings()
    pressed: dict[str, Row] = {}
    for mode, lines in {"off": list(LINES), "filter": [STREAMED_LINE], "all": [STREAMED_LINE]}.items():
        with tempfile.TemporaryDirectory(prefix="fz-bench-keys-") as directory:
            at = Path(directory)
            with BackEnd(at, streaming=mode) as guest, gateway(at, guest.socket) as behind:
                rows = asyncio.run(keys(behind, options.presses, lines))
        pressed |= {name if mode == "off" else f"{name}, streaming {mode}": row for name, row in rows.items()}
    result: dict[str, object] = {"keys": pressed}
    if not options.skip_pictures:
        result["pictures"] = pictures_of_a_desktop(options.pictures)
    goals = {f"{name}: adds at most {ADDED_PERCENT:g} %": float(str(row["added_percent"])) <= ADDED_PERCENT
             for name, row in pressed.items() if name != "loopback"}  # fmt: skip
    return {**result, "goals": goals, "machine": surroundings.facts()}


def pictures_of_a_desktop(times: int) -> dict[str, object]:
    image = read_image_files(CACHE / cache_key(load_recipe(ROOT / "images/debian-icewm"))).directory
    with PlainGuest(image, vcpus=2) as desktop, tempfile.TemporaryDirectory(prefix="fz-bench-pictures-") as directory:
        desktop.agent_up()
        desktop.ready(desktop.service())
        with gateway(Path(directory), desktop.directory / "spice") as behind:
            drawn = asyncio.run(pictures(behind, times))
            desktop.run(PHOTOGRAPH)
            return {"desktop": drawn, "photograph": asyncio.run(pictures(behind, times))}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--presses", type=int, default=150, help="by each way and line (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=5, help="of each compression and line (default: %(default)s)")
    parser.add_argument("--skip-pictures", action="store_true", help="keys only: no image is needed")
    return report(measure(parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
