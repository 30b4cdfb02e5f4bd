#!/usr/bin/env python3
"""How much of a core an idle desktop takes, unpaused and paused. Prints one JSON object as its last line.

    .venv/bin/python bench/idle.py [--recipe debian-icewm] [--with browser] [--forks 5] [--seconds 60] [--rest 30]
                                   [--image DIRECTORY] [--memory MIB] [--screenshot FILE.png] [--system]

Needs root, libvirt and QEMU; KVM is not used. Desktops are forked from a frozen template by the server's own parts,
and a person is signed on in one after the other, each when the picture of the one before has stood still for `--rest`
seconds: several that come up at once take so long that their pictures stand still meanwhile. At the end all rest
together; then the CPU time of their QEMU processes (proc(5), stat) is read before and after `--seconds`. Then the same
once they are paused, and with their QEMUs not at rest (docs/adr/0131-paused-desktops-rest.md). --image: a built image
instead of a recipe's. Without --system it runs behind a libvirtd of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import structlog
from figures import Surroundings, cpu_s, report
from own_machine import INSIDE, inside

from frazil.cli.libvirtd import ensure_running
from frazil.model.desktop import Power
from frazil.server.density import measuring
from frazil.server.guests.signing_on import token_sha256
from frazil.server.hypervisor.resting import REST_NS, Resting
from frazil.server.images import read_image_files
from frazil.wire.hostlink import DesktopSpec, Person, Profile
from tests.harness.waiting import until
from tests.integration.server.lab import Lab, cached_image, lab

GOAL_PERCENT = 4.0
PAUSED_GOAL_PERCENT = 0.1
PANEL_DEADLINE_S = 240.0
REST_DEADLINE_S = 600.0
LOOK_EVERY_S = 5.0


async def signed_on(at: Lab, specs: Sequence[DesktopSpec], *, rest_s: float) -> None:
    """A person in each of them, with their panel on the screen and their session at rest."""
    for n, spec in enumerate(specs):
        person = Person(name=f"anna{n}", full_name=f"Anna Kiss {n}", token=at.ids.new_secret())
        at.want(spec.model_copy(update={"person": person}))

        def panel(desktop_id: str = spec.desktop_id, token: str = person.token) -> bool:
            seen = at.seen(desktop_id)
            return (
                seen is not None and seen.sign_on is not None and seen.sign_on.panel
                and seen.sign_on.token_sha256 == token_sha256(token)
            )  # fmt: skip

        await at.until(panel, f"the panel of {person.name}", timeout_s=PANEL_DEADLINE_S)
        await rested(at, spec, for_s=rest_s)


async def rested(at: Lab, spec: DesktopSpec, *, for_s: float) -> None:
    """Wait until its picture has stood still for so long, whatever else it does once being over by then."""
    seen, since_s = b"", time.monotonic()
    while time.monotonic() - since_s < for_s:
        shot = (await at.hypervisor.screenshot(spec.desktop_id)).data
        if shot != seen:
            seen, since_s = shot, time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)  # the pace of looking: standing still has no event


async def idle(at: Lab, options: argparse.Namespace) -> dict[str, list[float]]:
    """Per cent of a core, for each fork, by what is done with them."""
    profile = Profile(memory_mib=options.memory)
    await at.template(profile)
    specs = [at.spec(profile, name=f"idle {n}") for n in range(options.forks)]
    at.want(*specs)
    await at.ready(*(spec.desktop_id for spec in specs))
    if not options.waiting:
        await signed_on(at, specs, rest_s=options.rest)
    async with asyncio.timeout(REST_DEADLINE_S):
        await asyncio.gather(*(rested(at, spec, for_s=options.rest) for spec in specs))
    processes = measuring.processes()
    pids = [processes[spec.desktop_id].pid for spec in specs]
    found = {"": await spent(pids, options.seconds)}
    if options.look:
        for command in options.look:
            print(await at.shell(specs[0].desktop_id, command), file=sys.stderr)
    if options.screenshot:
        options.screenshot.write_bytes((await at.hypervisor.screenshot(specs[0].desktop_id)).data)
    at.want(*(spec.model_copy(update={"power": Power.PAUSED}) for spec in specs))
    await asyncio.to_thread(until, lambda: all(slack_ns(pid) == REST_NS for pid in pids), "all rest", timeout_s=60)
    found["paused_"] = await spent(pids, options.seconds)
    for spec in specs:
        Resting().end(spec.desktop_id)
    found["paused_without_rest_"] = await spent(pids, options.seconds)
    await at.absent(*(spec.desktop_id for spec in specs), timeout_s=180)
    return found


def slack_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/timerslack_ns").read_text())


async def spent(pids: Sequence[int], seconds: float) -> list[float]:
    """Per cent of a core that each process takes."""
    before, began_s = [cpu_s(pid) for pid in pids], time.monotonic()
    await asyncio.sleep(seconds)  # the time that is measured
    took_s = time.monotonic() - began_s
    return [100 * (cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]


async def measure(options: argparse.Namespace) -> dict[str, object]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    surroundings = Surroundings()
    image = read_image_files(options.image) if options.image else cached_image(options.recipe, options=options.with_)
    async with lab(image=image) as at:
        found = await idle(at, options)
        (template,) = at.store.list()
        return {
            "image": str(options.image or "+".join((options.recipe, *options.with_))),
            "forks": options.forks,
            "signed_on": not options.waiting,
            "seconds": options.seconds,
            **{
                f"{when}cpu_percent_of_a_core": {
                    "each": [round(one, 2) for one in percent], "p50": round(median(percent), 2),
                    "max": round(max(percent), 2),
                }
                for when, percent in found.items()
            },
            "goals": {
                f"p50 <= {GOAL_PERCENT} %": median(found[""]) <= GOAL_PERCENT,
                f"paused: p50 <= {PAUSED_GOAL_PERCENT} %": median(found["paused_"]) <= PAUSED_GOAL_PERCENT,
            },
            "template": {"boot_s": template.manifest.boot_s, "ram_mib": template.ram_bytes() >> 20},
            "machine": surroundings.facts(),
        }  # fmt: skip


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recipe", default="debian-icewm")
    parser.add_argument("--with", dest="with_", action="append", default=[], metavar="OPTION")
    parser.add_argument("--image", type=Path, help="a built image's directory")
    parser.add_argument("--forks", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rest", type=float, default=30.0)
    parser.add_argument("--memory", type=int, default=768, help="MiB")
    parser.add_argument("--waiting", action="store_true", help="nobody is signed on")
    parser.add_argument("--screenshot", type=Path)
    parser.add_argument("--look", action="append", metavar="SCRIPT", help="run in the first fork afterwards; printed")
    parser.add_argument("--system", action="store_true", help="use this machine's own libvirtd")
    parser.add_argument(INSIDE, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not options.system and options.inside is None:
        if options.image is None:
            cached_image(options.recipe, options=options.with_)  # in there is no network to build it from
        return inside(__file__, list(argv))
    if options.inside is not None:
        ensure_running()
    return report(asyncio.run(measure(options)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
