"""`frazil up` with two controllers on PostgreSQL: the real processes, on the hypervisor of files."""

from __future__ import annotations

import signal
import time

import pytest

from frazil.model.errors import FrazilError
from frazil.wire.rest import SessionRequest
from tests.fakes.hypervisor import STARTS
from tests.harness.postgresql import PostgreSQL
from tests.harness.processes import command, descendants, end
from tests.harness.stack import Stack
from tests.harness.waiting import until

TAKEOVER_S = 10.0


def _controllers(stack: Stack) -> list[int]:
    """Process ids, the first one's first."""
    words = {pid: command(pid) for pid in descendants(stack.supervisor)}
    found = [pid for pid, said in words.items() if said[1:2] == ["-m"] and said[3:4] == ["controller"]]
    return sorted(found, key=lambda pid: "--number" in words[pid])


@pytest.mark.parametrize("which", [0, 1])
def test_a_controller_that_is_killed_is_not_missed(postgresql: PostgreSQL, which: int) -> None:
    with Stack(fake=True, controllers=2, database_url=postgresql.database()) as stack:
        stack.start()
        pool = stack.pool("desk", image=stack.empty_image().name, spares=2)
        stack.desktops(pool, count=2)
        ann = stack.user("ann")
        stack.root.grant(pool, "ann")
        victim = _controllers(stack)[which]
        end(victim, signal.SIGKILL)
        died_s = time.monotonic()
        opened = until(
            lambda: ann.client.open_session(SessionRequest(pool=pool)),
            "somebody answers",
            not_yet=(FrazilError,),
            timeout_s=TAKEOVER_S,
        )
        assert opened is not None
        assert opened.ticket is not None, "a spare is given out, whoever leads"

        starts = stack.hypervisor_dir / STARTS
        until(lambda: len(set(starts.read_text().split())) == 3, "the spare is replaced", timeout_s=TAKEOVER_S)
        assert time.monotonic() - died_s < 2 * TAKEOVER_S
        until(lambda: len(_controllers(stack)) == 2 and victim not in _controllers(stack), "it is started again")
        done = stack.frazil("host", "list")
        assert done.returncode == 0, done.stderr
