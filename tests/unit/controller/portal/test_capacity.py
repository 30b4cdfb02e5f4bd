"""How many more desktops of a pool fit, as the pages reckon."""

from __future__ import annotations

import pytest

from frazil.controller.portal.capacity import Limit, room
from frazil.wire.rest import Host
from tests.unit.controller.portal.samples import host, measured_host, pool, room_on


def labelled(one: Host, **labels: str) -> Host:
    return one.model_copy(update={"labels": labels})


IN_ROOM_3 = labelled(measured_host(room_on(2, "memory", 41)), room="3")
ELSEWHERE = labelled(measured_host(), room="4")


@pytest.mark.parametrize(
    ("hosts", "more", "limit"),
    [
        ([IN_ROOM_3], 2, "memory"),
        ([IN_ROOM_3, ELSEWHERE], 2, "memory"),
        ([ELSEWHERE], 0, "labels"),
        ([host(61, up=False)], 0, "hosts"),
        ([], 0, "hosts"),
    ],
)
def test_only_hosts_with_the_labels_that_a_pool_asks_for_count(hosts: list[Host], more: int, limit: Limit) -> None:
    found = room(pool(41), hosts)
    assert (found.more, found.limit) == (more, limit)
