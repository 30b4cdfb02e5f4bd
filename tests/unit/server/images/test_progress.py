"""The fraction never falls and ends at one, whatever is printed."""

from __future__ import annotations

from itertools import count

from frazil.server.images.progress import BuildProgress, InstallReader, Meter

PRINTED = """\
I: running apt-get update...
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Unpacking base ...
I: installing remaining packages inside the chroot...
0 upgraded, 3 newly installed, 0 to remove and 0 not upgraded.
Get:1 a
Get:2 b
Get:3 c
Unpacking a ...
Setting up a ...
Unpacking b ...
Unpacking c ...
Setting up b ...
Setting up c ...
I: running --customize-hook in shell
I: running --customize-hook in shell
something else
"""


def test_it_only_goes_forward() -> None:
    seen: list[BuildProgress] = []
    ticks = count()
    meter = Meter(seen.append, clock=lambda: float(next(ticks)))
    reader = InstallReader(meter)
    for line in PRINTED.splitlines():
        reader.line(line)
    meter.done()
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [progress.phase for progress in seen if progress.phase.startswith("Setting")]
    assert seen[-1].eta_s == 0.0
    assert meter.took_s["Unpacking packages"] > 0
