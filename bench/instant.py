#!/usr/bin/env python3
"""Forks desktops from a frozen template, boots one cold, and times each phase. Prints one JSON object as its last line.

    .venv/bin/python bench/instant.py [--forks 30] [--at-once 20] [--cold 3] [--sign-ons 5] [--system]

Needs root, libvirt and QEMU; KVM is not used. The server's own parts do the work (templates, keepers, guest service);
there is no controller. Without --system it runs behind a libvirtd of its own, in namespaces.

Phases, in seconds, one after the other but for what is said: `overlay` until libvirt is asked, `create` libvirt's
createXML, `load` of the device state, `resume`; `agent` and `identity` and `network` until each from the beginning,
`ready` is the desktop as a person may have it. `sign_on`: `ready_fork` from asking a ready fork to sign a person on
until their panel is on the screen; `fork` and `cold` from nothing to that panel; `ratio` of those two.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from statistics import median

import structlog
from figures import Surroundings, image_key, report, spread
from own_machine import INSIDE, inside

from frazil.cli.libvirtd import ensure_running
from frazil.server.guests.signing_on import token_sha256
from frazil.wire.hostlink import DesktopSpec, Person, Profile
from tests.integration.server.lab import Lab, cached_image, lab

WARM_UP = 3
GOALS_S = {"agent": 0.5, "ready": 1.0}
AT_ONCE_GOAL_S = 15.0
SIGN_ON_GOAL = 0.25
"""A fork's sign-on from nothing, as a share of a cold one."""
PANEL_DEADLINE_S = 300.0


class Marks:
    """When which event was logged for which desktop: a structlog processor that also keeps the log quiet."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], tuple[float, Mapping[str, object]]] = {}

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, object]) -> str:
        key = (str(event.get("desktop")), str(event["event"]))
        self._at.setdefault(key, (time.monotonic(), dict(event)))
        raise structlog.DropEvent

    def at(self, desktop_id: str, event: str) -> float:
        return self._at[desktop_id, event][0]

    def phases(self, desktop_id: str, began_s: float, ready_s: float) -> dict[str, float]:
        forked_at, said = self._at[desktop_id, "forked"]
        inside_s = {name: float(str(said[f"{name}_s"])) for name in ("create", "load", "resume")}
        return {
            "overlay": forked_at - began_s - sum(inside_s.values()),
            **inside_s,
            "agent": self.at(desktop_id, "guest-agent-answers") - began_s,
            "identity": self.at(desktop_id, "identified") - began_s,
            "network": self.at(desktop_id, "network-plugged") - began_s,
            "ready": ready_s - began_s,
        }


async def one_fork(at: Lab, marks: Marks, name: str) -> tuple[dict[str, float], float]:
    """Its phases, and how long taking it away took."""
    spec = at.spec(Profile(), name=name)
    began_s = time.monotonic()
    at.want(spec)
    await at.ready(spec.desktop_id)
    phases = marks.phases(spec.desktop_id, began_s, time.monotonic())
    going_s = time.monotonic()
    await at.absent(spec.desktop_id)
    return phases, time.monotonic() - going_s


async def one_cold(at: Lab, name: str, marks: Marks) -> dict[str, float]:
    spec = at.spec(Profile(), name=name, start="cold")
    began_s = time.monotonic()
    at.want(spec)
    await at.ready(spec.desktop_id)
    ready_s = time.monotonic()
    agent_s = marks.at(spec.desktop_id, "guest-agent-answers") - began_s
    await at.absent(spec.desktop_id)
    return {"agent": agent_s, "ready": ready_s - began_s}


async def signed_on(at: Lab, spec: DesktopSpec) -> tuple[float, int]:
    """Want this desktop with a person; seconds until their panel, and their uid by loginctl."""
    person = Person(name="anna", full_name="Anna Kiss", token=at.ids.new_secret())
    digest = token_sha256(person.token)

    def panel() -> bool:
        seen = at.seen(spec.desktop_id)
        return (
            seen is not None and seen.sign_on is not None and seen.sign_on.token_sha256 == digest and seen.sign_on.panel
        )

    began_s = time.monotonic()
    at.want(spec.model_copy(update={"person": person}))
    await at.until(panel, "the person's panel", timeout_s=PANEL_DEADLINE_S)
    took_s = time.monotonic() - began_s
    said = await at.shell(spec.desktop_id, "loginctl --no-legend list-sessions")
    (session,) = [line.split() for line in said.splitlines()]
    assert session[2:4] == ["anna", "seat0"], session
    return took_s, int(session[1])


async def sign_ons(at: Lab, count: int, *, booted: int) -> dict[str, object]:
    """See the module's text; each kind of fork `count` times, and `booted` cold boots."""
    on_ready, from_nothing, uids = [], [], set()
    for n in range(count):
        spare = at.spec(Profile(), name=f"spare {n}")
        at.want(spare)
        await at.ready(spare.desktop_id)
        taken_s, uid = await signed_on(at, spare)
        on_ready.append(taken_s)
        uids.add(uid)
        await at.absent(spare.desktop_id)
        new = at.spec(Profile(), name=f"given {n}")
        from_nothing.append((await signed_on(at, new))[0])
        await at.absent(new.desktop_id)
        print(f"sign-on {n}: {on_ready[-1]:.2f} s, from nothing {from_nothing[-1]:.2f} s", file=sys.stderr)
    cold_s = []
    for n in range(max(1, booted)):
        cold = at.spec(Profile(), name=f"cold sign-on {n}", start="cold")
        cold_s.append((await signed_on(at, cold))[0])
        await at.absent(cold.desktop_id)
        print(f"cold sign-on {n}: {cold_s[-1]:.2f} s", file=sys.stderr)
    return {"ready_fork": spread(on_ready), "fork": spread(from_nothing), "cold": spread(cold_s),
            "ratio": round(median(from_nothing) / median(cold_s), 3), "uids": sorted(uids)}  # fmt: skip


