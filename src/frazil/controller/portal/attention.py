"""Is everything well? What an administrator should look at, worst first. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from frazil.controller.portal.reader import Reader
from frazil.controller.portal.said import said
from frazil.controller.portal.views import Attention
from frazil.model.desktop import Phase
from frazil.wire.rest import Desktop, Host, Image, Pool, QuarantinedThing


def attention(
    reader: Reader,
    *,
    hosts: Sequence[Host] | None,
    images: Sequence[Image],
    pools: Sequence[Pool],
    desktops: Sequence[Desktop],
    strays: Sequence[QuarantinedThing],
) -> list[Attention]:
    """What is not well, as sentences that link to where it can be mended. `hosts`: None for who may not see them."""
    _, n_ = reader.gettext, reader.ngettext
    found: list[Attention] = []
    if hosts is not None and not hosts:
        found.append(Attention(tone="bad", text=_("No host has reported yet."), href="/console/hosts"))
    for host in hosts or ():
        if host.maintenance is not None:
            text = _("%(name)s is in maintenance.") % {"name": host.name}
            found.append(Attention(tone="busy", text=text, href=f"/console/hosts/{host.id}"))
        elif host.state == "silent":
            text = _("%(name)s is not answering.") % {"name": host.name}
            found.append(Attention(tone="bad", text=text, href=f"/console/hosts/{host.id}"))
    failed = sum(desktop.phase is Phase.FAILED for desktop in desktops)
    if failed:
        text = n_("%(num)s desktop has failed.", "%(num)s desktops have failed.", failed) % {"num": failed}
        found.append(Attention(tone="bad", text=text, href="/console/desktops?phase=failed"))
    for pool in pools:
        if pool.note:
            # The first sentence; the pool's page has all of it.
            text = f"{pool.label}: {said(pool.note, reader).text.partition('. ')[0].rstrip('.')}."
            found.append(Attention(tone="busy", text=text, href=f"/console/pools/{pool.id}"))
    for image in images:
        if image.state == "failed":
            text = _("The image %(name)s could not be made.") % {"name": image.name}
            found.append(Attention(tone="bad", text=text, href=f"/console/images/{image.id}"))
    for host in hosts or ():
        if host.state == "up" and host.warning:
            text = _("%(name)s works, but not as well as it could.") % {"name": host.name}
            found.append(Attention(tone="busy", text=text, href=f"/console/hosts/{host.id}"))
    if strays:
        n = len(strays)
        text = n_("%(num)s thing is in quarantine.", "%(num)s things are in quarantine.", n) % {"num": n}
        found.append(Attention(tone="busy", text=text, href="/console/hosts#strays"))
    return sorted(found, key=lambda one: one.tone != "bad")
