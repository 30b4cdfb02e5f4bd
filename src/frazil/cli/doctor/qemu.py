"""QEMU: whether it is there, new enough, and has SPICE."""

from __future__ import annotations

import re
import subprocess

from frazil.cli.doctor.finding import Check, Finding, Level

NAME = "qemu"
QEMU = "qemu-system-x86_64"
OLDEST = (6, 2)
"""Ubuntu 22.04's; what is older was not tried."""


def look(qemu: str = QEMU) -> Finding:
    """Whether QEMU can show desktops over SPICE."""
    try:
        answer = _ask(qemu, "--version")
        spice = _ask(qemu, "-machine", "none", "-display", "none", "-spice", "help")
    except FileNotFoundError:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"QEMU ({qemu}) is not installed.",
            means="No desktop can run on this machine.",
            mend="apt-get install qemu-system-x86",
        )
    except subprocess.TimeoutExpired:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"{qemu} did not answer within 20 s.",
            means="No desktop can start; the machine may be overloaded or its disk very slow.",
            mend=f"{qemu} --version",
        )
    match = re.search(r"version (\d+)\.(\d+)\.\d+", answer)
    if match is None:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"{qemu} does not say its version: {answer.strip()[:200]!r}.",
            means="No desktop can run on this machine.",
            mend="apt-get install --reinstall qemu-system-x86",
        )
    version = int(match[1]), int(match[2])
    if "disable-ticketing" not in spice:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"QEMU {version[0]}.{version[1]} has no SPICE.",
            means="Desktops could run, but nobody could see them. Red Hat's QEMU leaves SPICE out since release 9.",
            mend="apt-get install qemu-system-x86 qemu-system-common   # or qemu-system-modules-spice",
        )
    if version < OLDEST:
        return Finding(
            check=NAME,
            level=Level.WARNING,
            what=f"QEMU {version[0]}.{version[1]} is older than {OLDEST[0]}.{OLDEST[1]}.",
            means="Frazil was not tried with it.",
            mend="apt-get install qemu-system-x86",
        )
    return Finding(check=NAME, level=Level.OK, what=f"QEMU {version[0]}.{version[1]} with SPICE.")


def check() -> Check:
    return Check(name=NAME, look=look)


def _ask(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False, cwd="/")
    return (done.stdout + done.stderr).decode(errors="replace")
