"""What may be done to a simulated installation, in any order: hypothesis looks for one that harms it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RULE_MARKER, RuleBasedStateMachine, initialize, invariant, rule

from frazil.controller.services.desktops import RIGHT_TO, Action
from tests.harness.simulation.database import Databases
from tests.harness.simulation.doings import PEOPLE, POOLS, Doings

Begin = Callable[[int], Doings]
"""A new installation of this seed."""
Finds = Callable[[str, str], None]
"""Looks for what is called so, with these rules only."""

PASSED_S = st.sampled_from([0.0, 0.003, 0.02, 0.2, 2.0, 12.0, 45.0])
"""How long nothing else is done."""
DIES = st.sampled_from([None, None, None, 1, 2, 3, 4, 6, 9, 14])
"""At which point from then on the controller dies."""
WHO = st.sampled_from(PEOPLE)
POOL = st.sampled_from(sorted(POOLS))
NTH = st.integers(0, 11)
EDITS = st.sampled_from(
    [{"spares": 0}, {"spares": 3}, {"max_desktops": 2}, {"max_desktops": 6}, {"max_sessions": 1}, {"max_sessions": 0}]
)
QUOTAS = st.sampled_from([{"desktops": 1}, {"desktops": 3}, {"vcpus": 1}, {"vcpus": 0}, {"sessions": 1}])
HOST = st.integers(0, 2)
ACTIONS: list[Action] = sorted(RIGHT_TO)
AFFLICTIONS = ["cut off", "libvirt_away", "mute", "power lost", "server ended", "slow", "starts_nothing"]


def beginning(databases: Databases) -> Begin:
    return lambda seed: Doings(databases.emptied(), seed=seed)


def machine(begin: Begin, *, only: str = "") -> type[Crashes]:
    """The machine, of installations that are begun so; `only`: with these rules, where any are named."""
    left_out = set(RULES) - {*only.split(), "wait"} if only else set()
    return type("Crashes", (Crashes,), {"simulated": staticmethod(begin), **dict.fromkeys(left_out)})


class Crashes(RuleBasedStateMachine):
    """A failure is told as lines that make a test of their own in `test_found`."""

    simulated: Begin

    def __init__(self) -> None:
        super().__init__()
        self.it: Doings | None = None

    @initialize(seed=st.integers(0, 1 << 16))
    def begin(self, seed: int) -> None:
        self.it = type(self).simulated(seed)
        self.it.begin()

    @property
    def at(self) -> Doings:
        assert self.it is not None
        return self.it

    def die(self, points: int | None) -> None:
        if points is not None:
            self.at.crash_in(points)

    @rule(who=WHO, pool=POOL, dies=DIES, then_s=PASSED_S)
    def open(self, who: str, pool: str, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.open(who, pool)
        self.at.pass_s(then_s)

    @rule(nth=NTH, dies=DIES, then_s=PASSED_S)
    def leave(self, nth: int, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.leave(nth)
        self.at.pass_s(then_s)

    @rule(nth=NTH, connected=st.booleans(), dies=DIES, then_s=PASSED_S)
    def connect(self, nth: int, connected: bool, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.connect(nth, connected=connected)
        self.at.pass_s(then_s)

    @rule(nth=NTH, out=st.booleans(), then_s=PASSED_S)
    def inside(self, nth: int, out: bool, then_s: float) -> None:
        self.at.inside(nth, "sign out" if out else "shut down")
        self.at.pass_s(then_s)

    @rule(nth=NTH, action=st.sampled_from(ACTIONS), dies=DIES, then_s=PASSED_S)
    def act(self, nth: int, action: Action, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.act(nth, action)
        self.at.pass_s(then_s)

    @rule(nth=NTH, dies=DIES, then_s=PASSED_S)
    def restore(self, nth: int, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.restore(nth)
        self.at.pass_s(then_s)

    @rule(pool=POOL, values=EDITS, dies=DIES, then_s=PASSED_S)
    def edit(self, pool: str, values: dict[str, int], dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.edit(pool, **values)
        self.at.pass_s(then_s)

    @rule(pool=POOL, for_good=st.booleans(), dies=DIES, then_s=PASSED_S)
    def delete_pool(self, pool: str, for_good: bool, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.delete_pool(pool, for_good=for_good)
        self.at.pass_s(then_s)

    @rule(pool=POOL, dies=DIES, then_s=PASSED_S)
    def make_pool(self, pool: str, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.make_pool(pool)
        self.at.pass_s(then_s)

    @rule(
        who=WHO,
        values=QUOTAS,
        then_s=PASSED_S,
    )
    def quota(self, who: str, values: dict[str, int], then_s: float) -> None:
        self.at.quota(who, **values)
        self.at.pass_s(then_s)

    @rule(who=WHO, pool=POOL, dies=DIES, then_s=PASSED_S)
    def assign(self, who: str, pool: str, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.assign(who, pool)
        self.at.pass_s(then_s)

    @rule(host=HOST, maintenance=st.booleans(), dies=DIES, then_s=PASSED_S)
    def maintain(self, host: int, maintenance: bool, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.maintain(host, maintenance=maintenance)
        self.at.pass_s(then_s)

    @rule(host=HOST, what=st.sampled_from(AFFLICTIONS), on=st.booleans(), then_s=PASSED_S)
    def afflict(self, host: int, what: str, on: bool, then_s: float) -> None:
        self.at.afflict(host, what, on=on)
        self.at.pass_s(then_s)

    @rule(host=HOST, then_s=PASSED_S)
    def stray(self, host: int, then_s: float) -> None:
        self.at.stray(host)
        self.at.pass_s(then_s)

    @rule(who=WHO, dies=DIES, then_s=PASSED_S)
    def dismiss(self, who: str, dies: int | None, then_s: float) -> None:
        self.die(dies)
        self.at.dismiss(who)
        self.at.pass_s(then_s)

    @rule(pool=POOL, may=st.booleans(), then_s=PASSED_S)
    def entitle(self, pool: str, may: bool, then_s: float) -> None:
        self.at.entitle(pool, may=may)
        self.at.pass_s(then_s)

    @rule(ahead_s=st.sampled_from([-4000.0, 0.0, 4000.0]), host=st.none() | HOST, then_s=PASSED_S)
    def set_clock(self, ahead_s: float, host: int | None, then_s: float) -> None:
        self.at.set_clock(ahead_s, host=host)
        self.at.pass_s(then_s)

    @rule(then_s=PASSED_S)
    def back_up(self, then_s: float) -> None:
        self.at.back_up()
        self.at.pass_s(then_s)

    @rule(then_s=PASSED_S)
    def restore_backup(self, then_s: float) -> None:
        self.at.restore_backup()
        self.at.pass_s(then_s)

    @rule(points=st.integers(1, 30), then_s=PASSED_S)
    def crash(self, points: int, then_s: float) -> None:
        self.at.crash_in(points)
        self.at.pass_s(then_s)

    @rule(seconds=st.sampled_from([70.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.at.pass_s(seconds)

    @invariant()
    def nothing_is_wrong(self) -> None:
        if self.it is not None:
            self.it.check()

    def teardown(self) -> None:
        if self.it is not None:
            try:
                self.it.end()
            finally:
                self.it.close()


RULES = [name for name, part in vars(Crashes).items() if hasattr(part, RULE_MARKER)]
