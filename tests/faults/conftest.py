"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.installation import Installation
from tests.harness.fixtures import own_stack
from tests.harness.stack import Stack

__all__ = ["installation", "own_stack"]

_GOOD = pytest.StashKey[bool]()


class _Kept:
    """The installation that cases share for as long as each leaves nothing behind."""

    def __init__(self) -> None:
        self._stack: Stack | None = None
        self._installation: Installation | None = None

    def get(self) -> Installation:
        if self._installation is None:
            self._stack = Stack(fake=True)
            self._installation = Installation(self._stack)
        return self._installation

    def drop(self) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = self._installation = None


@pytest.fixture(scope="session")
def _kept() -> Iterator[_Kept]:
    kept = _Kept()
    yield kept
    kept.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[_GOOD] = call.excinfo is None
    return report


@pytest.fixture
def installation(request: pytest.FixtureRequest, _kept: _Kept) -> Iterator[Installation]:
    """One on the hypervisor of files, with nothing in it; a new one after a case that failed."""
    one = _kept.get()
    yield one
    if not request.node.stash.get(_GOOD, False):
        print(one.stack.logs())
        _kept.drop()
