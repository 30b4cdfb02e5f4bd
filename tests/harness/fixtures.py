"""The stacks that tests share. Import what is used into a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One real stack for all tests that break nothing."""
    with Stack() as made:
        yield made.start()


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A real stack that a test may break; not started."""
    with Stack() as made:
        yield made


@pytest.fixture
def fake_stack() -> Iterator[Stack]:
    """A stack on the hypervisor of files; not started."""
    with Stack(fake=True) as made:
        yield made
