#!/usr/bin/env python3
"""What a forked desktop survives, for each way of sharing its template's memory.

    .venv/bin/python bench/fork_matrix.py [--only STEP] [--write]

Needs root, libvirt and QEMU. Runs behind libvirtds of its own, in namespaces, since it kills one. Freezes a template
once, then for each way and step makes a fork, leaves a mark in its memory, does the step and looks for the mark.
Prints one JSON object as its last line; --write also renews the table in docs/reference/fork-matrix.md.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import libvirt
import libvirt_qemu
import structlog
from moving import other_host, with_memory_of_its_own, without_incoming
from own_machine import INSIDE, ROOT, inside
from ram_ways import sealed_memfd

from frazil.cli.libvirtd import ensure_running
from frazil.model.desktop import Epoch
from frazil.model.errors import FrazilError
from frazil.server.desktops.directory import make_overlay
from frazil.server.guests.watch import AGENT_TIMEOUT_S
from frazil.server.hypervisor import freezing
from frazil.server.hypervisor.port import DomainPlan, GuestRam, KernelBoot, Labels, domain_name
from frazil.server.templates.store import Template
from frazil.wire.hostlink import Profile
from tests.harness.processes import end
from tests.integration.server.lab import Lab, lab

TABLE = ROOT / "docs" / "reference" / "fork-matrix.md"
BEGIN, END = "<!-- table: made by bench/fork_matrix.py --write -->", "<!-- end of the table -->"
ANSWER_S = 90.0
BOOT_S = 240.0
STUCK_S = 40.0
PROFILE = Profile(usb_channels=0)
LIBVIRTD_PID = Path("/run/libvirtd.pid")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell. words: what was said when it did not work."""

    way: str
    step: str
    works: bool
    seconds: float
    words: str = ""


