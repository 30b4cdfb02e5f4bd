"""People for `bench/fleet.py`, in one process.

    python bench/fleet_calls.py SOCKET DATABASE_URL PEOPLE

Makes them, signed in, and prints `ready`. A line of JSON on its standard input, {"pools": [...], "within_s": ...,
"sign_ins": ...}, has each of them call for a session, evenly over that time; from half of it on, so many sign in by
password one after the other at a time. It is answered by a line of JSON, in which answer 0 is a connection that broke.
Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from figures import spread

from tests.harness.crowd import Called, Visitor, call_in, invite, sign_in


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {**spread(seconds), "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 3)}


async def sign_ins(socket: Path, visitors: Sequence[Visitor], *, after_s: float, until_s: float) -> list[float]:
    """Those people sign in one after the other, for as long as there is time."""
    await asyncio.sleep(after_s)
    took_s: list[float] = []
    for visitor in visitors:
        if time.monotonic() >= until_s:
            break
        took_s += await sign_in(socket, [visitor.name])
    return took_s


async def storm(socket: Path, visitors: Sequence[Visitor], asked: dict[str, object]) -> dict[str, object]:
    pools, within_s, at_once = asked["pools"], float(str(asked["within_s"])), int(str(asked["sign_ins"]))
    assert isinstance(pools, list)
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        calls = tasks.create_task(call_in(socket, visitors, pools, within_s=within_s))
        signing = [
            tasks.create_task(
                sign_ins(socket, visitors[one::at_once], after_s=within_s / 2, until_s=began_s + within_s)
            )
            for one in range(at_once)
        ]
        called: list[Called] = await calls
        all_in_s = time.monotonic() - began_s
    half = len(called) // 2
    given = [one.desktop for one in called if one.desktop is not None]
    signed_in_s = [seconds for task in signing for seconds in task.result()]
    return {
        "calls": len(called),
        "all_in_s": round(all_in_s, 2),
        "refused": len([one for one in called if one.status != 201]),
        "answers": {str(status): count for status, count in Counter(one.status for one in called).items()},
        "with_ticket_at_once": len([one for one in called if one.ticket]),
        "given_to_two": len(given) - len(set(given)),
        "call_s": percentiles([one.seconds for one in called]),
        "call_s_before_sign_ins": percentiles([one.seconds for one in called[:half]]),
        "call_s_beside_sign_ins": percentiles([one.seconds for one in called[half:]]),
        "sign_ins": len(signed_in_s),
        "sign_in_s": percentiles(signed_in_s) if signed_in_s else None,
    }


async def main(socket: Path, database_url: str, count: int) -> None:
    visitors = invite(database_url, count)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await storm(socket, visitors, json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
