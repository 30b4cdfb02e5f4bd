"""`frazil doctor`."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated

import typer
from rich.markup import escape

from frazil.cli import connection, doctor, output
from frazil.cli.doctor import Finding, Level
from frazil.cli.exits import Exit
from frazil.cli.libvirtd import SYSTEMD
from frazil.cli.options import Json
from frazil.cli.supervisor import lock
from frazil.model.errors import Refused
from frazil.runtime import SystemClock
from frazil.settings import Settings

MARKS = {Level.OK: "[green]ok[/]     ", Level.WARNING: "[yellow]warning[/]", Level.FAILED: "[red]failed[/] "}

SYSTEMCTL_TIMEOUT_S = 10


def doctor_(
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can safely be mended; needs root.")] = False,
    as_json: Json = False,
) -> None:
    """Look at this machine: what is wrong, what it means, and the command that mends it.

    Ends with 1 when something is wrong that keeps Frazil from running; warnings do not count.

    \b
    Examples:
      sudo frazil doctor
      sudo frazil doctor --mend
      frazil doctor --json
    """
    if mend and os.geteuid() != 0:
        raise Refused("Mending needs root.", remedy="sudo frazil doctor --mend")
    settings = connection.settings()
    checks = doctor.all_checks(settings, clock=SystemClock(), our_pids=_ours(settings))
    with output.progress("Looking at the machine", quiet=as_json):
        findings = doctor.examine(checks, mend=mend, say=output.say)
    level = doctor.worst(findings)
    result: dict[str, object] = {"level": level.value, "checks": [finding.as_json() for finding in findings]}
    output.answer(result, as_json=as_json, people=lambda: show(findings))
    if level is Level.FAILED:
        raise typer.Exit(Exit.FAILED)


def show(findings: list[Finding]) -> None:
    """Write the findings for people."""
    console = output.console()
    for finding in findings:
        console.print(f"{MARKS[finding.level]}  [bold]{finding.check}[/]: {escape(finding.what)}")
        if finding.means:
            console.print(f"           {escape(finding.means)}")
        if finding.mend:
            # not wrapped: it is to be copied
            console.print(f"           Mend: {escape(finding.mend)}", soft_wrap=True)


def _ours(settings: Settings) -> frozenset[int]:
    """Frazil's own processes: those of `frazil up`, or the gateway that the service manager runs."""
    holder = lock.holder(settings)
    if holder is not None:
        return frozenset(_descendants(holder))
    if not SYSTEMD.is_dir():
        return frozenset()
    argv = ["systemctl", "show", "--property=MainPID", "--value", "frazil-gateway.service"]
    try:
        said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SYSTEMCTL_TIMEOUT_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()  # a service manager that does not answer tells nothing of ours
    said = said.strip()
    return frozenset({int(said)} if said.isdecimal() else ())


def _descendants(pid: int) -> list[int]:
    """The process and the children that it has, and theirs."""
    found = [pid]
    for each in found:
        try:
            with open(f"/proc/{each}/task/{each}/children", encoding="ascii") as file:
                found.extend(int(child) for child in file.read().split())
        except OSError:
            continue  # it ended meanwhile
    return found