class Bench:
    """A template, and forks of it by one way of sharing."""

    def __init__(self, at: Lab, template: Template, ram: Path, spare: Path) -> None:
        self.at, self.template, self.ram, self.spare = at, template, ram, spare
        image = at.image
        assert image.kernel is not None
        assert image.initrd is not None
        assert image.cmdline is not None
        self.boot = KernelBoot(image.kernel, image.initrd, image.cmdline)
        self.connection = libvirt.open("qemu:///system")

    def domain(self, plan: DomainPlan) -> libvirt.virDomain:
        return self.connection.lookupByUUIDString(plan.labels.desktop_id)

    async def fork(self) -> DomainPlan:
        """A running fork with a mark in its memory."""
        desktop_id = self.at.ids.new_id()
        disk = self.spare / f"{desktop_id}.qcow2"
        await make_overlay(disk, base=self.template.disk, size_bytes=max(self.at.image.virtual_size_bytes, 8 << 30))
        plan = DomainPlan(
            labels=Labels(self.at.installation_id, desktop_id, Epoch(0, 1), 1, "matrix", "fork"), profile=PROFILE,
            disk=disk, boot=self.boot, kvm=False, network=None, ram=GuestRam(self.ram, private=True),
        )  # fmt: skip
        await self.at.hypervisor.fork(plan, self.template.state)
        await self.answers(plan)
        await self.at.shell(desktop_id, f"echo {desktop_id} > /run/mark")
        return plan

    async def answers(self, plan: DomainPlan, *, within_s: float = ANSWER_S) -> None:
        end_s = time.monotonic() + within_s
        while True:
            try:
                return await self.at.hypervisor.agent_ping(plan.labels.desktop_id, timeout_s=AGENT_TIMEOUT_S)
            except FrazilError as exc:
                if time.monotonic() > end_s:
                    raise AssertionError(f"its agent does not answer: {exc}") from exc
                await asyncio.sleep(0.2)  # the pace of asking

    async def unharmed(self, plan: DomainPlan) -> None:
        """It runs on with its memory: the mark is there."""
        await self.answers(plan)
        mark = await self.at.shell(plan.labels.desktop_id, "cat /run/mark")
        assert mark.strip() == plan.labels.desktop_id, f"the mark in its memory is {mark!r}"

    # The steps.

    async def pause_and_resume(self, plan: DomainPlan) -> None:
        await self.at.hypervisor.pause(plan.labels.desktop_id)
        await self.at.hypervisor.resume(plan.labels.desktop_id)
        await self.unharmed(plan)

    async def nic_and_disk(self, plan: DomainPlan) -> None:
        async with self.at.network.seat(plan.labels.desktop_id) as seat:
            await self.at.hypervisor.plug_network(replace(plan, network=seat))
        volume = self.spare / "volume.qcow2"
        await make_overlay(volume, base=self.template.disk, size_bytes=8 << 30)
        self.domain(plan).attachDeviceFlags(
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{volume}'/>"
            "<target dev='vdb' bus='virtio'/><address type='pci' domain='0' bus='2' slot='0' function='0'/></disk>",
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )
        look = "test -b /dev/vdb && ip -4 -o addr show dev eth0 | grep -q inet"
        script = f"for i in $(seq 100); do {look} && exit 0; sleep 0.2; done; ip -br addr; ls /dev/vd*; exit 1"
        await self.at.shell(plan.labels.desktop_id, script, timeout_s=60)
        await self.unharmed(plan)

    async def libvirtd_restart(self, plan: DomainPlan) -> None:
        await asyncio.to_thread(lambda: end(int(LIBVIRTD_PID.read_text()), signal.SIGKILL))
        await asyncio.to_thread(ensure_running)
        self.connection = libvirt.open("qemu:///system")
        await self.unharmed(plan)

    async def guest_reboot(self, plan: DomainPlan) -> None:
        """As shipped the domain ends, and the server makes a fresh fork."""
        await self._reboot(plan)
        end_s = time.monotonic() + ANSWER_S
        while await self.at.hypervisor.find(plan.labels.desktop_id) is not None:
            assert time.monotonic() < end_s, "the domain did not end"
            await asyncio.sleep(0.2)  # the pace of looking

    async def guest_reboot_itself(self, plan: DomainPlan) -> None:
        """What would happen if libvirt let it restart."""
        self.domain(plan).setLifecycleAction(
            libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART, 0
        )
        await self._reboot(plan)
        await self._booted_anew(plan)

    async def cold_start(self, plan: DomainPlan) -> None:
        """Its disk, booted as any other: without the template's memory."""
        await self.at.shell(plan.labels.desktop_id, "sync")
        await self.at.hypervisor.destroy(plan.labels.desktop_id)
        await self.at.hypervisor.start(replace(plan, ram=None))
        await self._booted_anew(plan)

    async def save_and_restore_as_it_is(self, plan: DomainPlan) -> None:
        await self._saved_and_restored(plan, None)

    async def save_and_restore(self, plan: DomainPlan) -> None:
        await self._saved_and_restored(plan, without_incoming)

    async def save_ignoring_shared(self, plan: DomainPlan) -> None:
        """What comes of it when the capability that loads a fork is left on."""
        capability = {"capability": freezing.IGNORE_SHARED, "state": True}
        command = {"execute": "migrate-set-capabilities", "arguments": {"capabilities": [capability]}}
        libvirt_qemu.qemuMonitorCommand(self.domain(plan), json.dumps(command), 0)
        await self._saved_and_restored(plan, None)

    async def migrate_as_it_is(self, plan: DomainPlan) -> None:
        await self._migrated(plan, lambda xml: xml)

    async def migrate(self, plan: DomainPlan) -> None:
        """With memory of its own at the other end, which need not have the template."""
        await self._migrated(plan, lambda xml: with_memory_of_its_own(without_incoming(xml)))

    async def _reboot(self, plan: DomainPlan) -> None:
        script = "nohup sh -c 'sleep 1; reboot -f' >/dev/null 2>&1 &"
        await self.at.shell(plan.labels.desktop_id, script)

    async def _booted_anew(self, plan: DomainPlan) -> None:
        end_s = time.monotonic() + BOOT_S
        while True:
            await self.answers(plan, within_s=end_s - time.monotonic())
            try:
                mark = await self.at.shell(plan.labels.desktop_id, "cat /run/mark 2>/dev/null || true")
            except FrazilError:
                mark = plan.labels.desktop_id  # it went down while it was asked
            if not mark.strip():
                return
            assert time.monotonic() < end_s, "it did not boot"
            await asyncio.sleep(0.5)  # the pace of looking

    async def _saved_and_restored(self, plan: DomainPlan, change: Callable[[str], str] | None) -> None:
        file = self.spare / "saved"
        domain = self.domain(plan)
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        try:
            await asyncio.to_thread(domain.save, str(file))
            args = (str(file), change(xml) if change is not None else None, 0)
            await self._or_stuck(plan, lambda: self.connection.restoreFlags(*args))
            await self.unharmed(plan)
        finally:
            file.unlink(missing_ok=True)

    async def _migrated(self, plan: DomainPlan, change: Callable[[str], str]) -> None:
        with other_host(self.spare) as uri:
            there = libvirt.open(uri)
            domain = self.domain(plan)
            xml = change(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE))
            sockets = self.spare / "wire"
            sockets.mkdir(exist_ok=True)
            sockets.chmod(0o777)
            parameters = {
                libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{sockets}/{plan.labels.desktop_id}",
                libvirt.VIR_MIGRATE_PARAM_DEST_XML: xml,
            }
            flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_UNSAFE
            await self._or_stuck(plan, lambda: domain.migrate3(there, parameters, flags))
            moved = there.lookupByUUIDString(plan.labels.desktop_id)
            end_s = time.monotonic() + ANSWER_S
            while True:
                try:
                    said = await asyncio.to_thread(agent_reads_mark, moved)
                    break
                except libvirt.libvirtError:
                    if time.monotonic() > end_s:
                        raise
                    await asyncio.sleep(0.2)  # the pace of asking
            assert said == plan.labels.desktop_id, f"the mark in its memory is {said!r}"
            there.close()

    async def _or_stuck(self, plan: DomainPlan, call: Callable[[], object]) -> None:
        """`call()`; when it hangs its QEMUs are killed, so that libvirt gives up."""
        calling = asyncio.create_task(asyncio.to_thread(call))
        done, _ = await asyncio.wait({calling}, timeout=STUCK_S)
        if not done:
            for pid in qemus(plan):
                os.kill(pid, signal.SIGKILL)
            try:
                await calling
            except libvirt.libvirtError as exc:
                raise AssertionError(f"it hangs for more than {STUCK_S:.0f} s") from exc
        await calling


