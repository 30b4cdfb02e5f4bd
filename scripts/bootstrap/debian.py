"""Debian packages: read the one list, install what is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import as_root, run
from progress import Board, Failed, Step

_LINE = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]+)(?:\s+unless\s+(?P<command>\S+))?$")
_STATUS = re.compile(r"^(?P<kind>dlstatus|pmstatus):[^:]*:(?P<percent>[0-9.]+):")
APT_INSTALL = (
    *("env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", 'log=$0; exec "$@" 3>&1 >>"$log" 2>&1'),
    "{log}",
    *("apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"),
    # apt makes this descriptor non-blocking: on one that the packages' scripts write to as well, they fail under load
    *("-o", "APT::Status-Fd=3", "install", "--no-install-recommends"),
)
"""The status lines come over the pipe (sudo closes all other descriptors), everything else goes to the log."""
SECONDS_EACH = 0.6
"""A first guess of the time that one package takes, its dependencies counted in."""


@dataclass(frozen=True)
class Package:
    name: str
    unless: str | None

    def wanted(self) -> bool:
        """Whether it has to be installed, as far as the command that stands for it goes."""
        return self.unless is None or shutil.which(self.unless) is None


def read_list(path: Path) -> dict[str, list[Package]]:
    """The packages of each section of the list."""
    sections: dict[str, list[Package]] = {}
    current: list[Package] | None = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = raw.partition("#")[0].strip()
        if not text:
            continue
        if text.startswith("[") and text.endswith("]"):
            current = sections.setdefault(text[1:-1], [])
            continue
        match = _LINE.match(text)
        if match is None or current is None:
            raise Failed(f"{path}, line {number}: not a package and not a section: {raw!r}.")
        current.append(Package(match["name"], match["command"]))
    return sections


def missing(packages: Sequence[Package]) -> list[str]:
    """The names that dpkg does not have installed."""
    names = [package.name for package in packages if package.wanted()]
    if not names:
        return []
    if shutil.which("apt-get") is None:
        raise Failed("This is not Debian or Ubuntu: there is no apt-get. See docs/howto/install.md for other systems.")
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,  # it fails when one of them is not known, which is what we ask
    )
    installed = {
        line.split()[0].partition(":")[0] for line in answer.stdout.splitlines() if line.endswith(" installed")
    }
    return [name for name in names if name not in installed]


def install(packages: Sequence[Package], *, title: str, log: Path, board: Board) -> None:
    """Install what is missing of `packages`; nothing is done, and no list is fetched, when all are there.

    What apt says goes to the end of `log`.
    """
    names = missing(packages)
    if not names:
        return
    way_out = f"Check the network and /etc/apt, then run the same command again. All that apt said is in {log}."
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with board.step(title, usual_s=30 + 10 * SECONDS_EACH * len(names)) as step:
        log.touch()
        run(as_root(["apt-get", "-q", "update"]), doing="Fetching Debian's package lists", way_out=way_out, env=quiet)
        step.tell(0.05)
        run(
            as_root([*(str(log) if word == "{log}" else word for word in APT_INSTALL), *names]),
            doing=f"Installing {len(names)} Debian packages",
            way_out=way_out,
            log=log,
            env=quiet,
            read=lambda line: _follow(step, line),
        )


def _follow(step: Step, line: str) -> None:
    """Fetching is taken for 35 % of the work, unpacking and setting up for the rest."""
    match = _STATUS.match(line)
    if match is None:
        return
    part = float(match["percent"]) / 100
    step.tell(0.05 + 0.35 * part if match["kind"] == "dlstatus" else 0.40 + 0.60 * part)
