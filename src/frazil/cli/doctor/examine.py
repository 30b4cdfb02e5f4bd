"""All checks: run at the same time, mended where that is safe, in a steady order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from frazil.cli.doctor import kvm_device, kvm_trial, libvirt, network, ports, qemu, resources, timekeeping
from frazil.cli.doctor.finding import Check, Finding, Level
from frazil.model.clock import Clock
from frazil.model.errors import FrazilError
from frazil.settings import Settings


def all_checks(settings: Settings, *, clock: Clock, our_pids: frozenset[int]) -> list[Check]:
    """Every check, in the order in which people read them. `our_pids` may hold the public port."""
    return [
        qemu.check(),
        libvirt.check(settings.libvirt_uri),
        kvm_device.check(),
        kvm_trial.check(),
        *resources.checks(settings.state_dir),
        ports.check(settings.listen, ours=our_pids),
        network.check(),
        timekeeping.check(clock, known=[settings.installation_file]),
    ]


def examine(checks: list[Check], *, mend: bool, say: Callable[[str], None]) -> list[Finding]:
    """Look at everything. With `mend`, what can safely be mended is, and is looked at again; `say` tells of it."""
    with ThreadPoolExecutor(max_workers=len(checks) or 1) as pool:
        findings = list(pool.map(_look, checks))
    if not mend or os.geteuid() != 0:
        return findings
    return [
        _mend(check, finding, say) if finding.level is not Level.OK and check.repair is not None else finding
        for check, finding in zip(checks, findings, strict=True)
    ]


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except (OSError, FrazilError) as exc:
        return Finding(
            check=check.name,
            level=Level.WARNING,
            what=f"The check itself failed: {exc}.",
            means="Nothing is known about this.",
            mend="sudo frazil doctor",
        )


def _mend(check: Check, finding: Finding, say: Callable[[str], None]) -> Finding:
    assert check.repair is not None
    say(f"{finding.what} Mending it.")
    try:
        check.repair()
    except (OSError, FrazilError, KeyError) as exc:
        return replace(finding, what=f"{finding.what} Mending it failed: {exc}")
    return _look(check)
