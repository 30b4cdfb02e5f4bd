"""`frazil up`: look at the machine, prepare what the processes need, keep them running, make the first desktop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from dataclasses import dataclass

from frazil.cli import doctor, libvirtd, output
from frazil.cli.doctor import Finding, Level, kvm_trial
from frazil.cli.portal import portal_url
from frazil.cli.supervisor import accounts, code, domains, lock, places
from frazil.cli.supervisor.child import Child, children
from frazil.cli.supervisor.daemon_watch import DaemonWatch
from frazil.cli.supervisor.first_run import FirstRun
from frazil.cli.supervisor.keeper import Keeper
from frazil.cli.supervisor.peers import ensure_peers
from frazil.cli.supervisor.phases import Phases
from frazil.client import Client
from frazil.gateway.tls import ensure_certificates
from frazil.model.clock import Clock, Ids
from frazil.model.errors import Conflict, FrazilError, HostError, Refused
from frazil.settings import Settings

RENEW_EVERY_S = 12 * 3600.0


class Stopping(Exception):
    """Raised in what still waits when Frazil is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """One start on this machine. `first_desktop` makes an image and a pool where there are none."""

    settings: Settings
    clock: Clock
    ids: Ids
    first_desktop: bool
    ready_fd: int | None
    show_link: bool

    def run(self) -> None:
        """Run until told to stop. Raises FrazilError when it can't come up."""
        if os.geteuid() != 0:
            raise Refused("Frazil is started by root.", remedy="sudo frazil up")
        if self.settings.joined_file.exists():
            raise Conflict(
                "This machine is a host of another installation; its controller is elsewhere.",
                remedy="Run its server: frazil server",
            )
        with lock.held(self.settings):
            phases = Phases(clock=self.clock)
            installation_id, kept = self._prepare(phases)
            asyncio.run(self._keep(kept, phases, installation_id))
            self._say_what_runs(installation_id)

    def _prepare(self, phases: Phases) -> tuple[str, list[Child]]:
        """Everything that must be there before the processes start."""
        settings = self.settings
        with phases.of("checks"):
            users = accounts.ensure()
            places.prepare(settings, users)
            installation_id = places.ensure_installation(settings, ids=self.ids)
            checks = doctor.all_checks(settings, clock=self.clock, our_pids=frozenset())
            # KVM's trial takes seconds where it fails: it is made while the processes start
            fast = [check for check in checks if check.name != kvm_trial.NAME]
            findings = doctor.examine(fast, mend=True, say=output.say)
            _warn(findings)
            failed = hindrances(findings, has_desktops=any(settings.desktops_dir.iterdir()))
            if failed:
                mends = "; ".join(finding.mend for finding in failed)
                raise HostError("Frazil can't run here before this is mended.", remedy=f"Try: {mends}")
            libvirtd.ensure_running(uri=settings.libvirt_uri)
        with phases.of("certificate and code"):
            ensure_certificates(settings, clock=self.clock, owner_gid=users.gateway.gid)
            ensure_peers(settings, users, installation_id, clock=self.clock)
            others = code.for_others(settings.state_dir)
        return installation_id, children(settings, users, own=code.for_root(), others=others)

    async def _keep(self, kept: list[Child], phases: Phases, installation_id: str) -> None:
        keeper = Keeper(kept, clock=self.clock, say=output.say, environment=os.environ)
        stopping = threading.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if stopping.is_set():
                return
            stopping.set()
            keeper.stop()
            output.say("\nStopping …")

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
        failure: HostError | None = None
        async with asyncio.TaskGroup() as group:
            trial = group.create_task(
                asyncio.to_thread(doctor.examine, [kvm_trial.check()], mend=False, say=output.say)
            )
            opening = group.create_task(self._open(keeper, stopping, phases, trial))
            watch = DaemonWatch(uri=self.settings.libvirt_uri, say=output.say)
            watching = group.create_task(watch.run())
            renewing = group.create_task(self._renew(installation_id))
            try:
                await keeper.run()
            except HostError as exc:
                failure = exc
            finally:
                stopping.set()  # ends the thread that waits for the first desktop
                opening.cancel()
                watching.cancel()
                renewing.cancel()
        if failure is not None:
            raise failure

    async def _renew(self, installation_id: str) -> None:
        """Have a certificate that lasts, for as long as Frazil runs: the gateway serves a new one by itself."""
        users = accounts.ensure()

        def look() -> None:
            ensure_certificates(self.settings, clock=self.clock, owner_gid=users.gateway.gid)
            ensure_peers(self.settings, users, installation_id, clock=self.clock)

        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await asyncio.to_thread(look)
            except (FrazilError, OSError) as exc:
                output.say(f"The certificate could not be looked after: {exc}")

    async def _open(
        self, keeper: Keeper, stopping: threading.Event, phases: Phases, trial: asyncio.Task[list[Finding]]
    ) -> None:
        """Once all are ready: tell people where the portal is, then see to the first desktop."""
        with phases.of("processes"):
            await keeper.all_ready()
        _warn(await trial)
        output.say(f"Frazil is up after {phases.total_s():.0f} s: {portal_url(self.settings)}")
        # in a thread of its own: it waits for minutes, and ends at the next look once `stopping` is set
        await asyncio.to_thread(self._first_desktop, stopping, phases)

    def _first_desktop(self, stopping: threading.Event, phases: Phases) -> None:
        def pause(seconds: float) -> None:
            if stopping.wait(seconds):
                raise Stopping

        with Client.local(self.settings.local_socket) as client:
            if self.show_link:
                tell_setup_link(client, self.settings)
            if self.ready_fd is not None:
                os.write(self.ready_fd, b"\n")
                os.close(self.ready_fd)
            if self.first_desktop:
                first = FirstRun(
                    settings=self.settings,
                    client=client,
                    clock=self.clock,
                    pause=pause,
                    say=output.say,
                    phase=phases.note,
                )
                with contextlib.suppress(Stopping):
                    first.run()
        try:
            phases.write(self.settings.log_dir / "phases.jsonl")
        except OSError as exc:
            output.say(f"How long each phase took could not be written down: {exc.strerror}.")
        if self.show_link and not stopping.is_set():
            output.say("Ctrl-C stops Frazil and leaves the desktops running; `frazil down` stops them too.")

    def _say_what_runs(self, installation_id: str) -> None:
        try:
            left = domains.ours(self.settings.libvirt_uri, installation_id)
        except FrazilError as exc:
            output.say(f"Stopped. Whether desktops still run is not known: {exc}")
            return
        if left:
            count = f"{len(left)} desktop{'s' if len(left) > 1 else ''}"
            output.say(f"Stopped; {count} still running. The next `frazil up` finds them; `frazil down` stops them.")
        else:
            output.say("Stopped; no desktop is running.")


def hindrances(findings: list[Finding], *, has_desktops: bool) -> list[Finding]:
    """What keeps Frazil from starting. A host that its own desktops fill needs no room for a first one."""
    forgiven = doctor.ROOM if has_desktops else frozenset()
    return [one for one in findings if one.level is Level.FAILED and one.check not in forgiven]


def _warn(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.level is not Level.OK:
            output.say(f"{finding.level.value.capitalize()}: {finding.what} {finding.means}")


def tell_setup_link(client: Client, settings: Settings) -> None:
    """Show the one-time link while there is no administrator; nothing afterwards."""
    try:
        link = client.setup_link()
    except Conflict:
        return
    except FrazilError as exc:
        output.say(f"The set-up link can't be had: {exc} Later: frazil setup-link")
        return
    output.say(f"Make the first administrator here (the link is good once): {portal_url(settings)}{link.path}")