async def at_once(at: Lab, count: int) -> dict[str, object]:
    """So many wanted in the same moment, until the last one is ready; and the memory that they took."""
    specs = [at.spec(Profile(), name=f"at once {n}") for n in range(count)]
    before_mib, began_s = available_mib(), time.monotonic()
    at.want(*specs)
    ready_s: list[float] = []

    def more() -> bool:
        now_ready = sum(at.is_ready(spec.desktop_id) for spec in specs)
        ready_s.extend([time.monotonic() - began_s] * (now_ready - len(ready_s)))
        return len(ready_s) == count

    await at.until(more, f"{count} desktops at once", timeout_s=180)
    taken_mib = (before_mib - available_mib()) / count
    await at.absent(*(spec.desktop_id for spec in specs), timeout_s=180)
    return {"count": count, "all_ready_s": round(ready_s[-1], 2), "first_s": round(ready_s[0], 2),
            "memory_each_mib": round(taken_mib)}  # fmt: skip


def available_mib() -> int:
    (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")]
    return int(line.split()[1]) >> 10


async def measure(options: argparse.Namespace) -> dict[str, object]:
    marks = Marks()
    structlog.configure(processors=[marks])
    surroundings = Surroundings()
    async with lab() as at:
        template = await at.template(Profile())
        await at.network.ensure()
        for n in range(WARM_UP):
            await one_fork(at, marks, f"warm-up {n}")
        forks, gone = [], []
        for n in range(options.forks):
            phases, gone_s = await one_fork(at, marks, f"fork {n}")
            forks.append(phases)
            gone.append(gone_s)
            print(f"fork {n}: {phases['ready']:.2f} s", file=sys.stderr)
        cold = [await one_cold(at, f"cold {n}", marks) for n in range(options.cold)]
        signing_on = await sign_ons(at, options.sign_ons, booted=options.cold) if options.sign_ons else None
        together = await at_once(at, options.at_once) if options.at_once else None
        p50 = {name: median(fork[name] for fork in forks) for name in forks[0]}
        return {
            "forks": {name: spread([fork[name] for fork in forks]) for name in forks[0]},
            "gone": spread(gone),
            "cold": {name: spread([boot[name] for boot in cold]) for name in ("agent", "ready")} if cold else None,
            "sign_on": signing_on,
            "at_once": together,
            "template": {"boot_s": template.manifest.boot_s, "freeze_s": template.manifest.freeze_s,
                         "ram_mib": template.ram_bytes() >> 20,
                         "state_mib": round(template.state.stat().st_size / 2**20, 1)},
            "goals": {**{f"{name} <= {goal} s": p50[name] <= goal for name, goal in GOALS_S.items()},
                      f"sign-on <= {SIGN_ON_GOAL} of a cold one": signing_on is None or
                      float(str(signing_on["ratio"])) <= SIGN_ON_GOAL,
                      f"at once <= {AT_ONCE_GOAL_S} s": together is None or
                      float(str(together["all_ready_s"])) <= AT_ONCE_GOAL_S},
            "image": image_key(), "machine": surroundings.facts(),
        }  # fmt: skip


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--forks", type=int, default=30)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--cold", type=int, default=3, help="boots, and sign-ons to booted ones")
    parser.add_argument("--sign-ons", type=int, default=5)
    parser.add_argument("--system", action="store_true", help="use this machine's own libvirtd")
    parser.add_argument(INSIDE, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not options.system and options.inside is None:
        cached_image()  # in there is no network to build it from
        return inside(__file__, list(argv))
    if options.inside is not None:
        ensure_running()
    return report(asyncio.run(measure(options)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