def qemus(plan: DomainPlan) -> Iterator[int]:
    """The QEMU processes of a domain that this machine's processes can see."""
    name = domain_name(plan.labels.desktop_id)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if line[0].endswith("qemu-system-x86_64") and any(name in word for word in line[:4]):
                yield int(entry.name)


def agent_reads_mark(domain: libvirt.virDomain) -> str:
    def ask(command: dict[str, object]) -> object:
        return json.loads(libvirt_qemu.qemuAgentCommand(domain, json.dumps(command), 5, 0))["return"]

    handle = ask({"execute": "guest-file-open", "arguments": {"path": "/run/mark"}})
    read = ask({"execute": "guest-file-read", "arguments": {"handle": handle}})
    assert isinstance(read, dict)
    return base64.b64decode(read["buf-b64"]).decode().strip()


STEPS: dict[str, tuple[str, Callable[[Bench, DomainPlan], Awaitable[None]]]] = {
    "pause": ("pause, resume", Bench.pause_and_resume),
    "plug": ("NIC and disk plugged into reserved root ports", Bench.nic_and_disk),
    "libvirtd": ("libvirtd killed and started again", Bench.libvirtd_restart),
    "save": ("save; restore, as it is", Bench.save_and_restore_as_it_is),
    "save-changed": ("save; restore without `-incoming`", Bench.save_and_restore),
    "save-ignoring": ("save with `x-ignore-shared` left on; restore", Bench.save_ignoring_shared),
    "migrate": ("live migration, XML as it is", Bench.migrate_as_it_is),
    "migrate-changed": ("live migration into memory of its own, without `-incoming`", Bench.migrate),
    "reboot": ("guest reboots: the domain ends (as shipped)", Bench.guest_reboot),
    "reboot-restart": ("guest reboots, `on_reboot` set to restart", Bench.guest_reboot_itself),
    "cold": ("cold start of the fork's disk", Bench.cold_start),
}


