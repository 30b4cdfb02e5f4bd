"""Why a desktop is on its host, and why it is on none."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.planning.refusals import Refusal, in_words
from frazil.controller.planning.scores import APART_MOST, PROCESSORS_MOST, ROOM_MOST, TEMPLATE_MOST, Score
from frazil.controller.presence import PresenceView
from frazil.controller.services import views, words
from frazil.controller.services.context import Context
from frazil.controller.store import hosts, placements
from frazil.controller.store.rows import DesktopRow, PlacementRow
from frazil.model.desktop import Phase
from frazil.wire.rest import Explanation, HostRefusal, Placement, Points


def explanation(tx: sa.Connection, row: DesktopRow, *, ctx: Context, presence: PresenceView) -> Explanation:
    """What the last plan found for one that waits; what was kept when it was chosen for one that is placed."""
    phase = views.phase_of(row, presence)
    host = hosts.find(tx, row.host_id) if row.host_id is not None else None
    placement = placements.find(tx, row.id) if host is not None else None
    if host is None:
        text = words.why(row, phase, waiting=ctx.words.waiting.get(row.id, ""))
    elif placement is None or placement.host_id != host.id:
        text = f"It is on the host {host.name}. It was taken back there, or an older version placed it."
        placement = None
    else:
        text = _chosen(host.name, placement)
    waits = phase is Phase.WAITING
    return Explanation(
        desktop_id=row.id,
        desktop_name=row.name,
        phase=phase,
        phase_text=words.PHASE_TEXT[phase],
        text=text,
        host_id=row.host_id,
        host_name=host.name if host is not None else None,
        refusals=[_refusal(one) for one in ctx.words.refusals.get(row.id, ())] if waits else [],
        placement=_placement(placement) if placement is not None else None,
    )


def _chosen(host: str, placement: PlacementRow) -> str:
    if placement.able == 1:
        return f"It was placed on the host {host}, the only one of {placement.of_hosts} that could take it then."
    apart = placement.apart
    if apart is not None:
        place = f"{apart.by}={apart.value}" if apart.value else f"no {apart.by}"
        return (
            f"It was placed on the host {host}: of {placement.of_hosts} hosts {placement.able} could take it then. "
            f"Its pool is kept apart by {apart.by}: {place} had the fewest of its desktops, {apart.there}, and of the "
            "hosts there this one had the most points."
        )
    return (
        f"It was placed on the host {host}: of {placement.of_hosts} hosts {placement.able} could take it then, "
        "and this one had the most points."
    )


def _refusal(one: Refusal) -> HostRefusal:
    return HostRefusal(
        code=one.why.name.lower().replace("_", "-"),
        text=in_words(one.why, len(one.hosts)),
        hosts=list(one.hosts),
        detail=one.detail,
        remedy=one.remedy,
    )


def _placement(row: PlacementRow) -> Placement:
    score = row.score
    parts = [
        Points(name="template", points=round(score.template), most=TEMPLATE_MOST, text=_of_template(score)),
        Points(
            name="room",
            points=round(score.room),
            most=ROOM_MOST,
            text=_of_room(score),
        ),
        Points(
            name="processors",
            points=round(score.processors),
            most=PROCESSORS_MOST,
            text=f"Its processors were {round(100 * score.busy)} percent busy.",
        ),
        Points(name="apart", points=round(score.apart), most=APART_MOST, text=_of_together(score.together)),
    ]
    return Placement(
        at=row.at, able=row.able, of_hosts=row.of_hosts, points=sum(part.points for part in parts), parts=parts
    )


def _of_template(score: Score) -> str:
    if score.has_template is None:
        return "It boots, so it needs no frozen template."
    return "Its frozen template was there." if score.has_template else "Its frozen template was not there yet."


def _of_room(score: Score) -> str:
    if score.pack:
        return f"{score.left_mib} MiB of its memory were left: the fewer, the better in a pool that is packed."
    return f"{score.left_mib} MiB of its memory were left for others."


def _of_together(together: int) -> str:
    match together:
        case 0:
            return "No other desktop of its pool was there."
        case 1:
            return "1 other desktop of its pool was there."
        case _:
            return f"{together} other desktops of its pool were there."
