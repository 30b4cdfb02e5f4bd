"""Keep the three processes running: start them, know when they are ready, start a dead one again, stop them all."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence

from frazil.cli.supervisor import precedence
from frazil.cli.supervisor.child import Child
from frazil.model.clock import Clock
from frazil.model.errors import HostError

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_AFTER_S = 60.0
"""A process that lived this long is well again: the next back-off begins anew."""
LOGS_EVERY_S = 3600.0
"""How often it is looked whether a log has grown long."""
FIRST_TRIES = 3
"""A process that never became ready is not tried for ever: something is wrong that a person must see."""


class Keeper:
    """Runs in one event loop, on the main thread: a child dies with the thread that started it."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        clock: Clock,
        say: Callable[[str], None],
        environment: Mapping[str, str],
        ready_timeout_s: float = READY_TIMEOUT_S,
        back_off_s: Sequence[float] = BACK_OFF_S,
        logs_every_s: float = LOGS_EVERY_S,
    ) -> None:
        self._children = children
        self._clock = clock
        self._say = say
        self._environment = environment
        self._ready_timeout_s = ready_timeout_s
        self._back_off_s = back_off_s
        self._logs_every_s = logs_every_s
        self._stop = asyncio.Event()
        self._ready = {child.name: asyncio.Event() for child in children}
        self.pids: dict[str, int] = {}
        self._behind: set[str] = set()

    def stop(self) -> None:
        """Stop all of them; `run` returns when they are gone."""
        self._stop.set()

    async def all_ready(self) -> None:
        """Return when every process has been ready once."""
        for event in self._ready.values():
            await event.wait()

    async def run(self) -> None:
        """Keep them until `stop`. HostError when one of them never comes up."""
        failures: list[HostError] = []
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children:
                    group.create_task(self._keep(child), name=f"keep {child.name}")
                group.create_task(self._shorten_logs(), name="shorten logs")
        except* HostError as failed:
            failures = [error for error in failed.exceptions if isinstance(error, HostError)]
        if failures:
            raise failures[0]

    async def _shorten_logs(self) -> None:
        """Now and then until `stop`. In the loop itself, so that no process is started meanwhile: it is some MiB."""
        while not await _within(self._stop.wait(), self._logs_every_s):
            for child in self._children:
                try:
                    child.shorten_log()
                except OSError as exc:
                    self._say(f"The log {child.log} is long and can't be shortened: {exc.strerror}.")

    async def _keep(self, child: Child) -> None:
        deaths = 0
        while not self._stop.is_set():
            started = self._clock.monotonic_s()
            how = await self._live(child, first=deaths == 0 and not self._ready[child.name].is_set())
            if self._stop.is_set():
                return
            if self._clock.monotonic_s() - started > SETTLED_AFTER_S:
                deaths = 0
            deaths += 1
            if deaths >= FIRST_TRIES and not self._ready[child.name].is_set():
                raise HostError(
                    f"The {child.name} does not start: it {how}. Its last words:\n{child.end_of_log()}",
                    remedy=f"Its log is {child.log}; see also: frazil doctor",
                )
            delay = self._back_off_s[min(deaths, len(self._back_off_s)) - 1]
            self._say(f"The {child.name} {how}; starting it again in {delay:g} s. Its log: {child.log}")
            await _within(self._stop.wait(), delay)

    async def _live(self, child: Child, *, first: bool) -> str:
        """One life of a process, from its start to its end; how it ended, in words."""
        reader, writer = os.pipe()
        log = child.open_log()
        try:
            process = await asyncio.create_subprocess_exec(
                *child.argv(writer),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child.environment(self._environment, first=first),
                pass_fds=(writer,),
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
                cwd="/",
                umask=child.umask,
            )
        except OSError as exc:
            os.close(reader)
            return f"can't be started ({exc.strerror}: {exc.filename})"
        finally:
            os.close(writer)
            os.close(log)
        self.pids[child.name] = process.pid
        if child.ahead:
            self._put_ahead(child, process.pid)
        try:
            return await self._watch(child, process, reader, again=self._ready[child.name].is_set())
        finally:
            os.close(reader)
            await self._end(process)

    def _put_ahead(self, child: Child, pid: int) -> None:
        try:
            precedence.give(pid)
        except ProcessLookupError:
            return  # it is gone already, which is told by who waits for it
        except OSError as exc:
            if child.name not in self._behind:
                self._behind.add(child.name)
                self._say(f"On a busy host the {child.name} has to wait as desktops do: {exc.strerror}.")

    async def _watch(self, child: Child, process: asyncio.subprocess.Process, reader: int, *, again: bool) -> str:
        exited = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stop.wait())
        ready = asyncio.ensure_future(_a_byte(reader))
        try:
            await asyncio.wait(
                (exited, stopping, ready), timeout=self._ready_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ready.done() and ready.result():
                self._ready[child.name].set()
                if again:
                    self._say(f"The {child.name} is back.")
            elif not exited.done() and not stopping.done() and not ready.done():
                return f"was not ready after {self._ready_timeout_s:g} s"
            await asyncio.wait((exited, stopping), return_when=asyncio.FIRST_COMPLETED)
            return _ended(exited.result()) if exited.done() else "was stopped"
        finally:
            for task in (exited, stopping, ready):
                task.cancel()
            await asyncio.gather(exited, stopping, ready, return_exceptions=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Have it gone: asked first, then killed."""
        if process.returncode is not None:
            return
        process.terminate()
        if not await _within(process.wait(), STOP_TIMEOUT_S):
            process.kill()
            await process.wait()


async def _a_byte(descriptor: int) -> bool:
    """Wait until the other end wrote (True) or closed (False)."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return bool(os.read(descriptor, 1))


async def _within(wait: Awaitable[object], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return False
    return True


def _ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
