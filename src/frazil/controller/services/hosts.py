"""Hosts: the machines that run desktops."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller import headrooms
from frazil.controller.identity import Identity, Right
from frazil.controller.presence import PresenceView
from frazil.controller.services import adopting, finding, gone_hosts, journal, maintaining, paging
from frazil.controller.services.context import Context
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, hosts, images, pools
from frazil.controller.store.rows import HostRow
from frazil.model import labels
from frazil.model.errors import Stale
from frazil.model.room import Bound, Cost, Fit
from frazil.wire.hostlink import Capabilities, HostLoad, TemplateObservation
from frazil.wire.rest import ForgottenHost, Host, HostChange, HostRoom, HostTemplate, Page, QuarantinedThing


def warning(capabilities: Capabilities) -> str:
    """What a person should know about this host, in words; empty when all is well."""
    said = []
    if not capabilities.kvm:
        said.append(
            "It has no usable KVM, so every desktop is emulated: all works, but many times slower. "
            "`frazil doctor` on the host says why."
        )
    if not capabilities.spice:
        said.append("Its QEMU has no SPICE, so no desktop can be shown. `frazil doctor` on the host says more.")
    return " ".join(said)


def _model(
    tx: sa.Connection,
    row: HostRow,
    ctx: Context,
    presence: PresenceView,
    *,
    desktops_on: dict[str, int],
    holdings: dict[str, int],
) -> Host:
    takes = row.id in presence.up and not row.maintenance
    return Host(
        id=row.id,
        name=row.name,
        state="up" if row.id in presence.up else "silent",
        last_seen_at=row.last_seen_at,
        version=row.version,
        capabilities=row.capabilities,
        load=presence.loads.get(row.id, row.load),
        desktops=desktops_on.get(row.id, 0),
        warning=warning(row.capabilities),
        templates=_templates(tx, presence.templates.get(row.id, ())),
        room=_room(tx, row, presence.loads.get(row.id, row.load)) if takes else [],
        maintenance=maintaining.left_on(tx, row, ctx=ctx, presence=presence),
        holding=holdings[row.id],
        labels=row.labels,
        revision=row.revision,
        address=row.address,
    )


def _room(tx: sa.Connection, row: HostRow, load: HostLoad | None) -> list[HostRoom]:
    """What still fits of each pool whose labels it has, as the host reckons; nothing of a host that has not said."""
    if load is None or load.headroom is None:
        return []
    ready_when = {image.id: image.ready_when for image in images.listed(tx)}
    rooms = []
    for pool in pools.listed(tx):
        if pool.deleting or not labels.has(row.labels, pool.host_labels):
            continue
        forked = start_of(pool, ready_when[pool.image_id]) == "fork"
        fit, cost = headrooms.fits(load.headroom, pool.image_id, pool.profile, forked=forked)
        rooms.append(
            HostRoom(
                pool_id=pool.id,
                pool_name=pool.name,
                pool_label=pool.label,
                more=fit.more,
                bound=fit.bound,
                memory_mib=cost.memory_mib,
                disk_mib=cost.disk_mib,
                text=_in_words(pool.name, fit, cost),
            )
        )
    return rooms


def _in_words(pool: str, fit: Fit, cost: Cost) -> str:
    bounds: dict[Bound, str] = {
        "memory": f"bounded by memory ({cost.memory_mib} MiB each)",
        "limit": f"bounded by the memory set aside for desktops ({cost.memory_mib} MiB each)",
        "disk": f"bounded by disk ({cost.disk_mib} MiB each)",
        "processors": "bounded by what its processors are reckoned to bear",
        "pressure": "it is short of memory now",
    }
    return f"room for {fit.more} more of {pool}; {bounds[fit.bound]}"


def _templates(tx: sa.Connection, seen: tuple[TemplateObservation, ...]) -> list[HostTemplate]:
    names = {image.id: image.name for image in images.listed(tx)} if seen else {}
    return [
        HostTemplate(
            image_id=template.image_id,
            image_name=names.get(template.image_id, ""),
            profile=template.profile,
            state=template.state,
            step=template.step,
            ram_mib=template.ram_mib,
        )
        for template in seen
    ]


class Hosts:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(self, identity: Identity, *, limit: int = paging.LIMIT, cursor: str | None = None) -> Page[Host]:
        identity.require(Right.SEE_HOSTS)
        after = paging.decode(cursor)
        paging.check(limit)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> list[Host]:
            rows = hosts.listed(tx, after=after, limit=limit + 1)
            on, holdings = desktops.count_by_host(tx), hosts.holdings(tx, [row.id for row in rows])
            return [_model(tx, row, self._ctx, presence, desktops_on=on, holdings=holdings) for row in rows]

        models = await self._ctx.store.read(work)
        return paging.page(models, limit=limit, key=lambda host: host.id, model=lambda host: host)

    async def show(self, identity: Identity, ref: str) -> Host:
        identity.require(Right.SEE_HOSTS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Host:
            row = finding.host(tx, ref)
            on, holdings = desktops.count_by_host(tx), hosts.holdings(tx, [row.id])
            return _model(tx, row, self._ctx, presence, desktops_on=on, holdings=holdings)

        return await self._ctx.store.read(work)

    async def maintain(self, identity: Identity, ref: str, *, maintenance: bool) -> Host:
        """Want a host in maintenance, or no longer. The planner does the rest, whoever of it runs when."""
        identity.require(Right.CHANGE_HOSTS)

        def work(tx: sa.Connection) -> str:
            row = finding.host(tx, ref)
            if hosts.maintain(tx, row.id, maintenance=maintenance):
                kind, text = "host.maintenance", f"The host {row.name} is in maintenance: no new desktops go there."
                if not maintenance:
                    kind = "host.maintenance-ended"
                    text = f"Maintenance of the host {row.name} ended: it takes desktops again."
                journal.note(self._ctx, tx, kind, text, by=identity)
            return row.id

        host_id = await self._ctx.store.write(work)
        self._ctx.wake()
        return await self.show(identity, host_id)

    async def forget(
        self, identity: Identity, ref: str, *, if_match: int, with_desktops: bool = False
    ) -> ForgottenHost:
        """Take a host out of the database that is gone for good; `if_match` is the `holding` that was looked at.

        with_desktops: with persons' own desktops that have their only disk there.
        """
        identity.require(Right.CHANGE_HOSTS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> ForgottenHost:
            return gone_hosts.forget(
                self._ctx, tx, ref, if_match=if_match, with_desktops=with_desktops, presence=presence, by=identity
            )

        forgotten = await self._ctx.store.write(work)
        self._ctx.presence.forget(forgotten.id)
        self._ctx.wake()
        return forgotten

    async def change(self, identity: Identity, ref: str, change: HostChange, *, if_match: int) -> Host:
        """`if_match` is the `revision` that the caller looked at; raises Stale when it is no longer the newest."""
        identity.require(Right.CHANGE_HOSTS)

        def work(tx: sa.Connection) -> str:
            row = finding.host(tx, ref)
            after = row.labels if change.labels is None else change.labels
            if row.revision != if_match:
                raise _stale(row, if_match)
            if after == row.labels:
                return row.id
            if not hosts.label(tx, row.id, after, if_revision=if_match):
                raise _stale(finding.host(tx, row.id), if_match)
            text = f"The host {row.name} is labelled {labels.in_words(after)}."
            if not after:
                text = f"The host {row.name} has no labels any more."
            journal.note(self._ctx, tx, "host.labelled", text, by=identity)
            return row.id

        host_id = await self._ctx.store.write(work)
        self._ctx.wake()
        return await self.show(identity, host_id)

    async def strays(self, identity: Identity) -> Page[QuarantinedThing]:
        """What hosts have with our label that nobody here knows of. It is left alone."""
        identity.require(Right.SEE_HOSTS)
        rows = await self._ctx.store.read(hosts.strays_listed)
        whole = adopting.adoptable(self._ctx.presence.view())
        return Page(
            items=[
                QuarantinedThing(
                    host_id=row.host_id,
                    kind=row.kind,
                    name=row.name,
                    desktop_id=row.desktop_id,
                    detail=row.detail,
                    image_id=whole.get((row.host_id, row.kind, row.name)),
                )
                for row in rows
            ]
        )


def _stale(row: HostRow, if_match: int) -> Stale:
    return Stale(
        f"The host {row.name} was changed in the meantime: it is at revision {row.revision}, you looked at {if_match}.",
        remedy="Look at it again and repeat your change.",
    )
