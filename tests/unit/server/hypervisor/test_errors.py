"""What libvirt's errors mean."""

from __future__ import annotations

import libvirt
import pytest

from frazil.model.errors import HostError, Unavailable
from frazil.server.hypervisor.errors import domain_ended, translated


def error(code: int, domain: int, text: str) -> libvirt.libvirtError:
    said = libvirt.libvirtError(text)
    said.err = (code, domain, text, libvirt.VIR_ERR_ERROR, None, None, None, -1, -1)
    return said


@pytest.mark.parametrize(
    ("code", "domain", "text"),
    [
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "connection closed due to keepalive timeout"),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed"),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, "Cannot recv data: Connection reset by peer"),
        (libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_RPC, "no more data"),
    ],
)
def test_a_lost_connection_says_nothing_of_a_desktop(code: int, domain: int, text: str) -> None:
    assert isinstance(translated(error(code, domain, text), doing="look"), Unavailable)


def test_an_internal_error_of_qemus_driver_is_the_hosts() -> None:
    told = translated(error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, "QEMU ended"), doing="start")
    assert type(told) is HostError


@pytest.mark.parametrize(
    ("code", "domain", "text", "ended"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU, "no domain with matching uuid", True),
        (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU, "domain is not running", True),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, "End of file from qemu monitor", True),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_QEMU, "Unable to write to monitor: Broken pipe", True),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU, "change lock (held by monitor=x)", False),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, "unable to execute QEMU command 'cont'", False),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, "Cannot recv data: Connection reset by peer", False),
    ],
)
def test_a_qemu_that_ended_is_told_from_what_else_goes_wrong(code: int, domain: int, text: str, ended: bool) -> None:
    assert domain_ended(error(code, domain, text)) is ended
