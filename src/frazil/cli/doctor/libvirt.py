"""libvirt: whether its daemon runs and answers."""

from __future__ import annotations

from frazil.cli import libvirtd
from frazil.cli.doctor.finding import Check, Finding, Level
from frazil.model.errors import FrazilError

NAME = "libvirt"
SLOW_S = 15.0


def look(uri: str, *, places: libvirtd.Places = libvirtd.Places(), timeout_s: float = SLOW_S) -> Finding:  # noqa: B008
    """Whether libvirt answers at `uri`."""
    if not libvirtd.daemon_listens(places):
        if not places.daemon.exists():
            what, mend = "libvirt's daemon is not installed.", "apt-get install libvirt-daemon-system libvirt-clients"
        elif places.systemd.is_dir():
            what, mend = "libvirt's daemon does not run.", "systemctl enable --now libvirtd"
        else:
            what, mend = "libvirt's daemon does not run, and no service manager does.", "sudo frazil doctor --mend"
        return Finding(check=NAME, level=Level.FAILED, what=what, means="No desktop can be started.", mend=mend)
    try:
        libvirtd.answers(uri, timeout_s=timeout_s)
    except FrazilError as exc:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=exc.what,
            means="Desktops that run go on; none can be started, stopped or seen.",
            mend="systemctl restart libvirtd" if places.systemd.is_dir() else "virsh -c qemu:///system list",
        )
    return Finding(check=NAME, level=Level.OK, what=f"libvirt answers at {uri}.")


def check(uri: str) -> Check:
    return Check(name=NAME, look=lambda: look(uri), repair=lambda: _repair(uri))


def _repair(uri: str) -> None:
    libvirtd.ensure_running(uri=uri)
