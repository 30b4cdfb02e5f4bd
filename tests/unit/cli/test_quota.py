"""From options to a change of how much may be used, and how it is shown."""

from __future__ import annotations

from frazil.cli import quota
from frazil.model.quota import Amounts
from frazil.wire.quota import AmountsField


def test_options_leave_what_they_do_not_name_and_none_asks_for_nothing() -> None:
    change = quota.change(desktops=2, vcpus=None, memory_mib=0, sessions=None)
    assert change is not None
    before = Amounts(desktops=1, vcpus=4, memory_mib=512, sessions=3)
    assert change.applied_to(before) == Amounts(desktops=2, vcpus=4, memory_mib=0, sessions=3)
    assert quota.change(desktops=None, vcpus=None, memory_mib=None, sessions=None) is None


def test_what_is_used_is_shown_with_its_limit_where_there_is_one() -> None:
    used = AmountsField(desktops=1, vcpus=2, memory_mib=1024, sessions=1)
    [(_, shown)] = quota.pairs(AmountsField(desktops=2, memory_mib=2048), used)
    assert shown == "1 of at most 2 desktops, 2 vCPU, 1024 of at most 2048 MiB of memory, 1 open sessions"
