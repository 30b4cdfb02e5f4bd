"""An image on its way to a host that has joined, over a line that is cut in the middle of it."""

from __future__ import annotations

import json

from frazil.settings import Settings
from tests.harness.apart import Cards, run
from tests.harness.stack import Stack
from tests.harness.waiting import until

ARRIVES_S = 300
FILES = ("disk.qcow2", "kernel", "initrd", "cmdline")
"""What travels of an image; only the first one of one that was imported."""


def arrives_though_it_is_cut(stack: Stack, joined: Settings, cards: Cards, image: str, *, after_mib: int) -> None:
    """The line was told to `refuse_after` so much, before the host joined. What came by then is not sent again.

    joined: the host's settings.
    """
    image_id = stack.root.image(image).id
    own, copied = (of.images_dir / image_id for of in (stack.settings, joined))
    part = joined.cache_dir / "arriving" / image_id / "disk.qcow2"
    until(cards.has_refused, "the line is cut in the middle of the image", timeout_s=ARRIVES_S)
    before, came = cards.carried_bytes(), part.stat().st_size
    assert not copied.exists()
    assert came > (after_mib << 20) / 2
    cards.let_through()
    until(copied.exists, "all of the image has come", timeout_s=ARRIVES_S)
    files = [own / name for name in FILES if (own / name).exists()]
    whole = sum(file.stat().st_size for file in files)
    # TLS, TCP and the link to the controller take a few in a hundred besides.
    assert cards.carried_bytes() - before < whole - came / 2
    for file in files:
        run("cmp", str(file), str(copied / file.name))
    sums = [json.loads((of / "image.json").read_text())["disk_sha256"] for of in (own, copied)]
    assert sums[0] == sums[1]
    assert not part.exists()
