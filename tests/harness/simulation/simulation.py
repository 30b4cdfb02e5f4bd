"""A whole installation in one process on virtual time: the real controller, simulated hosts, faults, and a watch.

All that happens follows from the seed and from what is asked of it, one after the other.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import ExitStack
from typing import Any

from pydantic import SecretStr
from structlog.testing import capture_logs

from frazil.controller.hostlink import HostLinks
from frazil.controller.identity import LOCAL_ROOT, Identity
from frazil.controller.identity.passwords import Passwords
from frazil.controller.leadership import Leadership
from frazil.controller.presence import Presence
from frazil.controller.reconcile import Reconciler
from frazil.controller.services import Context, build
from frazil.controller.store.engine import Engines
from frazil.model.errors import FrazilError
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import GroupRequest, ImageRequest, PoolRequest, UserRequest
from frazil.wire.sessions import Line as ViewerLine
from tests.harness.simulation.backups import Backup
from tests.harness.simulation.crashes import Died, Life, MortalStore
from tests.harness.simulation.host import INSTALLATION, SimulatedHost
from tests.harness.simulation.lines import Line
from tests.harness.simulation.watch import Watch
from tests.harness.virtual_time import VirtualClock, VirtualLoop

HEARTBEAT_S = 5.0
RESTART_S = 1.0
TOLD_EVERY_S = 5.0
GROUP = "class"
DEADLINE_S = 30
"""Of a start, in the simulated pools."""
BUGS = frozenset({"reconcile.no-end", "reports.not-written", "reports.not-written-together"})
"""What the log says only if something is wrong."""


class DiceIds:
    """`model.clock.Ids` from dice; in each run the same. Ids grow."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._count = 0

    def new_id(self) -> str:
        self._count += 1
        return f"01900000-0000-7000-8000-{self._count:012d}"

    def new_secret(self, n_bytes: int = 32) -> str:
        return base64.urlsafe_b64encode(self._dice.randbytes(n_bytes)).rstrip(b"=").decode()


