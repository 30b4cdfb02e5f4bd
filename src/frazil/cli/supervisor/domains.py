"""This installation's domains, told by their label; asked of virsh, so that it works when no part of Frazil is up."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

from frazil.model.clock import Clock
from frazil.model.errors import Unavailable
from frazil.server.hypervisor.domainxml.metadata import read

CALL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Ours:
    """A domain with our label: libvirt's name for it, and the name that people know."""

    domain: str
    desktop: str


def ours(uri: str, installation_id: str) -> list[Ours]:
    """All domains that carry this installation's id. Every other one is none of our business."""
    found = []
    for name in _virsh(uri, "list", "--all", "--name").split():
        if not name.startswith("frazil-"):
            continue
        try:
            xml = _virsh(uri, "dumpxml", name)
        except Unavailable:
            continue  # it ended meanwhile
        labels = read(ET.fromstring(xml))  # noqa: S314
        if labels is not None and labels.installation_id == installation_id:
            found.append(Ours(name, labels.name))
    return found


def stop_all(
    uri: str, installation_id: str, *, grace_s: float, clock: Clock, pause: Callable[[float], None]
) -> list[Ours]:
    """Shut down all our domains; those not down after `grace_s` lose their power. Returns what was stopped."""
    there = ours(uri, installation_id)
    for each in there:
        _try(uri, "shutdown", each.domain)
    deadline = clock.monotonic_s() + grace_s
    left = there
    while left and clock.monotonic_s() < deadline:
        pause(0.3)
        left = ours(uri, installation_id)
    for each in left:
        _try(uri, "destroy", each.domain)
    still = ours(uri, installation_id)
    if still:
        raise Unavailable(
            f"{len(still)} desktops could not be stopped: {', '.join(each.domain for each in still)}.",
            remedy="Look at them with virsh, and see: frazil doctor",
        )
    return there


def _try(uri: str, *words: str) -> None:
    """A call whose failure shows in the list afterwards: the domain may have ended by itself."""
    try:
        _virsh(uri, *words)
    except Unavailable:
        return


def _virsh(uri: str, *words: str) -> str:
    argv = ["virsh", "--quiet", "--connect", uri, *words]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CALL_TIMEOUT_S, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(f"libvirt can't be asked: {exc}.", remedy="frazil doctor") from exc
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(argv)}` failed: {done.stderr.strip()}", remedy="frazil doctor")
    return done.stdout
