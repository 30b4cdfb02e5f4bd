"""A host falls silent, is forgotten, and comes back after all: with the real processes, on the hypervisor of files.

Nothing that it ran is ended by any of it, and what was somebody's is theirs again once it is taken back.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from frazil.model.desktop import Phase
from frazil.model.errors import Conflict
from frazil.wire.rest import QuarantinedThing, SessionRequest
from tests.fakes.hypervisor import STARTS
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [pytest.mark.timeout(420), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]


@contextmanager
def _still(stack: Stack) -> Iterator[None]:
    """The server's process stands still: to the controller its host is gone, and it notices nothing itself."""
    pid = stack.pid("server")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _starts(stack: Stack) -> Counter[str]:
    return Counter((stack.hypervisor_dir / STARTS).read_text().split())


def _domains(stack: Stack) -> set[str]:
    return {file.stem for file in stack.hypervisor_dir.glob("*.json")}


def _say(stack: Stack, *words: str) -> str:
    done = stack.frazil(*words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_a_forgotten_host_that_comes_back_keeps_all_that_it_has_and_persons_get_theirs_back() -> None:
    with Stack(fake=True) as stack:
        stack.start()
        image = stack.empty_image().name
        stack.pool("desk", image=image, spares=1)
        stack.pool("own", image=image, spares=0, kind="persistent", at_sign_out="keep")
        for name in ("ann", "bob"):
            stack.user(name)
            stack.root.grant("own", name)
        ann, bob = (person.client for person in stack.people)
        [spare] = stack.desktops("desk", count=1)
        opened = [one.open_session(SessionRequest(pool="own")).session for one in (ann, bob)]
        anns, bobs = (stack.phase(one.desktop.id, Phase.READY) for one in opened)
        bob.end_session(opened[1].id)
        stack.phase(bobs.id, Phase.STOPPED)
        there, started = _domains(stack), _starts(stack)
        assert there >= {spare.id, anns.id}
        assert bobs.id not in there

        with _still(stack):
            [host] = until(lambda: [one for one in stack.root.hosts() if one.state == "silent"], "the host is silent")

            def refused() -> str:
                with pytest.raises(Conflict) as exc:
                    stack.root.forget_host(stack.root.host(host.id))
                return exc.value.what if "only disk" in exc.value.what else ""

            named = until(refused, "it is said what would be lost", timeout_s=180)
            assert f"{anns.name} (ann), {bobs.name} (bob)" in named
            told = json.loads(_say(stack, "host", "forget", host.name, "--with-desktops", "--json"))
            assert (sorted(told["given_up"]), told["sessions_ended"]) == (sorted([anns.name, bobs.name]), 1)
            assert stack.root.hosts() == []
            assert stack.root.desktops(pool="own") == []

        def strays() -> dict[str | None, QuarantinedThing]:
            found = {one.desktop_id: one for one in stack.root.strays() if one.kind == "disk" and one.image_id}
            return found if found.keys() >= {anns.id, bobs.id} else {}

        found = until(strays, "it is back, and tells of what it has", timeout_s=180)
        assert [one.id for one in stack.root.hosts()] == [host.id]
        assert spare.id not in found, "what is made anew each time is not taken back"
        assert _domains(stack) >= there
        assert all(_starts(stack)[key] == times for key, times in started.items()), "nothing of it was started anew"
        stack.desktops("desk", count=1)

        for desktop, name in ((anns, "ann"), (bobs, "bob")):
            words = ["desktop", "adopt", desktop.id, "--pool", "own", "--json"]
            back = json.loads(_say(stack, *words))
            assert (back["id"], back["name"], back["user_name"]) == (desktop.id, desktop.name, name)
        stack.phase(anns.id, Phase.READY)
        stack.phase(bobs.id, Phase.STOPPED)
        assert ann.open_session(SessionRequest(pool="own")).session.desktop.id == anns.id
        assert bob.open_session(SessionRequest(pool="own")).session.desktop.id == bobs.id
        stack.phase(bobs.id, Phase.READY)
        again = _starts(stack)
        key = "desktop:{}".format
        assert again[key(anns.id)] == started[key(anns.id)], "it ran all the while"
        assert again[key(bobs.id)] == started[key(bobs.id)] + 1
        assert anns.id not in {one.desktop_id for one in stack.root.strays() if one.image_id}