class Controller:
    """One life of the controller's process, put together as `controller.app` does it, without sockets."""

    def __init__(
        self,
        life: Life,
        store: MortalStore,
        *,
        loop: VirtualLoop,
        clock: VirtualClock,
        ids: DiceIds,
        passwords: Passwords,
    ) -> None:
        self.life = life
        self._loop = loop
        self.ctx = ctx = Context(store=store, clock=clock, ids=ids, passwords=passwords, presence=Presence(clock))
        self.services = build(ctx)
        leadership = Leadership(store, clock=clock, holder=ids.new_id())
        self.links = links = HostLinks(ctx, leadership, installation_id=INSTALLATION, heartbeat_s=HEARTBEAT_S)
        leadership.changed = links.lead
        # In one order: a set's is another one in each process.
        ctx.tell_hosts = lambda host_ids: links.refresh(sorted(host_ids))
        self.reconciler = Reconciler(ctx, leadership)
        ctx.wake = self.reconciler.wake
        ctx.ask_host = links.ask
        self.tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], broken: Callable[[str], None]) -> asyncio.Task[Any]:
        """Run something in this process; what it raises, but for its death, is a bug."""

        async def run() -> None:
            try:
                await work
            except BaseException as exc:  # noqa: BLE001 - of the dead nothing is a bug, of the living everything
                if not self.life.over.is_set():
                    broken(f"something in the controller ended with {exc!r}")

        task = self._loop.create_task(run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class Simulation:
    """`engines` are of an empty, migrated database. Close it at the end."""

    def __init__(self, engines: Engines, *, seed: int, hosts: int = 3) -> None:
        self.engines = engines
        self._closing = ExitStack()
        self._log: list[Any] = self._closing.enter_context(capture_logs())
        self.dice = random.Random(seed)
        self.loop = VirtualLoop(random.Random(self.dice.random()))
        self.clock = VirtualClock(self.loop)
        self.watch = Watch(self.loop.time)
        self._ids = DiceIds(random.Random(self.dice.random()))
        self._passwords = Passwords(time_cost=1, memory_cost_kib=64)
        self.people: dict[str, Identity] = {}
        self.viewers: set[str] = set()
        """Sessions that somebody is connected to."""
        self.deaths: list[str] = []
        """Where each life of the controller ended."""
        self.points = self.checks = 0
        """Commits and messages in the lives before this one; how often all was looked at."""
        self.root = LOCAL_ROOT
        self.controller: Controller | None = None
        self.before_next: Backup | None = None
        """What is restored before the controller's next life."""
        self.calls: Counter[str] = Counter()
        """How many were answered, were not, or were refused for what."""
        self.hosts = [
            SimulatedHost(
                number, loop=self.loop, dice=random.Random(self.dice.random()), watch=self.watch, dial=self._dial
            )
            for number in range(1, hosts + 1)
        ]
        self._running = self.loop.create_task(self._keep_alive())
        for host in self.hosts:
            host.start()

    def run(self, work: Awaitable[Any]) -> Any:
        """Have time pass until that is done."""
        return self.loop.run_until_complete(work)

    def pass_s(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self._listen()

    def _listen(self) -> None:
        """What the log tells of bugs."""
        for line in self._log:
            if line["event"] in BUGS:
                self.watch.broken(f"the log says {line}")
        self._log.clear()

    # --- the controller ----------------------------------------------------------------------------------------------

    def crash_in(self, points: int | None) -> None:
        """Have the controller die at the n-th commit or message from now; None: not at all."""
        if self.controller is not None:
            self.controller.life.end_in(points)

    async def _keep_alive(self) -> None:
        """One life of the controller after the other."""
        while True:
            if self.before_next is not None:
                self.before_next.restore(self.engines, self.watch, self.hosts, now=self.clock.now(), ids=self._ids)
                self.before_next = None
            life = Life()
            store = MortalStore(self.engines, life, committed=self.watch.committed)
            controller = Controller(
                life, store, loop=self.loop, clock=self.clock, ids=self._ids, passwords=self._passwords
            )
            controller.spawn(controller.reconciler.run(), self.watch.broken)
            controller.spawn(self._tell_lines(controller), self.watch.broken)
            self.controller = controller
            try:
                await life.over.wait()
            finally:
                self.controller = None
                life.end(life.where or "at the end")
                for task in controller.tasks:
                    task.cancel()
                await asyncio.gather(*controller.tasks, return_exceptions=True)
                for host in self.hosts:
                    if not host.cut_off:
                        host.cut(off=False)
            self.deaths.append(life.where)
            self.points += life.points
            await asyncio.sleep(RESTART_S)

    def _dial(self, delay_s: Callable[[], float]) -> Line:
        if self.controller is None:
            raise ConnectionRefusedError
        line = Line(self.controller.life, delay_s)
        self.controller.spawn(self.controller.links.serve(line.websocket), self.watch.broken)
        return line

    async def _tell_lines(self, controller: Controller) -> None:
        """As gateways do: which sessions live."""
        while True:
            lines = [
                ViewerLine(session_id=id, links=4, to_viewer_bytes=1, to_desktop_bytes=1, stalls=0)
                for id in sorted(self.viewers)
            ]
            controller.ctx.lines.heard(lines, now_s=self.clock.monotonic_s())
            await asyncio.sleep(TOLD_EVERY_S)

    def call(
        self, work: Callable[[Controller], Coroutine[Any, Any, Any]], then: Callable[[Any], None] | None = None
    ) -> None:
        """Somebody calls the controller. What it refuses is refused; who it dies under hears nothing.

        then: called with the answer, when there is one.
        """
        controller = self.controller
        if controller is None:
            self.calls["unheard"] += 1
            return

        async def answer() -> None:
            try:
                answered = await work(controller)
                controller.life.point("before an answer")
            except Died:
                self.calls["unheard"] += 1
            except FrazilError as exc:
                self.calls[type(exc).__name__] += 1
            else:
                self.calls["answered"] += 1
                if then is not None:
                    then(answered)

        controller.spawn(answer(), self.watch.broken)

    async def ask(self, work: Callable[[Controller], Coroutine[Any, Any, Any]]) -> Any:
        """The same, and wait for the answer; for what surrounds a run."""
        assert self.controller is not None
        return await work(self.controller)

    # --- before and after --------------------------------------------------------------------------------------------

    async def set_up(self, people: Collection[str]) -> None:
        """An image and people, in a group together."""
        await asyncio.sleep(0.1)
        assert self.controller is not None
        services = self.controller.services
        await services.images.create(self.root, ImageRequest(name="debian", recipe="debian-icewm"))
        group = GroupRequest(name=GROUP, quota=QuotaChange(desktops=4))
        await services.groups.create(self.root, group)
        for name in people:
            await self.hire(self.controller, name)

    async def hire(self, controller: Controller, name: str) -> None:
        """Somebody new, in the group."""
        quota = QuotaChange(desktops=2, sessions=2)
        request = UserRequest(name=name, password=SecretStr("correct horse battery"), quota=quota)
        made = await controller.services.people.create(self.root, request)
        self.people[name] = Identity(user_id=made.id, name=made.name, role=made.role, remote_address="192.0.2.1")
        await controller.services.groups.join(self.root, GROUP, name)

    async def pool(self, **values: Any) -> str:
        """A pool that the group may use; its id."""
        assert self.controller is not None
        services = self.controller.services
        request = PoolRequest.model_validate({"image": "debian", "start_deadline_s": DEADLINE_S, **values})
        made = await services.pools.create(self.root, request)
        await services.entitlements.grant_group(self.root, made.id, GROUP)
        return made.id

    def close(self) -> None:
        self._running.cancel()
        self.run(asyncio.gather(self._running, return_exceptions=True))
        for host in self.hosts:
            self.run(host.end())
        self._passwords.close()
        self.loop.close()
        self.engines.dispose()
        self._closing.close()