async def one(bench: Bench, way: str, step: str) -> Outcome:
    words, do = STEPS[step]
    began_s, plan = time.monotonic(), None
    try:
        plan = await bench.fork()
        began_s = time.monotonic()
        await do(bench, plan)
    except (AssertionError, FrazilError, libvirt.libvirtError) as exc:
        said = (
            re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z ", "", str(exc))
            .replace("|", "/")
            .strip()
            .splitlines()[0]
        )
        return Outcome(way, words, False, round(time.monotonic() - began_s, 1), said[:300])
    else:
        return Outcome(way, words, True, round(time.monotonic() - began_s, 1))
    finally:
        if plan is not None:
            await bench.at.hypervisor.destroy(plan.labels.desktop_id)
            plan.disk.unlink(missing_ok=True)


async def measure(options: argparse.Namespace) -> dict[str, object]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    outcomes: list[Outcome] = []
    async with lab() as at:
        template = await at.template(PROFILE)
        spare = at.place / "matrix"
        spare.mkdir(mode=0o711)
        with sealed_memfd(template.ram) as memfd:
            for way, ram in (("file", template.ram), ("sealed memfd", memfd)):
                for step in options.only or STEPS:
                    outcome = await one(Bench(at, template, ram, spare), way, step)
                    print(
                        f"{way}: {outcome.step}: {'works' if outcome.works else outcome.words}",
                        file=sys.stderr,
                        flush=True,
                    )
                    outcomes.append(outcome)
    versions = libvirt.open("qemu:///system")
    return {
        "qemu": _version(versions.getVersion()),
        "libvirt": _version(versions.getLibVersion()),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def table(result: dict[str, object]) -> str:
    """The outcomes as Markdown: a row for each step, a column for each way."""
    outcomes = result["outcomes"]
    assert isinstance(outcomes, list)
    ways = list(dict.fromkeys(each["way"] for each in outcomes))
    steps = list(dict.fromkeys(each["step"] for each in outcomes))
    cells = {(each["step"], each["way"]): each for each in outcomes}
    lines = [f"QEMU {result['qemu']}, libvirt {result['libvirt']}, without KVM.", ""]
    lines += ["| a fork, then | " + " | ".join(ways) + " |", "| --- |" + " --- |" * len(ways)]
    for step in steps:
        row = []
        for way in ways:
            cell = cells[step, way]
            row.append(f"works, {cell['seconds']} s" if cell["works"] else f"**fails**: {cell['words']}")
        lines.append(f"| {step} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def write_table(result: dict[str, object]) -> None:
    text = TABLE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    TABLE.write_text(f"{head}{BEGIN}\n\n{table(result)}\n\n{END}{tail}", encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(STEPS))
    parser.add_argument("--write", action="store_true", help="renew the table in the documentation")
    parser.add_argument(INSIDE, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.inside is None:
        return inside(__file__, list(argv))
    ensure_running()
    result = asyncio.run(measure(options))
    if options.write:
        write_table(result)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
