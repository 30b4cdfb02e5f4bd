"""Whether KVM can run a guest, found by running one.

The device can exist, open and even make a virtual machine, and still not run it: a cloud machine whose own host
passes no VT-x or AMD-V on. Or it runs some of it, instruction by instruction, and fails at the first one that it has no
words for (a KVM that paravirtualizes guests by page tables does, with a guest that does not know of it). So QEMU boots
a sector of our own under KVM, which counts as far as only a processor does in the time, and what it printed tells.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

DEVICE = Path("/dev/kvm")
QEMU = "qemu-system-x86_64"
TIMEOUT_S = 4.0
"""A guest that runs is done in under half a second; one that hangs spins without end."""
ROUNDS = 1 << 26
"""Of two instructions: less than 0.1 s of a processor, 0.4 s of QEMU's translator, 45 s of an interpreter."""

PRINTED = b"FRAZIL"
EXIT_VALUE = 0x2A
EXIT_STATUS = EXIT_VALUE << 1 | 1
"""What QEMU exits with when the guest writes EXIT_VALUE to its isa-debug-exit port."""


def boot_sector() -> bytes:
    """512 bytes of 16-bit code that count ROUNDS, print PRINTED on the debug port 0xe9 and leave through port 0xf4."""
    code = b"\x66\xb9" + ROUNDS.to_bytes(4, "little")  # mov ecx, ROUNDS
    code += b"\x66\x49\x75\xfc"  # dec ecx; jnz to the dec
    code += b"\xba\xe9\x00"  # mov dx, 0xe9
    for letter in PRINTED:
        code += bytes((0xB0, letter))  # mov al, letter
        code += b"\xee"  # out dx, al
    code += b"\xba\xf4\x00"  # mov dx, 0xf4
    code += bytes((0xB0, EXIT_VALUE))  # mov al, EXIT_VALUE
    code += b"\xee"  # out dx, al
    code += b"\xf4\xeb\xfd"  # hlt; jmp to the hlt
    return code.ljust(510, b"\0") + b"\x55\xaa"


class Outcome(Enum):
    """What came of the trial."""

    RAN = "ran"
    REFUSED = "refused"
    HUNG = "hung"
    NO_QEMU = "no-qemu"


@dataclass(frozen=True, slots=True)
class Trial:
    """`said` is what QEMU wrote on its standard error."""

    outcome: Outcome
    said: str


def attempt(*, accelerator: str = "kvm", qemu: str = QEMU, timeout_s: float = TIMEOUT_S) -> Trial:
    """Boot the sector under `accelerator` and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="frazil-kvm-") as place:
        disk = Path(place, "sector")
        disk.write_bytes(boot_sector())
        argv = [qemu, "-accel", accelerator, "-machine", "pc", "-m", "16", "-no-user-config", "-nodefaults"]
        argv += ["-display", "none", "-no-reboot", "-debugcon", "stdio"]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        argv += ["-drive", f"file={disk},format=raw,if=floppy,readonly=on"]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False, cwd="/"
            )
        except FileNotFoundError:
            return Trial(Outcome.NO_QEMU, f"{qemu} is not installed")
        except subprocess.TimeoutExpired as late:
            return Trial(Outcome.HUNG, (late.stderr or b"").decode(errors="replace").strip())
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == EXIT_STATUS and PRINTED in done.stdout:
        return Trial(Outcome.RAN, said)
    return Trial(Outcome.REFUSED, said or f"QEMU ended with {done.returncode}")


def kvm_runs_guests() -> bool:
    """Whether desktops of this host can run under KVM. Takes `TIMEOUT_S` at most."""
    return DEVICE.exists() and attempt().outcome is Outcome.RAN
