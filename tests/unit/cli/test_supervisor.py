"""What `frazil up` prepares: directories, users, the lock, code that others can read."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.cli import output
from frazil.cli.doctor import Finding, Level
from frazil.cli.supervisor import code, lock, places
from frazil.cli.supervisor.accounts import Account, Accounts
from frazil.cli.supervisor.child import children
from frazil.cli.supervisor.up import hindrances
from frazil.model.errors import Conflict, HostError
from frazil.runtime import SystemIds
from frazil.settings import Settings

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
NOBODY = Account("nobody", 65534, 65534)
DAEMON = Account("daemon", 1, 1)
ACCOUNTS = Accounts(controller=DAEMON, gateway=NOBODY)


@pytest.fixture
def settings() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="frazil-test-") as name:
        base = Path(name)
        base.chmod(0o755)
        yield Settings(state_dir=base / "state", run_dir=base / "run", log_dir=base / "log", cache_dir=base / "cache")


def _may(account: Account, test: str, path: Path) -> bool:
    done = subprocess.run(
        ["test", test, str(path)], user=account.uid, group=account.gid, extra_groups=[], check=False, cwd="/"
    )
    return done.returncode == 0


@needs_root
def test_who_may_enter_which_directory(settings: Settings) -> None:
    places.prepare(settings, ACCOUNTS)
    places.prepare(settings, ACCOUNTS)  # a second start changes nothing
    for path in (settings.public_socket, settings.internal_socket):
        assert _may(DAEMON, "-w", path.parent), "the controller makes its sockets"
        assert _may(NOBODY, "-x", path.parent), "the gateway reaches them"
        assert not _may(NOBODY, "-w", path.parent)
    for path in (settings.hosts_socket, settings.local_socket, settings.controller_dir / "x"):
        assert not _may(NOBODY, "-x", path.parent)
    assert _may(NOBODY, "-x", settings.display_socket.parent)
    assert not _may(DAEMON, "-x", settings.display_socket.parent)
    assert not _may(DAEMON, "-r", settings.tls_dir)
    assert _may(NOBODY, "-x", settings.images_dir), "QEMU's user passes through"
    assert not _may(NOBODY, "-r", settings.images_dir)
    assert not _may(NOBODY, "-x", settings.incoming_dir)
    made = settings.public_socket.parent / "a-socket"
    made.touch()
    assert made.stat().st_gid == NOBODY.gid, "sockets take the directory's group"


@needs_root
def test_directories_without_their_mode_are_an_error(settings: Settings) -> None:
    script = (
        "from pathlib import Path; from frazil.settings import Settings; from frazil.cli.supervisor import places\n"
        "from tests.unit.cli.test_supervisor import ACCOUNTS\n"
        f"base = Path({str(settings.state_dir.parent)!r})\n"
        "places.prepare(Settings(state_dir=base / 'state', run_dir=base / 'run', log_dir=base / 'log',"
        " cache_dir=base / 'cache'), ACCOUNTS)"
    )
    rights = "-all,+chown,+dac_override,+fowner"  # but not fsetid, without which set-group-id is dropped silently
    argv = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "got the mode 750 and not 2750" in done.stderr


@pytest.mark.parametrize(("check", "has_desktops", "stops"), [
    ("memory", False, True), ("memory", True, False), ("disk", True, False), ("qemu", True, True),
])  # fmt: skip
def test_a_host_that_its_own_desktops_fill_is_started_again(check: str, has_desktops: bool, stops: bool) -> None:
    found = [Finding(check=check, level=Level.FAILED, what="x"), Finding(check="port", level=Level.WARNING, what="y")]
    assert hindrances(found, has_desktops=has_desktops) == (found[:1] if stops else [])


def test_a_terminal_that_has_hung_up_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class HungUp(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", HungUp())
    output.say("nobody hears this")


@needs_root
def test_a_link_in_place_of_a_directory_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.state_dir.symlink_to(tmp_path)
    with pytest.raises(HostError, match="symbolic link"):
        places.prepare(settings, ACCOUNTS)


def test_the_installation_keeps_its_id(settings: Settings) -> None:
    settings.state_dir.mkdir()
    first = places.ensure_installation(settings, ids=SystemIds())
    assert places.ensure_installation(settings, ids=SystemIds()) == first
    held = json.loads(settings.installation_file.read_text())
    assert held["installation_id"] == first
    assert held["host_id"] != first
    assert stat.S_IMODE(settings.installation_file.stat().st_mode) == 0o644
    settings.installation_file.write_text("half")
    with pytest.raises(HostError, match="can't be read"):
        places.ensure_installation(settings, ids=SystemIds())


def test_one_up_at_a_time(settings: Settings) -> None:
    assert lock.holder(settings) is None
    with lock.held(settings):
        assert lock.holder(settings) == os.getpid()
        with pytest.raises(Conflict, match=f"process {os.getpid()}"), lock.held(settings):
            pass
    assert lock.holder(settings) is None


def test_a_process_is_ended_and_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        assert lock.end(child.pid, timeout_s=10)
    finally:
        child.wait(timeout=10)
    assert lock.end(child.pid, timeout_s=1), "one that is gone is gone"


def test_code_in_a_closed_home_is_not_open_to_all(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    (closed / "src").mkdir()
    assert not code.open_to_all(closed / "src")
    assert code.open_to_all(Path("/usr/bin/python3"))


@needs_root
def test_a_copy_of_the_code_runs_as_somebody_else(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.state_dir.mkdir(mode=0o755)
    monkeypatch.setattr(code, "open_to_all", lambda path: False)
    copy = code.for_others(settings.state_dir)
    assert copy.path
    done = subprocess.run(
        [str(copy.python), "-c", "import frazil.controller, pydantic; print(frazil.__file__)"],
        user=NOBODY.uid,
        group=NOBODY.gid,
        extra_groups=[],
        env={"PYTHONPATH": copy.path},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(settings.state_dir))
    assert code.for_others(settings.state_dir) == copy, "the libraries are not copied again"


def test_controller_and_gateway_keep_nothing_of_root(settings: Settings) -> None:
    by_name = {c.name: c for c in children(settings, ACCOUNTS, own=code.for_root(), others=code.for_root())}
    for name, account in (("controller", DAEMON), ("gateway", NOBODY)):
        argv = by_name[name].argv(7)
        assert argv[argv.index("--reuid") + 1] == str(account.uid)
        assert "--no-new-privs" in argv
        assert "--bounding-set=-all" in argv
        assert argv[-3:] == [name, "--ready-fd", "7"]
    assert "--reuid" not in by_name["server"].argv(7)


@needs_root
def test_setpriv_takes_all_rights_and_leaves_the_one_for_low_ports() -> None:
    low = Settings(listen="0.0.0.0:443")
    gateway = children(low, ACCOUNTS, own=code.for_root(), others=code.for_root())[2]
    done = subprocess.run(
        [*gateway.prefix, "--", "cat", "/proc/self/status"], capture_output=True, text=True, check=True
    )
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert status["CapEff"] == status["CapBnd"] == f"{1 << 10:016x}", "CAP_NET_BIND_SERVICE is bit 10"
    assert status["Uid"].split() == ["65534"] * 4
    assert status["NoNewPrivs"] == "1"
