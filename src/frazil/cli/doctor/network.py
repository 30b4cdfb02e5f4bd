"""The guests' network: whether a bridge and its rules can be made here, found by making some and removing them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from frazil.cli.doctor.finding import Check, Finding, Level

NAME = "network"
BRIDGE = "frazil-doctor"
TABLE = "frazil_doctor"
MEANS = "Desktops run without a network: isolating them from each other and from this host is not possible here."


def look() -> Finding:
    """Try a bridge and an nftables table; both are gone afterwards."""
    tools = (("ip", "iproute2"), ("nft", "nftables"), ("iptables", "iptables"), ("dnsmasq", "dnsmasq-base"))
    for tool, package in tools:
        if shutil.which(tool) is None and not os.access(f"/usr/sbin/{tool}", os.X_OK):
            return Finding(
                check=NAME,
                level=Level.WARNING,
                what=f"{tool} is not installed.",
                means=MEANS,
                mend=f"apt-get install {package}",
            )
    if os.geteuid() != 0:
        return Finding(check=NAME, level=Level.OK, what="Only root can try to make a bridge.")
    with alone():
        return _try()


@contextmanager
def alone() -> Iterator[None]:
    """Two doctors at a time would take each other's bridge for a fault. A lock on the directory leaves no file."""
    directory = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _try() -> Finding:
    steps = (
        ("a bridge", ["ip", "link", "add", BRIDGE, "type", "bridge"], ["ip", "link", "delete", BRIDGE]),
        ("a table of nft rules", ["nft", "add", "table", "bridge", TABLE], ["nft", "delete", "table", "bridge", TABLE]),
    )
    for thing, make, remove in steps:
        _run(remove)  # left by a doctor that was killed
        said = _run(make)
        if said is not None:
            return Finding(
                check=NAME,
                level=Level.WARNING,
                what=f"This kernel does not let {thing} be made: {said}.",
                means=MEANS,
                mend=f"{' '.join(make)}   # in a container: give it CAP_NET_ADMIN",
            )
        said = _run(remove)
        if said is not None:
            return Finding(
                check=NAME,
                level=Level.WARNING,
                what=f"{thing.capitalize()} was made for trial and can't be removed: {said}.",
                means="A harmless thing of that name stays.",
                mend=" ".join(remove),
            )
    return Finding(check=NAME, level=Level.OK, what="Bridges and packet rules can be made.")


def check() -> Check:
    return Check(name=NAME, look=look)


def _run(argv: list[str]) -> str | None:
    """None when it worked, else what it said."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[0] if lines else f"it ended with {done.returncode}"
