"""Where a desktop can't be weighed nothing fails; where libvirtd was away it is to be done again."""

from __future__ import annotations

from collections.abc import Callable

import libvirt
import pytest

from frazil.server.hypervisor import precedence


class Refusing:
    """A domain of a libvirt that can't do it now."""

    def __init__(self, code: int, domain: int) -> None:
        self._why = libvirt.libvirtError("refused")
        self._why.err = (code, domain, "refused", libvirt.VIR_ERR_ERROR, None, None, None, -1, -1)

    def name(self) -> str:
        return "frazil-any"

    def setSchedulerParametersFlags(self, parameters: dict[str, int], flags: int) -> None:
        raise self._why


@pytest.mark.parametrize("do", [precedence.give, precedence.end])
def test_a_host_without_cpu_cgroups_has_equals_only(do: Callable[[object], None]) -> None:
    do(Refusing(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU))


@pytest.mark.parametrize("do", [precedence.give, precedence.end])
def test_a_lost_connection_is_not_taken_for_that(do: Callable[[object], None]) -> None:
    with pytest.raises(libvirt.libvirtError):
        do(Refusing(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC))
