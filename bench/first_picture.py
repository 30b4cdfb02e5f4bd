#!/usr/bin/env python3
"""From a person's call to the first picture at a SPICE client, with a spare and without. Prints one JSON object.

    .venv/bin/python bench/first_picture.py [--calls 20]

Needs root, libvirt and QEMU. All of Frazil runs: the call goes over TLS through the gateway, the ticket is redeemed,
the links are made over the WebSocket, and the time is taken when the display channel's first draw has come. Phases, in
seconds from the call: `ticket` until there is one, `links` until all are made, `picture`
(which may be there before the keyboard's link is).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from figures import Surroundings, report, spread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frazil.cli.libvirtd import ensure_running
from frazil.model.errors import NotFound
from frazil.wire.rest import SessionRequest
from tests.harness.headless import viewer
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

GOALS_S = {"with_spare": 0.5, "without_spare": 1.5}
WARM_UP = 2


async def one(stack: Stack, person: Person, pool: str) -> tuple[dict[str, float], bool]:
    """Seconds until each phase's end, and whether a desktop was ready at once. The desktop is given back and gone."""
    began_s = time.monotonic()
    opened = await asyncio.to_thread(person.client.open_session, SessionRequest(pool=pool))
    ticket = opened.ticket
    if ticket is None:
        ticket = await asyncio.to_thread(person.client.ticket, opened.session.id, wait_s=20)
    took_s = {"ticket": time.monotonic() - began_s}
    async with viewer(stack.settings.listen, stack.ca, ticket) as seen:
        took_s["links"] = time.monotonic() - began_s
        await seen.picture()
        assert seen.first_picture_at_s is not None
        took_s["picture"] = seen.first_picture_at_s - began_s
    await asyncio.to_thread(person.client.end_session, opened.session.id)
    await asyncio.to_thread(until, lambda: _gone(stack, opened.session.desktop.id), "it is gone")
    return took_s, opened.ticket is not None


def _gone(stack: Stack, desktop_id: str) -> bool:
    try:
        stack.root.desktop(desktop_id)
    except NotFound:
        return True
    return False


async def measure(calls: int) -> dict[str, object]:
    """Both ways, `calls` times each, one after the other, each when the machine has settled from the one before."""
    surroundings = Surroundings()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with Stack() as stack:
        stack.start()
        person = stack.user("ann", administrator=True)
        for name, spares in (("with_spare", 1), ("without_spare", 0)):
            pool = stack.pool(name.replace("_", "-"), spares=spares, max_desktops=4)
            took_s = []
            for nth in range(WARM_UP + calls):
                if spares:
                    await asyncio.to_thread(stack.desktops, pool, count=spares)
                phases, spare = await one(stack, person, pool)
                assert spare == bool(spares), "a spare was there, or was not"
                print(f"{name}: {phases}", file=sys.stderr)
                if nth >= WARM_UP:
                    took_s.append(phases)
            found[name] = {phase: spread([phases[phase] for phases in took_s]) for phase in took_s[0]}
            stack.root.delete_pool(pool)
    return {
        "seconds_from_the_call": found,
        "goals": {f"{name} p50 <= {goal} s": found[name]["picture"]["p50"] <= goal for name, goal in GOALS_S.items()},
        "machine": surroundings.facts(),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="From a call to the first picture at a SPICE client.")
    parser.add_argument("--calls", type=int, default=20, help="each way (default: %(default)s)")
    options = parser.parse_args(arguments)
    ensure_running(uri="qemu:///system")
    return report(asyncio.run(measure(options.calls)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
