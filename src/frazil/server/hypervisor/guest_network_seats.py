"""The seats of the desktops' network: tap, MAC and IPv4 address that belong together, numbered, and made once.

Nothing of a seat depends on who sits on it. So DHCP and the firewall know all of them from the network's making on,
and need not be told of a desktop that comes or goes: there is nothing that a server killed half way could leave
behind. Which seats are taken is known to the kernel alone: those whose tap exists.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from frazil.model.errors import Conflict
from frazil.server.hypervisor.port import Seat

SEATS_MAX = 4094
"""More desktops than a bridge has ports for (1,023); a seat is rarely given to two desktops soon after each other."""


@dataclass(frozen=True, slots=True)
class Seats:
    """All seats of one network; `name` is its bridge's too."""

    name: str
    subnet: ipaddress.IPv4Network

    @property
    def tap_prefix(self) -> str:
        """What the name of each tap on this network begins with; a name has 15 characters at most."""
        return f"fz{self.name[-6:]}-"

    def __len__(self) -> int:
        """All addresses but the network's, the bridge's and the broadcast one."""
        return min(SEATS_MAX, self.subnet.num_addresses - 3)

    def __iter__(self) -> Iterator[Seat]:
        return (self[number] for number in range(1, len(self) + 1))

    def __getitem__(self, number: int) -> Seat:
        """Seat `number`, from 1 on. 52:54:00 is QEMU's prefix; the next byte tells two installations apart."""
        if not 1 <= number <= len(self):
            raise IndexError(number)
        ours = hashlib.sha256(self.name.encode()).digest()[0]
        return Seat(
            network=self.name,
            tap=f"{self.tap_prefix}{number}",
            mac=f"52:54:00:{ours:02x}:{number >> 8:02x}:{number & 0xFF:02x}",
            address=str(self.subnet[number + 1]),
        )

    def choose(self, desktop_id: str, *, taken: Collection[str]) -> Seat:
        """A seat whose tap is not `taken`; Conflict when all are.

        The same one each time for one desktop, unless somebody else sits there: a guest that is started again finds
        its NIC and its address as they were.
        """
        first = int.from_bytes(hashlib.sha256(f"seat:{desktop_id}".encode()).digest()[:8], "big")
        for step in range(len(self)):
            seat = self[(first + step) % len(self) + 1]
            if seat.tap not in taken:
                return seat
        raise Conflict(
            f"All {len(self)} places on the desktops' network of this host are taken.",
            remedy="Set guest_subnet in /etc/frazil/frazil.toml to a larger one and stop this host's desktops once.",
        )
