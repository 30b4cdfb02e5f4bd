"""An installation on the hypervisor of files that is killed and restarted, and whether it is whole afterwards."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from websockets.exceptions import WebSocketException

from frazil.client import Client
from frazil.model.desktop import Phase
from frazil.model.errors import Conflict, NotFound, Unavailable
from frazil.server.desktops.directory import DISK, RECORD
from frazil.wire.rest import Desktop, PoolRequest, Session, SessionRequest
from tests.fakes.hypervisor import STARTS
from tests.faults import database
from tests.faults.failpoints import Death
from tests.harness.spice import Answer, give
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

T = TypeVar("T")
IMAGE = "blank"
FORKED = "with-service"
"""An image whose desktops are ready when Frazil's guest service says so, and are forked."""
POOL = "many"
DEADLINE_S = 60.0


class Installation:
    """A stack with an image and two people, restarted with a failpoint for each case."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.start()
        stack.empty_image(IMAGE)
        stack.empty_image(FORKED, ready_when="service")
        self.people: list[Person] = [stack.user("anna"), stack.user("bela")]
        stack.stop()

    def arm(self, death: Death) -> None:
        """Start it so that one process kills itself at that place."""
        self.stack.stop()
        self._log_start = len(self._log())
        starts = self.stack.hypervisor_dir / STARTS
        starts.unlink(missing_ok=True)
        for template in self.stack.settings.templates_dir.glob("[!.]*"):
            shutil.rmtree(template)  # each case freezes its own
        self.stack.start({"FRAZIL_FAILPOINT": f"{death.place}:{death.nth}"})

    def _log(self) -> str:
        return (self.stack.settings.log_dir / "up.log").read_text()

    def deaths(self) -> list[str]:
        """The processes that the supervisor saw die of SIGKILL since `arm`."""
        ends = " was killed by SIGKILL; starting it again"
        lines = self._log()[self._log_start :].splitlines()
        return [line.split(ends)[0].removeprefix("The ") for line in lines if ends in line]

    def died(self, death: Death, *, timeout_s: float = DEADLINE_S) -> None:
        """Wait until the process of that place has been killed there."""
        words = f"the {death.process} is killed at {death.place} for the {death.nth}. time"
        until(self.deaths, words, timeout_s=timeout_s)

    def again(self, ask: Callable[[], T]) -> T:
        """Ask again and again while a part that the question needs is away."""
        found: list[T] = []

        def asked() -> bool:
            found.append(ask())
            return True

        until(asked, "an answer", timeout_s=DEADLINE_S, not_yet=(Unavailable,))
        return found[-1]

    # --- desktops ----------------------------------------------------------------------------------------------------

    def ask_for(self, count: int, *, fork: bool = False) -> None:
        """A pool of `count` desktops, that both people may use."""
        image = FORKED if fork else IMAGE
        request = PoolRequest(name=POOL, image=image, spares=count, max_desktops=count)

        def make() -> None:
            try:
                self.stack.new_root.make_pool(request)
            except Conflict:
                self.stack.new_root.pool(POOL)  # the answer to an earlier try was lost

        self.again(make)
        for person in self.people:
            self.again(lambda who=person: self.stack.new_root.grant(POOL, who.name))  # type: ignore[misc]

    def open_sessions(self) -> list[Session]:
        """Each person's one session in the pool."""
        request = SessionRequest(pool=POOL)
        return [self.again(lambda who=who: who.client.open_session(request)).session for who in self.people]  # type: ignore[misc]

    def link(self, session: Session, person: Person) -> Answer:
        """A viewer's main link with a new ticket, made again and again until it is let in."""
        ready = lambda: self.stack.new_root.desktop(session.desktop.id).phase is Phase.READY  # noqa: E731
        until(ready, f"desktop {session.desktop.name} is ready", timeout_s=DEADLINE_S, not_yet=(Unavailable,))

        def linked() -> Answer | None:
            ticket = person.client.ticket(session.id)
            try:
                return give(self.stack, ticket.spice_path, ticket.ticket)
            except (OSError, WebSocketException) as exc:
                raise Unavailable(f"The gateway is away: {exc!r}.") from exc

        answer = until(linked, "a viewer is let in", timeout_s=DEADLINE_S, not_yet=(Unavailable,))
        assert answer is not None
        return answer

    def delete_pool(self) -> None:
        """Have the pool and all its desktops gone."""

        def delete() -> None:
            try:
                self.stack.new_root.delete_pool(POOL)
            except NotFound:
                return

        def gone() -> bool:
            try:
                return not self.stack.new_root.pool(POOL)
            except NotFound:
                return True

        self.again(delete)
        until(gone, lambda: f"the pool is gone, but: {self.left()}", timeout_s=DEADLINE_S, not_yet=(Unavailable,))

    # --- is it whole? ------------------------------------------------------------------------------------------------

    def twenty_are_ready(self, count: int) -> None:
        """Wait for it; then all that there is must be these desktops, each once."""
        until(
            lambda: len(self._ready()) >= count,
            lambda: f"{count} are ready, but: {self.wrong(count)}",
            timeout_s=DEADLINE_S,
            not_yet=(Unavailable,),
        )
        until(lambda: not self.wrong(count), lambda: f"all is whole, but: {self.wrong(count)}", timeout_s=DEADLINE_S)

    def _ready(self) -> list[Desktop]:
        return self.stack.new_root.desktops(pool=POOL, phase=Phase.READY)

    def wrong(self, count: int) -> list[str]:
        """What is not as it should be while `count` desktops are there; empty when all is well."""
        stack = self.stack
        try:
            root = stack.new_root
            desktops, strays = root.desktops(), root.strays()
            blamed = _blamed(root, desktops)
        except Unavailable as exc:
            return [str(exc)]
        ids = {one.id for one in desktops}
        found = database.contradictions(stack.settings)
        if len(ids) != count or {one.phase for one in desktops} != {Phase.READY}:
            found.append(f"not {count} ready desktops: {Counter(one.phase for one in desktops)}")
        if len({one.name for one in desktops}) != len(desktops):
            found.append(f"a name twice: {sorted(one.name for one in desktops)}")
        if strays:
            found.append(f"strays: {strays}")
        found += self._wrong_domains(ids) + self._wrong_disks(ids) + self._half_templates()
        lines = (stack.hypervisor_dir / STARTS).read_text().split()
        started = Counter(line.removeprefix("desktop:") for line in lines if line.startswith("desktop:"))
        if twice := {one: times for one, times in started.items() if times != 1 or one not in ids}:
            found.append(f"started more than once, or for nobody: {twice}")
        if blamed:
            found.append(f"said of a desktop that was well: {blamed}")
        return found

    def _wrong_domains(self, ids: set[str]) -> list[str]:
        found = []
        domains = {path.stem: json.loads(path.read_text()) for path in self.stack.hypervisor_dir.glob("*.json")}
        if domains.keys() != ids:
            found.append(f"domains without a desktop or the other way round: {domains.keys() ^ ids}")
        for desktop_id, domain in domains.items():
            if domain["labels"][:2] != [self.stack.installation_id, desktop_id]:
                found.append(f"a domain with a wrong label: {domain}")
        return found

    def _wrong_disks(self, ids: set[str]) -> list[str]:
        found = []
        directories = _contents(self.stack.settings.desktops_dir)
        if directories.keys() != ids:
            found.append(f"disks without a desktop or the other way round: {directories.keys() ^ ids}")
        if odd := {name: files for name, files in directories.items() if files != {RECORD, DISK}}:
            found.append(f"half made disks: {odd}")
        return found

    def _half_templates(self) -> list[str]:
        return [f"half a template: {path.name}" for path in (self.stack.settings.templates_dir / ".staging").iterdir()]

    def left(self) -> list[str]:
        """All that is left of desktops; empty when nothing is."""
        stack = self.stack
        try:
            root = stack.new_root
            found = [f"desktop {one.name}: {one.phase.value} {one.why}" for one in root.desktops()]
            found += [f"stray {one.kind} {one.name}" for one in root.strays()]
        except Unavailable as exc:
            return [str(exc)]
        found += [f"domain {path.name}" for path in stack.hypervisor_dir.iterdir() if path.name != STARTS]
        found += self._half_templates()
        found += [f"disk {path.name}" for path in stack.settings.desktops_dir.iterdir()]
        found += [f"rows {table}: {count}" for table, count in database.left_of_pools(stack.settings).items()]
        return found + database.contradictions(stack.settings)

    def nothing_is_left(self) -> None:
        until(lambda: not self.left(), lambda: f"nothing is left, but: {self.left()}", timeout_s=DEADLINE_S)


def _contents(root: Path) -> dict[str, set[str]]:
    return {place.name: {path.name for path in place.iterdir()} for place in root.iterdir()}


def _blamed(root: Client, desktops: list[Desktop]) -> list[str]:
    events = [event for one in desktops for event in root.desktop_events(one.id)]
    return [f"{event.kind}: {event.text}" for event in events if "fail" in event.kind or "restart" in event.kind]
