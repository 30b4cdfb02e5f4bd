"""Whether KVM can run a guest, and what that means for desktops."""

from __future__ import annotations

from pathlib import Path

from frazil.cli.doctor.finding import Check, Finding, Level
from frazil.cli.doctor.kvm_device import DEVICE
from frazil.server.hypervisor.kvm_trial import TIMEOUT_S, Outcome, attempt

NAME = "kvm-guest"


def look(device: Path = DEVICE, *, timeout_s: float = TIMEOUT_S) -> Finding:
    """Whether desktops can run under KVM here."""
    if not device.exists():
        return Finding(check=NAME, level=Level.OK, what="Not tried: there is no KVM device.")
    trial = attempt(timeout_s=timeout_s)
    match trial.outcome:
        case Outcome.RAN:
            return Finding(check=NAME, level=Level.OK, what="KVM runs guests.")
        case Outcome.NO_QEMU:
            return Finding(check=NAME, level=Level.OK, what="Not tried: QEMU is not installed.")
        case Outcome.HUNG:
            what = f"KVM opens, but a guest of a few bytes was not done within {timeout_s:g} s."
        case Outcome.REFUSED:
            what = f"KVM opens, but it can't run a guest: {_last_line(trial.said)}."
    return Finding(
        check=NAME,
        level=Level.WARNING,
        what=what,
        means="Desktops are emulated: everything works, five to twenty times slower. Usual in a cloud machine without "
        "nested virtualization.",
        mend="grep -cE 'vmx|svm' /proc/cpuinfo   # 0: choose a machine type with (nested) virtualization, "
        "or switch on VT-x or AMD-V",
    )


def check() -> Check:
    return Check(name=NAME, look=look)


def _last_line(text: str) -> str:
    return (text.splitlines() or ["no reason given"])[-1].rstrip(".")
