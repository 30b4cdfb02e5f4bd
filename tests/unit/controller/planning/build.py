"""Short ways to make facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from frazil.controller.planning import DesktopFacts, Facts, HostFacts, ImageFacts, PoolFacts
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, Seen, State, Wanted

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BROKEN = Failure("host-error", "The disk is broken.", "Mend it.")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def host(id: str = "h1", **changes: object) -> HostFacts:
    values: dict[str, object] = {
        "id": id,
        "name": id,
        "up": True,
        "silent": False,
        "memory_available_mib": 65536,
        "images_ready": frozenset({"i1"}),
    }
    return HostFacts(**{**values, **changes})  # type: ignore[arg-type]


def pool(id: str = "p1", **changes: object) -> PoolFacts:
    values: dict[str, object] = {
        "id": id,
        "name": id,
        "image_id": "i1",
        "memory_mib": 1024,
        "spares": 1,
        "max_desktops": 10,
        "deleting": False,
        "changed_at": ago(100_000),
    }
    return PoolFacts(**{**values, **changes})  # type: ignore[arg-type]


def desktop(
    id: str = "d1",
    *,
    power: Power = Power.RUNNING,
    host_id: str | None = "h1",
    seen: tuple[State, Guest] | None = (State.RUNNING, Guest.READY),
    seen_attempt: int | None = None,
    seen_failure: Failure | None = None,
    attempt: int = 1,
    failure: Failure | None = None,
    failed_at: datetime | None = None,
    since: datetime = NOW,
    deadline_s: float = 60.0,
    assigned: bool = False,
    announced: Phase | None = None,
    pool_id: str = "p1",
    created_at: datetime = NOW,
    measured_attempt: int = 0,
    started_at: datetime | None = None,
    idle_since: datetime | None = None,
    in_use: bool = False,
    kept_until: datetime | None = None,
) -> DesktopFacts:
    """`announced` is the phase that it has, unless said."""
    epoch = Epoch(1, 1)
    made = DesktopFacts(
        id=id,
        name=f"name-{id}",
        pool_id=pool_id,
        image_id="i1",
        memory_mib=1024,
        host_id=host_id,
        assigned=assigned,
        wanted=Wanted(
            power=power,
            epoch=epoch,
            attempt=attempt,
            since=since,
            deadline=timedelta(seconds=deadline_s),
            failure=failure,
            placed=host_id is not None,
        ),
        seen=None
        if seen is None or host_id is None
        else Seen(
            state=seen[0],
            guest=seen[1],
            epoch=epoch,
            attempt=seen_attempt if seen_attempt is not None else attempt,
            failure=seen_failure,
            observed_at=NOW,
        ),
        failed_at=failed_at if failed_at is not None else (NOW if failure is not None else None),
        announced=announced or Phase.GONE,
        measured_attempt=measured_attempt,
        created_at=created_at,
        started_at=started_at,
        kept_until=kept_until,
        idle_since=idle_since,
        in_use=in_use,
    )
    if announced is not None:
        return made
    return DesktopFacts(**{**{name: getattr(made, name) for name in made.__slots__}, "announced": made.phase({})})


def image(**changes: object) -> ImageFacts:
    values: dict[str, object] = {
        "id": "i1",
        "name": "debian",
        "wanted_absent": False,
        "on_hosts": {"h1": ("ready", None)},
        "ever_on": frozenset({"h1"}),
        "used_by_desktops": 0,
    }
    return ImageFacts(**{**values, **changes})  # type: ignore[arg-type]


def facts(**changes: object) -> Facts:
    values: dict[str, object] = {"now": NOW, "hosts": {"h1": host()}, "pools": (pool(),), "images": (image(),)}
    return Facts(**{**values, **changes})  # type: ignore[arg-type]
