"""When to look for equal pages, and how fast. Pure.

Equal pages are found soon and then looked for in vain: measured, three passes found all there was, and scanning on
cost a seventh of a core for nothing (docs/adr/0106-merging-in-bouts.md). So it is done in bouts: from when desktops
have written enough that is new until a pass finds little more.
"""

from __future__ import annotations

from dataclasses import dataclass

PASSES_LEAST = 3
"""The kernel merges a page only when it did not change between two passes, and the first may be half over."""
LITTLE = 0.02
"""A pass that finds less than this part of what is merged already has found little."""
NEW_MIB = 64
"""So much newly written memory is worth a bout, if it is a twentieth of all."""
PASS_S = 200
"""A pass over all desktops' memory is to take about so long (also the kernel's advisor's target)."""
SLEEP_MS = 20
PAGES_MIN, PAGES_MAX = 64, 1250
"""Pages at a time: the bounds of MOM's rules (oVirt's mom, doc/ksm.rules)."""
PAGE_KIB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bout:
    """A bout of merging that is going on. `passes`, `merged`: the kernel's counts at its last judged pass."""

    passes_at_start: int
    passes: int
    merged_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """No merging; `own_mib`: what desktops had for themselves when it began."""

    own_mib: int


Mode = Bout | Rest
NOTHING_YET = Rest(own_mib=0)


def follow(mode: Mode, *, own_mib: int, desktops: int, passes: int, merged_pages: int) -> Mode:
    """The mode from now on.

    own_mib: what all desktops have for themselves now. passes, merged_pages: the kernel's `full_scans` and
    `pages_sharing`. One desktop alone has nobody to share with.
    """
    if desktops < 2:
        return Rest(own_mib=0)
    if isinstance(mode, Rest):
        if own_mib < mode.own_mib:
            mode = Rest(own_mib=own_mib)
        if own_mib - mode.own_mib < max(NEW_MIB, own_mib // 20):
            return mode
        return Bout(passes_at_start=passes, passes=passes, merged_pages=merged_pages)
    if passes <= mode.passes or passes - mode.passes_at_start < PASSES_LEAST:
        return mode
    if merged_pages - mode.merged_pages <= LITTLE * mode.merged_pages:
        return Rest(own_mib=own_mib)
    return Bout(passes_at_start=mode.passes_at_start, passes=passes, merged_pages=merged_pages)


def pages_to_scan(own_mib: int) -> int:
    """Pages at a time, `SLEEP_MS` apart, for kernels without an advisor."""
    pages = own_mib * 1024 // PAGE_KIB
    return min(PAGES_MAX, max(PAGES_MIN, pages * SLEEP_MS // (PASS_S * 1000)))
