"""Whole pictures of a real desktop, by line and compression: the pictures of `bench/viewer.py`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from boot import PlainGuest
from figures import spread
from ways import LINES, line_to

from frazil.model.errors import NotFound
from frazil.server.images import build_image, cache_key, load_recipe, read_image_files
from tests.harness.headless import straight

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path("/var/cache/frazil/images")
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
QUIET_S = 0.3
DEADLINE_S = 60.0


def desktop_image() -> Path:
    """The image whose desktop is looked at, from the cache or built, which takes minutes, root and mmdebstrap."""
    recipe = load_recipe(ROOT / "images/debian-icewm")
    place = CACHE / cache_key(recipe)
    try:
        return read_image_files(place).directory
    except NotFound:
        print("building the image of debian-icewm ...", file=sys.stderr)
        return build_image(recipe=recipe, into=place, progress=lambda _: None).directory


def of_a_desktop(image: Path, times: int) -> dict[str, object]:
    """A signed-on desktop as it comes, and with a photograph on it, `times` for each line and compression."""
    with PlainGuest(image, vcpus=2, vga="virtio-vga") as desktop:
        desktop.agent_up()
        desktop.ready(desktop.service())
        drawn = asyncio.run(_pictures(desktop.directory / "spice", times))
        code, said = desktop.run(PHOTOGRAPH)
        assert code == 0, said
        return {"desktop": drawn, "photograph": asyncio.run(_pictures(desktop.directory / "spice", times))}


async def _pictures(server: Path, times: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in LINES:
        seen_of: dict[str, list[tuple[float, float]]] = {compression: [] for compression in COMPRESSIONS}
        with line_to(server, name) as port:
            for _ in range(times):
                for compression, number in COMPRESSIONS.items():
                    seen_of[compression].append(await _picture(port, number))
        found[name] = {
            compression: {
                "ms": spread([ms for ms, _ in seen], digits=0)["p50"],
                "kib": spread([kib for _, kib in seen], digits=0)["p50"],
            }
            for compression, seen in seen_of.items()
        }
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found


async def _picture(port: int, compression: int) -> tuple[float, float]:
    """Milliseconds and KiB until nothing more was drawn."""
    began_s = time.monotonic()
    async with asyncio.timeout(DEADLINE_S), straight(port, compression=compression) as seen:
        await seen.picture()
        await seen.still(for_s=QUIET_S)
        return (seen.last_drawn_at_s - began_s) * 1000, seen.display_bytes / 1024
