"""Options and fixtures that the whole suite shares."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from frazil.cli.libvirtd import ensure_running
from frazil.settings import Settings
from tests.harness import postgresql as server
from tests.harness.postgresql import PostgreSQL

# How long an example takes is the machine's load as much as the code's doing; pytest-timeout ends what hangs.
# Where a change is judged, the examples are always the same: what it did not cause must not refuse it. New ones are
# looked for by everybody else.
hypothesis.settings.register_profile(
    "loaded",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("loaded")

TOGETHER = ("tests/e2e/", "tests/integration/server/")
"""Where tests share what takes a minute to make: the stack, and the lab. Each place is one process's."""
LAST = "tests/unit/"
"""Thousands of tests in files that take seconds each: neither process waits long for the other's last one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-output", action="store_true", help="write golden files anew; read the diff before committing"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes run tests side by side: what is longest begins, and what is shortest ends."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, bool, bool]:
    real = item.get_closest_marker("real") is not None
    return _together(item.nodeid) not in TOGETHER, not real, item.nodeid.startswith(LAST)


def _together(nodeid: str) -> str:
    """What one process runs as a whole: a place of `TOGETHER`, or the test's file."""
    return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid.partition("::")[0])


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]
    """pytest-xdist's own way by groups, as of 3.8, does nothing with pytest 9.2, which has other node ids within."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByPlace:
    return ByPlace(config, log)


@pytest.fixture
def place() -> Iterator[Path]:
    """An own directory that every user can enter and whose name is short enough for UNIX sockets (107 bytes).

    pytest's `tmp_path` is neither: it is its owner's alone, and QEMU and the unprivileged processes are others.
    """
    path = Path(tempfile.mkdtemp(prefix="frazil-", dir="/var/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def make_settings(place: Path, free_port: int) -> Callable[[], Settings]:
    """Makes the settings of an installation of its own, beside every other one on this machine."""

    def make() -> Settings:
        return Settings(
            state_dir=place / "state",
            run_dir=place / "run",
            log_dir=place / "log",
            listen=f"127.0.0.1:{free_port}",
        )

    return make


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for all tests that do not stop it."""
    if not server.installed():
        pytest.skip("PostgreSQL is not installed; `make test` installs it")
    with PostgreSQL() as made:
        yield made


@pytest.fixture(scope="session")
def libvirtd() -> None:
    """The machine's own libvirtd runs, started as `frazil up` starts it."""
    subprocess.run([sys.executable, "-m", "frazil.cli.main", "doctor", "--mend"], check=False, timeout=300)
    ensure_running(uri="qemu:///system")
