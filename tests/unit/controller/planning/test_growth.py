"""A plan for many desktops costs no more for each of them than one for few."""

from __future__ import annotations

import time

from frazil.controller.planning import Facts, plan
from tests.unit.controller.planning.build import NOW, desktop, host, pool

TIMES = 3
FEW, MANY, POOL = 500, 5000, 500


def _installation(desktops: int) -> Facts:
    """All spares of a quiet installation, but for one that was given away."""
    hosts = [f"h{number}" for number in range(desktops // 20)]
    pools = desktops // POOL
    return Facts(
        now=NOW,
        hosts={id: host(id) for id in hosts},
        pools=tuple(pool(f"p{number}", spares=POOL, max_desktops=POOL + 1) for number in range(pools)),
        desktops=tuple(
            desktop(f"d{n}", host_id=hosts[n % len(hosts)], pool_id=f"p{n % pools}", assigned=n == 0)
            for n in range(desktops)
        ),
    )


def _cpu_s(facts: Facts) -> float:
    """The least of some: what else the machine does only adds to it."""
    took_s = []
    for _ in range(TIMES):
        began_s = time.thread_time()
        plan(facts)
        took_s.append(time.thread_time() - began_s)
    return min(took_s)


def test_one_change_among_many_is_planned_in_proportion() -> None:
    few, many = _cpu_s(_installation(FEW)), _cpu_s(_installation(MANY))
    assert many <= 2 * (MANY / FEW) * few
