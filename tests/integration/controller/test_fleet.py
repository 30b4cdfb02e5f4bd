"""The real controller with a small fleet of simulated hosts."""

from __future__ import annotations

from pathlib import Path

from frazil.client import Client
from frazil.controller.store.engine import sqlite_url
from frazil.model.desktop import Phase
from frazil.wire.rest import GroupRequest, ImageRequest, PoolRequest
from tests.fakes.simulated_host import Timings
from tests.harness.controller_process import INSTALLATION, ControllerProcess
from tests.harness.crowd import GROUP, call_in, invite
from tests.harness.fleet import Fleet
from tests.harness.waiting import eventually

HOSTS, POOLS, SPARES, PEOPLE = 20, 4, 20, 20
DESKTOPS = POOLS * SPARES + PEOPLE


async def test_a_fleet_gives_everybody_one_desktop_and_nobody_anothers(place: Path) -> None:
    with ControllerProcess(place) as controller:
        controller.start()
        settings = controller.settings
        fleet = Fleet(settings.hosts_socket, HOSTS, installation_id=INSTALLATION, timings=Timings.measured(pace=0.01))
        with Client.local(settings.local_socket) as root:
            pools = [f"pool-{number}" for number in range(POOLS)]
            root.make_image(ImageRequest(name="debian", recipe="debian-icewm"))
            root.add_group(GroupRequest(name=GROUP))
            for pool in pools:
                root.make_pool(PoolRequest(name=pool, image="debian", spares=SPARES, max_desktops=2 * SPARES))
                root.grant_group(pool, GROUP)
            async with fleet.running():

                async def all_run(count: int) -> bool:
                    return len(list(fleet.where())) == count

                await eventually(lambda: all_run(POOLS * SPARES), "the spares are there")
                visitors = invite(sqlite_url(settings.controller_dir / "frazil.sqlite3"), PEOPLE)
                called = await call_in(settings.public_socket, visitors, pools, within_s=1)
                await eventually(lambda: all_run(DESKTOPS), "those that were given away are replaced")
                assert [one.status for one in called] == [201] * PEOPLE
                given = {one.desktop for one in called}
                assert len(given) == PEOPLE, "a desktop was given to two"

                async def all_ready() -> bool:
                    return all(one.phase is Phase.READY for one in root.desktops())

                await eventually(all_ready, "all are ready")
                desktops = root.desktops()
                assert len(desktops) == DESKTOPS
                assert {one.id for one in desktops} == {id for id, _ in fleet.where()}
                assert fleet.twice() == []
                owners = [one.user_name for one in desktops if one.user_name is not None]
                assert sorted(owners) == sorted(one.name for one in visitors), "somebody has two, or none"
                assert {one.id for one in desktops if one.user_name is not None} == given
                assert fleet.started() == DESKTOPS, "one was started twice"

                # A controller that knows nothing any more leaves everything as it is.
                controller.kill()
                settled = len(controller.said("reconcile.settled"))
                controller.start()

                async def knows_all() -> bool:
                    return len(controller.said("reconcile.settled")) > settled

                await eventually(knows_all, "it knows what all hosts see, and has nothing to do")
                assert controller.said("reconcile.settled")[-1]["hosts"] == HOSTS
                assert await all_ready()
                assert {one.id for one in root.desktops()} == {id for id, _ in fleet.where()}
                assert fleet.started() == DESKTOPS
