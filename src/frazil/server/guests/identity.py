"""What makes a fork a machine of its own: all of it in one call of the guest service, nothing of it in an argument.

What can't differ is the kernel's boot id, and the address layout of processes that crossed the freeze
(docs/explanation/forks.md).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from frazil.model.clock import Clock

CALL = "identify"
CLOCK_CALL = "set_clock"
ENTROPY_BYTES = 64


def host_name(name: str) -> str:
    """A desktop's label as a host name (RFC 1123): letters, digits, dashes, at most 63."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return cleaned[:63].rstrip("-") or "desktop"


def identity(*, name: str, clock: Clock, random_bytes: Callable[[int], bytes]) -> dict[str, object]:
    """The arguments of the call, new at each asking.

    time_ns: UTC since 1970. machine_id: 32 hexadecimal digits, version 4 as machine-id(5) has it. entropy: base64,
    to be credited to the guest's random pool. ssh_ed25519: OpenSSH private and public key.
    """
    machine = bytearray(random_bytes(16))
    machine[6] = machine[6] & 0x0F | 0x40
    machine[8] = machine[8] & 0x3F | 0x80
    key = Ed25519PrivateKey.from_private_bytes(random_bytes(32))
    return {
        "hostname": host_name(name),
        "machine_id": machine.hex(),
        "entropy": base64.b64encode(random_bytes(ENTROPY_BYTES)).decode("ascii"),
        "ssh_ed25519": {
            "private": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii"),
            "public": key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii"),
        },
        "time_ns": time_ns(clock),
    }


def time_ns(clock: Clock) -> int:
    """Nanoseconds since 1970, UTC."""
    return int(clock.now().timestamp() * 1e9)
