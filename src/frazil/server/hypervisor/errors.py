"""libvirt's errors in our words: one table, used at the adapter's edge only."""

from __future__ import annotations

import libvirt

from frazil.model.errors import Conflict, FrazilError, GuestSilent, HostError, NotFound, OutOfSpace, Unavailable

_CONNECTION_LOST = {
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
}
_AGENT = {
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
}


def connection_lost(error: libvirt.libvirtError) -> bool:
    """Whether this says that libvirtd is away, and so nothing of any domain."""
    code, domain = error.get_error_code(), error.get_error_domain()
    if code in _CONNECTION_LOST:
        return True
    # A socket that breaks in the middle of a call comes as a system error of the RPC layer; one that a keepalive gave
    # up, or that is found closed, as an internal error of it (libvirt: src/rpc/virnetclient.c).
    if domain == libvirt.VIR_FROM_RPC and code == libvirt.VIR_ERR_INTERNAL_ERROR:
        return True
    return domain in (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE) and code == libvirt.VIR_ERR_SYSTEM_ERROR


def domain_ended(error: libvirt.libvirtError) -> bool:
    """Whether this says that a domain's QEMU ended while something was done to it.

    Until libvirt has taken that in, it says that it can't talk to QEMU's monitor (libvirt: src/qemu/qemu_monitor.c).
    """
    code, said = error.get_error_code(), error.get_error_message() or ""
    if code in (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR):
        return error.get_error_domain() == libvirt.VIR_FROM_QEMU and "monitor" in said
    return code in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)


def translated(error: libvirt.libvirtError, *, doing: str) -> FrazilError:
    """The error of ours that means the same. `doing` says what was tried, as in "start desktop X"."""
    code = error.get_error_code()
    said = (error.get_error_message() or "no reason given").rstrip(".")
    if connection_lost(error):
        return Unavailable(
            f"The hypervisor could not be reached to {doing}: {said}.",
            remedy="See that libvirtd runs (frazil doctor).",
        )
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return NotFound(f"There is no such desktop to {doing}.")
    if code in _AGENT:
        return GuestSilent(f"The guest agent did not answer to {doing}: {said}.")
    if code in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_DOM_EXIST):
        return Conflict(f"The hypervisor refused to {doing}: {said}.")
    if "No space left" in said or "Cannot allocate memory" in said:
        return OutOfSpace(f"This host has no room left to {doing}: {said}.", remedy="Free some, or add a host.")
    return HostError(f"The hypervisor failed to {doing}: {said}.")
