"""The supervisor's keeper, with real child processes: short Python programs in place of the three."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from frazil.cli.supervisor import child as module
from frazil.cli.supervisor import precedence
from frazil.cli.supervisor.child import Child
from frazil.cli.supervisor.code import for_root
from frazil.cli.supervisor.keeper import Keeper
from frazil.model.errors import HostError
from frazil.runtime import SystemClock

READY_THEN_WAIT = "import os, sys, signal\nos.write(int(sys.argv[1]), b'.')\nsignal.pause()"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY_THEN_WAIT}"
DIES = "import sys\nprint('I can not', flush=True)\nsys.exit(3)"
NEVER_READY = "import signal\nsignal.pause()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Child):
    """A child that runs a script instead of one of ours."""

    script: str = field(default="")

    def argv(self, ready_fd: int) -> list[str]:
        return [sys.executable, "-c", self.script, str(ready_fd)]


def _child(tmp_path: Path, name: str, script: str) -> Script:
    return Script(name=name, prefix=(), code=for_root(), log=tmp_path / f"{name}.log", script=script)


def _keeper(*children: Script, said: list[str], environment: Mapping[str, str] | None = None) -> Keeper:
    return Keeper(
        children,
        clock=SystemClock(),
        say=said.append,
        environment=environment or os.environ,
        ready_timeout_s=5,
        logs_every_s=0.05,
        back_off_s=(0.01,),
    )


async def _until(condition: object, *, timeout_s: float = 10) -> None:
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_all_become_ready_and_stop(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = _keeper(*(_child(tmp_path, name, READY_THEN_WAIT) for name in ("a", "b", "c")), said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(keeper.run())
        await keeper.all_ready()
        pids = dict(keeper.pids)
        assert set(pids) == {"a", "b", "c"}
        assert all(os.getsid(pid) != os.getsid(0) for pid in pids.values()), "Ctrl-C must not reach them"
        keeper.stop()
        await running
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert said == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may")
async def test_who_goes_ahead_does_so_after_its_death_too(tmp_path: Path) -> None:
    said: list[str] = []
    ahead = Script(name="a", prefix=(), code=for_root(), log=tmp_path / "a.log", script=READY_THEN_WAIT, ahead=True)
    keeper = _keeper(ahead, _child(tmp_path, "b", READY_THEN_WAIT), said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(keeper.run())
        await keeper.all_ready()
        first = keeper.pids["a"]
        assert os.getpriority(os.PRIO_PROCESS, first) == precedence.NICE
        assert os.getpriority(os.PRIO_PROCESS, keeper.pids["b"]) == 0
        os.kill(first, signal.SIGKILL)
        await _until(lambda: "The a is back." in said)
        assert os.getpriority(os.PRIO_PROCESS, keeper.pids["a"]) == precedence.NICE
        autogroup = Path(f"/proc/{keeper.pids['a']}/autogroup")
        if autogroup.exists():
            assert autogroup.read_text().split()[-1] == str(precedence.NICE)
        keeper.stop()
        await running


async def test_where_nobody_may_go_ahead_that_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(precedence, "give", refuse)
    said: list[str] = []
    ahead = Script(name="a", prefix=(), code=for_root(), log=tmp_path / "a.log", script=READY_THEN_WAIT, ahead=True)
    keeper = _keeper(ahead, said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(keeper.run())
        await keeper.all_ready()
        os.kill(keeper.pids["a"], signal.SIGKILL)
        await _until(lambda: "The a is back." in said)
        keeper.stop()
        await running
    assert [word for word in said if "has to wait as desktops do: Operation not permitted." in word] == said[:1]


async def test_a_long_log_is_put_aside_while_its_process_writes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROTATE_AT_BYTES", 1000)
    script = "import os, sys, time\nos.write(int(sys.argv[1]), b'.')\nn = 0\nwhile True:\n"
    script += "    n += 1\n    print(f'line {n:05}', flush=True)\n    time.sleep(0.001)"
    child = _child(tmp_path, "a", script)
    aside = tmp_path / "a.log.1"
    said: list[str] = []
    keeper = _keeper(child, said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        await keeper.all_ready()
        await _until(aside.exists)
        first = aside.read_bytes()
        await _until(lambda: aside.read_bytes() not in (b"", first))
        keeper.stop()
    assert said == []
    assert aside.stat().st_mode & 0o777 == 0o640
    for log in (aside, child.log):
        data = log.read_bytes()
        assert b"\0" not in data, "the process writes on where the file ends"
        assert all(len(line) == len("line 00001") for line in data.decode().splitlines())
    assert aside.stat().st_size <= 2000, "its end, and what came while it was copied"


async def test_a_log_that_can_not_be_shortened_stays_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROTATE_AT_BYTES", 1000)
    child = _child(tmp_path, "a", f"print('x' * 2000, flush=True)\n{READY_THEN_WAIT}")
    (tmp_path / "a.log.1").mkdir()
    said: list[str] = []
    keeper = _keeper(child, said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        await _until(lambda: said)
        keeper.stop()
    assert "a.log is long and can't be shortened: Is a directory." in said[0]
    assert child.log.stat().st_size == 2001


async def test_a_killed_one_comes_back_alone(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = _keeper(_child(tmp_path, "a", READY_THEN_WAIT), _child(tmp_path, "b", READY_THEN_WAIT), said=said)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        await keeper.all_ready()
        before = dict(keeper.pids)
        os.kill(before["a"], signal.SIGKILL)
        await _until(lambda: "The a is back." in said)
        assert keeper.pids["a"] != before["a"]
        assert keeper.pids["b"] == before["b"]
        keeper.stop()
    assert "was killed by SIGKILL; starting it again" in said[0]


async def test_one_that_never_starts_ends_it_all_with_its_last_words(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = _keeper(_child(tmp_path, "a", READY_THEN_WAIT), _child(tmp_path, "b", DIES), said=said)
    with pytest.raises(HostError) as failed:
        async with asyncio.timeout(20):
            await keeper.run()
    assert "The b does not start: it ended with 3" in failed.value.what
    assert "I can not" in failed.value.what
    assert str(tmp_path / "b.log") in failed.value.remedy
    with pytest.raises(ProcessLookupError):
        os.kill(keeper.pids["a"], 0)


async def test_one_that_hangs_at_its_start_is_ended(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Keeper(
        [_child(tmp_path, "a", NEVER_READY)],
        clock=SystemClock(),
        say=said.append,
        environment=os.environ,
        ready_timeout_s=0.3,
        back_off_s=(0.01,),
    )
    with pytest.raises(HostError, match="was not ready after"):
        async with asyncio.timeout(20):
            await keeper.run()


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    child = Child(name="a", prefix=("/no/such/program",), code=for_root(), log=tmp_path / "a.log")
    keeper = Keeper([child], clock=SystemClock(), say=lambda text: None, environment=os.environ, back_off_s=(0.01,))
    with pytest.raises(HostError, match="can't be started"):
        await keeper.run()


def test_a_failpoint_is_handed_on_once(tmp_path: Path) -> None:
    child = _child(tmp_path, "a", "")
    given = {"PATH": "/bin", "FRAZIL_FAILPOINT": "server.started", "SECRET": "x"}
    assert child.environment(given, first=True)["FRAZIL_FAILPOINT"] == "server.started"
    again = child.environment(given, first=False)
    assert "FRAZIL_FAILPOINT" not in again
    assert "SECRET" not in again
    assert again["PATH"] == "/bin"


def test_the_log_is_not_for_everyone_and_put_aside_when_long(tmp_path: Path) -> None:
    child = _child(tmp_path, "a", "")
    os.close(child.open_log())
    assert child.log.stat().st_mode & 0o007 == 0
    with child.log.open("wb") as file:
        file.truncate(17 << 20)
    os.close(child.open_log())
    assert child.log.stat().st_size == 0
    assert child.log.with_suffix(".log.1").exists()
    child.log.write_text("one\ntwo\n")
    assert child.end_of_log(1) == "two"
