"""All keepers of a host: one for each desktop that is wanted here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import structlog

from frazil.model.desktop import Epoch
from frazil.model.errors import Conflict, HostError, NotFound, Unavailable
from frazil.server.desktops.directory import Record
from frazil.server.desktops.keeper import Host, Keeper
from frazil.server.desktops.steps import newest, state_of
from frazil.server.hypervisor.port import Domain, Role
from frazil.wire.hostlink import DesktopObservation, DesktopSpec, EpochField, Stray, StrayDesktop

log = structlog.get_logger(__name__)

RESUME_PATIENCE_S = 2.0
"""A display is opened once its desktop runs: who opens it has just asked for that, by another way."""


class Keepers:
    """Runs a keeper for each spec. Used in the event loop's thread, within the task group it is given."""

    def __init__(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        self._host = host
        self._tasks = tasks
        self._keepers: dict[str, Keeper] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._strays: set[str] = set()
        host.hypervisor.subscribe(self.wake)

    def want(self, specs: Iterable[DesktopSpec]) -> None:
        """Take in all that is wanted here. What is no longer named is left as it is: it shows as a stray."""
        named = {spec.desktop_id: spec for spec in specs}
        for gone in self._keepers.keys() - named.keys():
            del self._keepers[gone]
            self._strays.add(gone)
            self._running.pop(gone).cancel()
        for desktop_id, spec in named.items():
            keeper = self._keepers.get(desktop_id)
            if keeper is not None:
                keeper.want(spec)
                continue
            keeper = self._keepers[desktop_id] = Keeper(self._host, spec)
            self._running[desktop_id] = self._tasks.create_task(keeper.run(), name=f"keeper-{desktop_id}")

    def wake(self, desktop_id: str | None) -> None:
        """Something happened to this desktop, or (None) to any."""
        for each in [desktop_id] if desktop_id is not None else list(self._keepers):
            keeper = self._keepers.get(each)
            if keeper is not None:
                keeper.wake()

    def specs(self) -> list[DesktopSpec]:
        """What is wanted of each desktop here."""
        return [keeper.spec for keeper in self._keepers.values()]

    def seen(self) -> list[DesktopObservation]:
        """What each keeper saw last; one that has not looked yet has nothing to say."""
        return [keeper.seen for keeper in self._keepers.values() if keeper.seen is not None]

    async def looked(self, *, within_s: float) -> bool:
        """Wait until every keeper has looked at its desktop at least once; False when that takes too long."""
        try:
            async with asyncio.timeout(within_s):
                for keeper in list(self._keepers.values()):
                    await keeper.first_look.wait()
        except TimeoutError:
            return False
        return True

    async def strays(self) -> list[Stray]:
        """Domains and disks with our label that nobody wants here. Raises Unavailable when libvirt is away."""
        wanted = set(self._keepers)  # what goes while libvirt lists it is no stray
        domains = await self._host.hypervisor.domains()
        wanted |= self._keepers.keys()
        stray = [domain for domain in domains if self._is_stray(domain, wanted)]
        self._strays = {domain.uuid for domain in stray}
        return [*(_stray_domain(domain) for domain in stray), *self._stray_disks(domains)]

    def stray_ids(self) -> frozenset[str]:
        """Ids of the domains of ours that nobody wants here, as far as was seen; some may have ended by now."""
        return frozenset(self._strays - self._keepers.keys())

    def _is_stray(self, domain: Domain, wanted: set[str]) -> bool:
        labels = domain.labels
        if labels is None or labels.installation_id != self._host.installation_id or labels.role is not Role.DESKTOP:
            return False
        # One whose label names a desktop that it is not (a copy made by hand) is as stray as one that nobody wants.
        return labels.desktop_id not in wanted or domain.uuid != labels.desktop_id

    def _stray_disks(self, domains: list[Domain]) -> list[Stray]:
        running = {
            domain.uuid: domain
            for domain in domains
            if domain.labels is not None and domain.labels.installation_id == self._host.installation_id
        }
        return [
            Stray(
                kind="disk",
                name=name,
                desktop_id=record.desktop_id,
                detail=record.name,
                # A directory under another name (a copy made by hand) is not where a keeper would look.
                desktop=self._stray_desktop(record, running.get(name)) if name == record.desktop_id else None,
            )
            for name, record in self._host.directory.list()
            if record is not None and record.desktop_id not in self._keepers
        ]

    def _stray_desktop(self, record: Record, domain: Domain | None) -> StrayDesktop:
        known = newest(domain, record)
        assert known is not None, "there is a record"
        epoch, attempt = known
        passing = record.template is not None or record.keep_disk is False
        there = self._host.directory.disk(record.desktop_id).exists()
        return StrayDesktop(
            name=record.name,
            image_id=record.image_id,
            epoch=EpochField(generation=epoch.generation, counter=epoch.counter),
            attempt=attempt,
            state=state_of(domain, record),
            disk="missing" if not there else "passing" if passing else "own",
        )

    async def open_display(self, desktop_id: str, epoch: Epoch) -> int:
        """A SPICE socket of a desktop that runs here at this epoch; the caller owns the descriptor."""
        keeper = self._keepers.get(desktop_id)
        if keeper is None:
            raise NotFound("This desktop is not on this host.", remedy="Open it again from the portal.")
        here = Epoch(keeper.spec.epoch.generation, keeper.spec.epoch.counter)
        if here != epoch:
            raise Conflict("This desktop was placed anew meanwhile.", remedy="Open it again from the portal.")
        with suppress(TimeoutError):  # a full disk holds it up for longer, and its last picture can be shown
            async with asyncio.timeout(RESUME_PATIENCE_S):
                await keeper.runs.wait()
        try:
            return await self._host.hypervisor.open_display(desktop_id)
        except Unavailable:
            raise
        except HostError as exc:
            raise HostError(
                f"The desktop's display can't be opened: {exc.what}",
                remedy="Try again; retry the desktop if it stays so.",
            ) from exc


def _stray_domain(domain: Domain) -> Stray:
    labels = domain.labels
    assert labels is not None, "what has no label of ours is no stray"
    return Stray(
        kind="domain",
        name=domain.name,
        desktop_id=labels.desktop_id,
        detail=f"{labels.name}, {domain.state.value}",
    )
