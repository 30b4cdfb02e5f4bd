"""When a host counts as short of memory."""

from __future__ import annotations

from frazil.server.density import pressure
from frazil.server.density.pressure import Memory, judge, reserve_mib, stalled


def memory(available_mib: int, waited: float | None = 0.0) -> Memory:
    return Memory(total_mib=16384, available_mib=available_mib, stalled=waited)


def test_it_is_short_from_half_of_its_reserve_and_until_three_quarters() -> None:
    reserve = reserve_mib(16384)
    assert reserve == 1024
    assert not judge(memory(512), before=False)
    assert "511 MiB are left" in judge(memory(511), before=False)
    assert judge(memory(767), before=True)
    assert not judge(memory(768), before=True)


def test_it_is_short_when_its_programs_wait_for_memory() -> None:
    assert not judge(memory(9000, 9.0), before=False)
    assert "in 10 of 100 seconds" in judge(memory(9000, 10.4), before=False)
    assert judge(memory(9000, 4.0), before=True)
    assert not judge(memory(9000, 2.0), before=True)
    assert not judge(memory(9000, None), before=True)


def test_psi_is_read() -> None:
    text = "some avg10=1.00 avg60=0 avg300=0 total=1\nfull avg10=12.34 avg60=0.00 avg300=0.00 total=99\n"
    assert stalled(text) == 12.34
    assert stalled("some avg10=1.00 avg60=0 avg300=0 total=1\n") is None


def test_this_host_can_be_read() -> None:
    now = pressure.read()
    assert 0 < now.available_mib <= now.total_mib
