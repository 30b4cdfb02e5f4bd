"""What the rest of the server may ask of a hypervisor, in our words.

Errors are those of `frazil.model.errors`: Unavailable when the hypervisor can't be reached (nothing is then known of
any desktop), GuestSilent when a guest's agent does not answer, OutOfSpace, HostError otherwise. Every call has
a deadline of its own inside the adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from frazil.model.desktop import Epoch
from frazil.wire.hostlink import Profile


class Role(Enum):
    """What a domain of ours is for."""

    DESKTOP = "desktop"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Labels:
    """What stands on everything that Frazil makes on a host."""

    installation_id: str
    desktop_id: str
    epoch: Epoch
    attempt: int
    pool_id: str
    name: str
    role: Role = Role.DESKTOP


@dataclass(frozen=True, slots=True)
class GuestRam:
    """A guest's memory as a file of exactly its size.

    `private`: a fork, which shares the file's pages until it writes to them, and waits for the frozen device state
    instead of booting. Otherwise the guest writes into the file: a template that is being made.
    """

    path: Path
    private: bool


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """Boot this kernel directly, without a boot loader."""

    kernel: Path
    initrd: Path
    cmdline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A place on the host's network for desktops: tap, MAC and IPv4 address that belong together."""

    network: str
    tap: str
    mac: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPlan:
    """All that a domain is made from.

    `disk` is a qcow2 overlay that is this desktop's own; `keep_disk`: it outlives the domain, so what the guest
    flushes must reach it. `share_memory`: the host may merge its pages with equal ones of other guests.
    """

    labels: Labels
    profile: Profile
    disk: Path
    boot: KernelBoot | None
    kvm: bool
    network: Seat | None
    keep_disk: bool = False
    ram: GuestRam | None = None
    share_memory: bool = True


class DomainState(Enum):
    """What the hypervisor says of a domain."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain that the hypervisor has. `labels` is None when it is not ours: never touch it."""

    name: str
    uuid: str
    state: DomainState
    labels: Labels | None
    guest_socket: Path | None
    io_error: bool = False
    """Paused by QEMU itself, since its disk could not be written (the host's is full, most likely)."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A picture of a display: raw bytes as the hypervisor gives them, with their MIME type."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class GuestExit:
    """How a command in the guest ended."""

    code: int
    stdout: bytes
    stderr: bytes


class Hypervisor(Protocol):
    """One host's hypervisor."""

    async def domains(self) -> list[Domain]:
        """All domains, ours and foreign."""
        ...

    async def find(self, desktop_id: str) -> Domain | None:
        """The domain of this desktop; None when the hypervisor says that there is none."""
        ...

    async def start(self, plan: DomainPlan) -> Domain:
        """Make and start a transient domain. Starting one that runs already is a Conflict."""
        ...

    async def freeze(self, desktop_id: str, state: Path) -> None:
        """Stop a domain with shared RAM for good and write its device state into the new file `state`."""
        ...

    async def fork(self, plan: DomainPlan, state: Path) -> Domain:
        """Make a domain with private RAM, load the frozen device state, and let it run."""
        ...

    async def plug_network(self, plan: DomainPlan) -> None:
        """Plug the plan's NIC into its running domain; nothing happens when it has one already.

        Raises Unavailable when somebody else sits on the seat: try again with another.
        """
        ...

    async def prepare_ram(self, path: Path, size_mib: int) -> None:
        """Make an empty RAM file for the hypervisor's QEMU, all its room set aside. Raises OutOfSpace."""
        ...

    async def shutdown(self, desktop_id: str) -> None:
        """Ask the guest to power off; returns at once."""
        ...

    async def destroy(self, desktop_id: str) -> None:
        """Take the domain's power away; nothing happens when there is none. Refuses what is not ours."""
        ...

    async def pause(self, desktop_id: str) -> None:
        """Stop the vCPUs, and let its QEMU rest."""
        ...

    async def resume(self, desktop_id: str) -> None:
        """Let the vCPUs run, and before those of other desktops until `end_precedence`."""
        ...

    async def end_precedence(self, desktop_id: str) -> None:
        """Have this desktop's vCPUs run as those of all others do; whether they had precedence or not."""
        ...

    async def screenshot(self, desktop_id: str) -> Screenshot:
        """The first display's picture now."""
        ...

    async def open_display(self, desktop_id: str) -> int:
        """A connected SPICE socket's file descriptor, owned by the caller. It is no UNIX socket: `display_pair`."""
        ...

    async def agent_ping(self, desktop_id: str, *, timeout_s: float) -> None:
        """Return when the guest agent answers; GuestSilent when it does not in time."""
        ...

    async def guest_exec(
        self, desktop_id: str, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> GuestExit:
        """Run a command in the guest through its agent and wait for its end."""
        ...

    def subscribe(self, changed: Callable[[str | None], None]) -> None:
        """Call `changed(desktop_id)` in the event loop's thread when a domain changed; None: anything may have."""
        ...


def domain_name(desktop_id: str) -> str:
    """The libvirt name of a desktop's domain: an id, since labels for people are not unique."""
    return f"frazil-{desktop_id}"
