"""What Prometheus reads (`controller.measurements` says what it means).

What the last look at the installation found is told as it was found, so that reading costs the database next to
nothing, however many desktops there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import frazil
from frazil.controller.measurements import MEASUREMENTS
from frazil.controller.planning.facts import DesktopFacts, Facts
from frazil.model.desktop import Phase
from frazil.wire.hostlink import HostLoad
from frazil.wire.sessions import Line

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARES = (0.5, 0.95)
CALL_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LOOK_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


Labels = TypeVar("Labels", bound=tuple[str, ...])
_MEANING = {one.name: one for one in MEASUREMENTS}


class Measures:
    """What this process measures of itself. `controller`: which of the machine's controllers it is."""

    def __init__(self, controller: int = 1) -> None:
        self.controller = str(controller)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._request_s = self._histogram("frazil_request_seconds", CALL_BUCKETS_S)
        self._look_s = self._histogram("frazil_look_seconds", LOOK_BUCKETS_S)
        self.events: Counter[tuple[str, str]] = Counter()
        """By kind and outcome, since the process began."""
        self.events_up_to: int | None = None
        """The last event that is counted."""

    def _histogram(self, name: str, buckets: Sequence[float]) -> Histogram:
        told = _MEANING[name]
        return Histogram(name, told.means, told.labels, buckets=buckets, registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._request_s.labels(self.controller, method, route, f"{status // 100}xx").observe(seconds)

    def looked(self, seconds: float) -> None:
        self._look_s.labels(self.controller).observe(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is told of one moment. `age_s`: since `facts` were read; both are None before the first look.

    strays: how many, by host's id. starts: the last starts' seconds, by pool's id.
    """

    leads: bool
    facts: Facts | None
    age_s: float | None
    short: bool
    loads: Mapping[str, HostLoad] = field(default_factory=dict)
    strays: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    lines: Sequence[Line] = ()


def render(measures: Measures, now: Moment) -> bytes:
    """In Prometheus's text format. For a thread: it goes over all desktops."""
    registry = CollectorRegistry()
    registry.register(_Now(measures, now))
    return bytes(generate_latest(registry)) + bytes(generate_latest(measures.registry))


class _Now(Collector):
    def __init__(self, measures: Measures, now: Moment) -> None:
        self._measures = measures
        self._now = now

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        now, controller = self._now, self._measures.controller
        yield _gauge("frazil_build_info", {(frazil.__version__,): 1})
        yield _gauge("frazil_leads", {(controller,): now.leads})
        events = CounterMetricFamily("frazil_events", _MEANING["frazil_events_total"].means, labels=("kind", "outcome"))
        for labels, count in sorted(self._measures.events.items()):
            events.add_metric(labels, count)
        yield events
        latencies = sorted(line.latency_ms / 1000 for line in now.lines if line.latency_ms is not None)
        yield _gauge("frazil_viewers", {(): len(now.lines)})
        yield _gauge("frazil_viewer_latency_seconds", _shares((), latencies))
        if now.facts is None or now.age_s is None:
            return
        yield _gauge("frazil_look_age_seconds", {(controller,): now.age_s})
        yield _gauge("frazil_short", {(): now.short})
        yield from _of_hosts(now, now.facts)
        yield from _of_pools(now, now.facts)
        failed = {
            (image.name,): sum(state == "failed" for state, _ in image.on_hosts.values()) for image in now.facts.images
        }
        yield _gauge("frazil_images_failed", failed)
        yield _gauge("frazil_operations_running", Counter((one.kind,) for one in now.facts.operations))


def _of_hosts(now: Moment, facts: Facts) -> Iterator[Metric]:
    names = {host.id: host.name for host in facts.hosts.values()}
    hosts = facts.hosts.values()
    on = Counter(desktop.host_id for desktop in facts.desktops)
    loads = {names[id]: load for id, load in now.loads.items() if id in names}
    yield _gauge("frazil_host_up", {(host.name,): host.up for host in hosts})
    yield _gauge("frazil_host_maintenance", {(host.name,): host.maintenance for host in hosts})
    yield _gauge("frazil_host_busy_ratio", {(host.name,): host.busy for host in hosts if host.up})
    yield _gauge("frazil_host_desktops", {(host.name,): on[host.id] for host in hosts})
    memory = {(name,): load.memory_available_mib << 20 for name, load in loads.items()}
    yield _gauge("frazil_host_memory_available_bytes", memory)
    yield _gauge("frazil_host_disk_free_bytes", {(name,): load.disk_free_mib << 20 for name, load in loads.items()})
    yield _gauge("frazil_host_strays", {(host.name,): now.strays.get(host.id, 0) for host in hosts})


def _of_pools(now: Moment, facts: Facts) -> Iterator[Metric]:
    names = {pool.id: pool.name for pool in facts.pools}
    phases: Counter[tuple[str, ...]] = Counter({(name, phase.value): 0 for name in names.values() for phase in Phase})
    spares: Counter[tuple[str, ...]] = Counter({(name,): 0 for name in names.values()})
    waiting = spares.copy()
    sessions: Counter[tuple[str, ...]] = Counter(
        {(name, state): 0 for name in names.values() for state in ("viewed", "left")}
    )
    for desktop in facts.desktops:
        name, phase = names.get(desktop.pool_id, ""), desktop.phase(facts.hosts)
        phases[name, phase.value] += 1
        there = phase in (Phase.READY, Phase.PAUSED)
        if _is_spare(desktop) and there:
            spares[name,] += 1
        if desktop.in_use:
            sessions[name, "viewed" if desktop.idle_since is None else "left"] += 1
            if not there and phase is not Phase.UNKNOWN:
                waiting[name,] += 1
    yield _gauge("frazil_pool_desktops", phases)
    yield _gauge("frazil_pool_desktops_most", {(pool.name,): pool.max_desktops for pool in facts.pools})
    yield _gauge("frazil_pool_spares", spares)
    wanted = {(pool.name,): 0 if pool.deleting else pool.spares for pool in facts.pools}
    yield _gauge("frazil_pool_spares_wanted", wanted)
    yield _gauge("frazil_pool_people_waiting", waiting)
    yield _gauge("frazil_sessions", sessions)
    took: dict[tuple[str, ...], float] = {}
    for pool in facts.pools:
        took |= _shares((pool.name,), sorted(now.starts.get(pool.id, ())))
    yield _gauge("frazil_pool_start_seconds", took)


def _is_spare(desktop: DesktopFacts) -> bool:
    return not desktop.assigned and desktop.kept_until is None


def _shares(labels: tuple[str, ...], ordered: Sequence[float]) -> dict[tuple[str, ...], float]:
    """By labels and share; nothing of nothing."""
    if not ordered:
        return {}
    return {(*labels, f"{share:g}"): ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in SHARES}


def _gauge(name: str, values: Mapping[Labels, float]) -> GaugeMetricFamily:
    told = _MEANING[name]
    family = GaugeMetricFamily(name, told.means, labels=told.labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family
