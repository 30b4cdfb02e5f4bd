"""Where each device sits on the PCI buses.

Fixed devices sit on the root bus itself, which saves a root port (and its part of the boot) for each. Everything that
may be plugged later has a root port reserved: the NIC, the person's own volume, two application layers.
"""

from __future__ import annotations

VIDEO = 0x01
DISK = 0x02
SERIAL = 0x03
KEYBOARD = 0x04
TABLET = 0x05
RNG = 0x06
SOUND = 0x07
USB = 0x08
PORTS = 0x10
"""The reserved root ports are functions 0 to 3 of this slot, as PCI buses 1 to 4."""

NIC_BUS = 1
RESERVED_BUSES = (NIC_BUS, 2, 3, 4)


def address(slot: int, *, bus: int = 0) -> dict[str, str]:
    """The attributes of an `<address type='pci'>`."""
    return {
        "type": "pci",
        "domain": "0x0000",
        "bus": f"0x{bus:02x}",
        "slot": f"0x{slot:02x}",
        "function": "0x0",
    }
