"""Watches how full this host is: samples what desktops take, runs KSM, and tells how many more fit.

Sampling is spread: each look measures a few desktops, those that were not measured for longest, since asking the kernel
costs milliseconds of the desktop's own time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from frazil.model.desktop import Power
from frazil.model.room import QEMU_OWN_MIB, Cost
from frazil.server import host_facts
from frazil.server.density import measuring, partition, pressure
from frazil.server.density.costs import Costs
from frazil.server.density.folder import Folder
from frazil.server.density.ksm import Ksm, Merging
from frazil.server.density.reckoning import Here, Host, Kind, reckon
from frazil.server.density.zram import Zram
from frazil.server.desktops.directory import DISK, RESERVE_BYTES
from frazil.settings import Settings
from frazil.wire.hostlink import DesktopSpec, Headroom, Profile, TemplateObservation

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 3.0
AT_A_LOOK = 8
PRIOR_SHARE = 0.15
"""What a fork is reckoned at before any was measured, of its memory; at least twice what a trial fork took."""
PRIOR_PROBES = 2
PRIOR_DISK_MIB = 128
_WANTED = (Power.RUNNING, Power.PAUSED)

_Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Sample:
    memory_mib: int
    disk_mib: int
    forked: bool


class DensityWatch:
    """One host's. Used in the event loop's thread; `changed` is called when starting becomes possible or impossible.

    paused, strays: ids of desktops that are paused, and of those that run here though nobody wants them here.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        desktops: Callable[[], Iterable[DesktopSpec]],
        templates: Callable[[], Iterable[TemplateObservation]],
        changed: Callable[[], None],
        paused: Callable[[], Iterable[str]] = tuple,
        strays: Callable[[], Iterable[str]] = tuple,
        ksm: Ksm | None = None,
        folder: Folder | None = None,
    ) -> None:
        self._settings = settings
        self._desktops = desktops
        self._templates = templates
        self._changed = changed
        self._ksm = ksm or Ksm(wanted=settings.ksm, found_file=settings.run_dir / "server" / "ksm-found.json")
        self._paused = paused
        self._strays = strays
        self._folder = folder or Folder(Zram(settings.run_dir / "server" / "zram.json", wanted=settings.zram))
        self._costs = Costs()
        self._disk_costs = Costs()
        self._samples: dict[str, _Sample] = {}
        self._stale: list[str] = []
        self._memory = pressure.read()
        self._templates_mib = 0
        self._merging = Merging("", 0)
        self.pressure = ""
        """Why nothing is started now, in words; empty when it may be."""

    async def run(self) -> None:
        """Look until cancelled; KSM and compressed memory are then put back."""
        budget = self._settings.memory_for_desktops_mib
        await self._folder.begin()
        try:
            while True:
                await self.look()
                if budget:
                    # Said again and again: the cgroup comes with the first desktop, and goes with the host's last.
                    await asyncio.to_thread(partition.bound, budget)
                await asyncio.sleep(LOOK_EVERY_S)  # the pace of looking: memory has no event for being taken
        finally:
            self._ksm.put_back()
            self._folder.end()

    async def look(self) -> None:
        """Measure once."""
        specs = {spec.desktop_id: spec for spec in self._desktops()}
        there = {*specs, *self._strays()}
        self._stale = [one for one in self._stale if one in there]
        self._stale += [one for one in there if one not in self._stale]
        processes, found, self._memory, self._templates_mib = await asyncio.to_thread(self._measure, self._stale[:])
        self._stale = [one for one in self._stale if one not in found] + list(found)
        self._samples = {one: sample for one, sample in self._samples.items() if one in processes and one in there}
        for desktop_id, sample in found.items():
            self._samples[desktop_id] = sample
            spec = specs.get(desktop_id)
            if spec is None:
                continue  # a stray: what it takes tells nothing of what the next desktop of its kind will
            kind = _kind(spec.image_id, spec.profile, forked=sample.forked)
            if not self._folder.is_folded(desktop_id):  # what one takes that is used, is what the next will
                self._costs.saw(kind, desktop_id, sample.memory_mib)
            self._disk_costs.saw(kind, desktop_id, sample.disk_mib)
        own_mib = sum(sample.memory_mib for sample in self._samples.values())
        await self._folder.look(
            self._paused(), processes, taken_mib=own_mib + self._templates_mib, budget_mib=self._budget_mib()
        )
        self._merging = await asyncio.to_thread(self._ksm.look, own_mib=own_mib, desktops=len(self._samples))
        short = pressure.judge(self._memory, before=bool(self.pressure))
        if bool(short) != bool(self.pressure):
            log.warning("memory-pressure", short=bool(short), available_mib=self._memory.available_mib)
            self.pressure = short
            self._changed()
        self.pressure = short

    def _budget_mib(self) -> int:
        total_mib = self._memory.total_mib
        return self._settings.memory_for_desktops_mib or total_mib - pressure.reserve_mib(total_mib)

    def _measure(
        self, by_age: list[str]
    ) -> tuple[dict[str, measuring.Process], dict[str, _Sample], pressure.Memory, int]:
        """In a thread: touches nothing of this object but what never changes."""
        processes = measuring.processes()
        found: dict[str, _Sample] = {}
        for desktop_id in by_age:
            process = processes.get(desktop_id)
            if process is None or len(found) >= AT_A_LOOK:
                continue
            memory_mib = measuring.own_memory_mib(process.pid, swap_takes=self._folder.held.ratio)
            if memory_mib is not None:
                disk = self._settings.desktops_dir / desktop_id / DISK
                found[desktop_id] = _Sample(memory_mib, measuring.file_mib(disk), process.forked)
        return processes, found, pressure.read(), measuring.templates_mib(self._settings.templates_dir)

    def headroom(self) -> Headroom:
        """What is left for desktops, by the last look and by what is wanted now."""
        specs = list(self._desktops())
        templates = list(self._templates())
        coming = {_key(one.image_id, one.profile): one for one in templates}
        here = [self._here(spec, coming) for spec in specs if spec.power in _WANTED]
        counted = {one.desktop_id for one in here}
        settings = self._settings
        host = Host(
            total_mib=self._memory.total_mib,
            available_mib=self._memory.available_mib,
            for_desktops_mib=settings.memory_for_desktops_mib,
            templates_mib=self._templates_mib,
            others_mib=sum(sample.memory_mib for one, sample in self._samples.items() if one not in counted),
            disk_free_mib=_disk_free_mib(settings.desktops_dir),
            desktops_max=settings.desktops_per_cpu * (os.cpu_count() or 1),
            pressure=self.pressure,
        )
        return reckon(
            host,
            here,
            [self._kind_of(template) for template in templates],
            merged_mib=self._merging.saved_mib,
            merging=self._merging.words,
        )

    def _here(self, spec: DesktopSpec, coming: dict[tuple[str, str], TemplateObservation]) -> Here:
        sample = self._samples.get(spec.desktop_id)
        template = coming.get(_key(spec.image_id, spec.profile))
        expected = spec.start == "fork" and template is not None and template.state != "failed"
        cost = self._cost(spec.image_id, spec.profile, template, forked=sample.forked if sample else expected)
        return Here(
            desktop_id=spec.desktop_id,
            memory_mib=sample.memory_mib if sample else 0,
            # One that lies folded is reckoned as it lies: it is paused because nobody uses it.
            memory_in_the_end_mib=0 if self._folder.is_folded(spec.desktop_id) else cost.memory_mib,
            disk_mib=sample.disk_mib if sample else 0,
            disk_in_the_end_mib=cost.disk_mib,
        )

    def _kind_of(self, template: TemplateObservation) -> Kind:
        forked = template.state != "failed"
        return Kind(
            image_id=template.image_id,
            profile=template.profile,
            start="fork" if forked else "cold",
            cost=self._cost(template.image_id, template.profile, template, forked=forked),
            measured=self._costs.measured(_kind(template.image_id, template.profile, forked=forked)),
        )

    def _cost(self, image_id: str, profile: Profile, template: TemplateObservation | None, *, forked: bool) -> Cost:
        kind = _kind(image_id, profile, forked=forked)
        disk_mib = self._disk_costs.each(kind, prior=PRIOR_DISK_MIB)
        if not forked:
            return Cost(memory_mib=profile.memory_mib + QEMU_OWN_MIB, disk_mib=disk_mib)
        probe_mib = template.probe_mib if template is not None else 0
        prior = max(PRIOR_PROBES * probe_mib, int(PRIOR_SHARE * profile.memory_mib))
        return Cost(memory_mib=self._costs.each(kind, prior=prior), disk_mib=disk_mib)


def _key(image_id: str, profile: Profile) -> tuple[str, str]:
    return image_id, profile.model_dump_json()


def _kind(image_id: str, profile: Profile, *, forked: bool) -> _Kind:
    return (*_key(image_id, profile), "fork" if forked else "cold")


def _disk_free_mib(directory: Path) -> int:
    """What desktops may still write: the reserve of `desktops.directory` stays."""
    return max(0, host_facts.free_bytes(directory) - RESERVE_BYTES) >> 20
