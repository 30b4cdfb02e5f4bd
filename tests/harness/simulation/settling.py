"""After the last fault: within the sum of all deadlines everything that was on its way has arrived."""

from __future__ import annotations

from typing import Any

from frazil.controller.identity import LOCAL_ROOT
from frazil.controller.services import views
from frazil.controller.store import hosts, operations
from frazil.model.desktop import Phase, Power
from frazil.server.desktops.steps import SHUTDOWN_PATIENCE
from frazil.wire.rest import PoolChange
from tests.harness.simulation.simulation import DEADLINE_S, Controller, Simulation

PASSING = frozenset({Phase.WAITING, Phase.STARTING, Phase.STOPPING, Phase.DELETING, Phase.GONE, Phase.UNKNOWN})
SUM_OF_DEADLINES_S = 6 * DEADLINE_S + SHUTDOWN_PATIENCE.total_seconds() + 60 + 60 + 3 * DEADLINE_S
"""A start that stands in a queue, a shutdown, a lost host, a resync, three starts that fail one after the other."""
LOOK_S = 5.0


def settle(simulation: Simulation) -> None:
    """End all faults, have an administrator look at every pool, and wait. What has not ended then is a wrong."""
    simulation.crash_in(None)
    for host in simulation.hosts:
        host.slow = host.libvirt_away = host.starts_nothing = host.mute = False
        if host.cut_off:
            host.cut(off=False)
        host.start_if_ended()
        host.wake()
    simulation.pass_s(20.0)  # they are all connected again
    simulation.run(simulation.ask(_look_after))
    left: list[str] = []
    until_s = simulation.loop.time() + SUM_OF_DEADLINES_S
    while simulation.loop.time() < until_s:
        simulation.pass_s(LOOK_S)
        left = simulation.run(simulation.ask(lambda controller: _left(simulation, controller)))
        if not left or simulation.watch.wrongs:
            break
    for one in left:
        simulation.watch.broken(f"has not ended after all deadlines: {one}")
    simulation.run(simulation.ask(lambda controller: controller.ctx.store.read(simulation.watch.kept)))


async def _look_after(controller: Controller) -> None:
    """Maintenance ends, and each pool goes on that had given up."""
    services = controller.services
    for host in (await services.hosts.list_for(LOCAL_ROOT)).items:
        await services.hosts.maintain(LOCAL_ROOT, host.id, maintenance=False)
    for pool in (await services.pools.list_for(LOCAL_ROOT)).items:
        if not pool.deleting:
            await services.pools.change(LOCAL_ROOT, pool.id, PoolChange(spares=pool.spares), if_match=pool.version)


async def _left(simulation: Simulation, controller: Controller) -> list[str]:
    presence = controller.ctx.presence.view()

    def work(tx: Any) -> list[str]:
        simulation.watch.moment = moment = simulation.watch.read(tx)
        phases = {row.id: views.phase_of(row, presence) for row in moment.desktops.values()}
        found = [
            f"{row.name} is {phases[row.id].value}" for row in moment.desktops.values() if phases[row.id] in PASSING
        ]
        found += [f"the operation {row.kind} runs" for row in operations.running(tx)]
        shown = {row.desktop_id for row in hosts.strays_listed(tx)}
        for pool in moment.pools.values():
            mine = [row for row in moment.desktops.values() if row.pool_id == pool.id]
            ready = [
                row for row in mine if row.assigned_user_id is None and phases[row.id] in (Phase.READY, Phase.PAUSED)
            ]
            full = len(mine) >= pool.max_desktops
            if pool.deleting and not any(row.kept_until is not None for row in mine):
                found.append(f"the pool {pool.name} is being deleted")
            elif not pool.deleting and len(ready) != pool.spares and not (full and len(ready) < pool.spares):
                found.append(f"the pool {pool.name} has {len(ready)} spares of {pool.spares}, {len(mine)} in all")
        return found + _on_hosts(simulation, shown)

    found: list[str] = await controller.ctx.store.read(work)
    return found


def _on_hosts(simulation: Simulation, shown: set[str | None]) -> list[str]:
    """What hosts really have, next to what is known of it."""
    found, rows = [], simulation.watch.moment.desktops
    known = simulation.watch.planted | simulation.watch.adrift
    for host in simulation.hosts:
        for desktop_id in host.domains:
            row = rows.get(desktop_id)
            if row is None and desktop_id not in shown & known:
                found.append(f"{host.name} still runs {desktop_id}, which is forgotten")
            elif row is not None and (row.host_id != host.id or row.power in (Power.STOPPED, Power.ABSENT)):
                found.append(f"{host.name} runs {row.name}, which is wanted {row.power.value} on {row.host_id}")
        left = [id for id in host.disks if id not in rows and id not in shown & known]
        found += [f"{host.name} still has the disk of {id}, which is forgotten" for id in left]
    there = {desktop_id for host in simulation.hosts for desktop_id in host.disks}
    for desktop_id in sorted(simulation.watch.planted):
        if desktop_id in rows:
            continue  # caught up with
        if desktop_id not in there:
            simulation.watch.broken(f"the stray {desktop_id} is gone")
        elif desktop_id not in shown:
            found.append(f"the stray {desktop_id} is not shown")
    return found
