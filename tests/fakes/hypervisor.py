"""A hypervisor whose domains are files: it outlives the process that uses it, as libvirt does.

A domain is ``<dir>/<desktop id>.json``. Its guest agent answers `boot_s` after the start, unless the domain's name is
in `mute` or a line of the file ``mute`` in the directory (``*`` is every name). A file called ``away`` there makes it
unreachable, as a killed libvirtd is. The file ``starts`` has a line, role:id, for each domain that ever began to run.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from frazil import failpoint
from frazil.model.desktop import Epoch
from frazil.model.errors import Conflict, GuestSilent, HostError, NotFound, Unavailable
from frazil.server.hypervisor import precedence
from frazil.server.hypervisor.display_pair import connected_pair
from frazil.server.hypervisor.port import (
    Domain,
    DomainPlan,
    DomainState,
    GuestExit,
    Labels,
    Role,
    Screenshot,
    domain_name,
)
from tests.fakes.guest_port import GuestPort

STARTS = "starts"
PIXEL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def _dead_display(_desktop_id: str) -> int:
    """A display that is at its end already."""
    qemus, gateways = connected_pair()
    qemus.close()
    return gateways.detach()


class FakeHypervisor:
    """`port.Hypervisor` on a directory."""

    def __init__(
        self,
        root: Path,
        *,
        installation_id: str,
        boot_s: float = 0.05,
        mute: frozenset[str] = frozenset(),
        display: Callable[[str], int] | None = None,
        guest_service: bool = False,
    ) -> None:
        self._root = root
        self._installation_id = installation_id
        self._boot_s = boot_s
        self._mute = mute
        self._display = display or _dead_display
        self._ports: dict[str, GuestPort] | None = {} if guest_service else None
        self._subscribers: list[Callable[[str | None], None]] = []
        root.mkdir(parents=True, exist_ok=True)

    def _reachable(self) -> None:
        if (self._root / "away").exists():
            raise Unavailable("The hypervisor could not be reached.", remedy="See that libvirtd runs (frazil doctor).")

    def _is_mute(self, name: str) -> bool:
        listed = self._root / "mute"
        named = listed.read_text().split() if listed.exists() else []
        return name in self._mute or name in named or "*" in named

    def _path(self, desktop_id: str) -> Path:
        return self._root / f"{desktop_id}.json"

    def _read(self, desktop_id: str) -> dict[str, object]:
        try:
            given = json.loads(self._path(desktop_id).read_text())
        except FileNotFoundError as exc:
            raise NotFound(f"There is no such desktop as {desktop_id}.") from exc
        assert isinstance(given, dict)
        return given

    def _write(self, desktop_id: str, domain: dict[str, object]) -> None:
        part = self._root / f".{desktop_id}.{os.getpid()}"
        part.write_text(json.dumps(domain))
        part.replace(self._path(desktop_id))

    def _tell(self, desktop_id: str) -> None:
        for changed in self._subscribers:
            changed(desktop_id)

    def _domain(self, desktop_id: str, given: dict[str, object]) -> Domain:
        labels = given["labels"]
        assert labels is None or isinstance(labels, list)
        return Domain(
            name=domain_name(desktop_id),
            uuid=desktop_id,
            state=DomainState(given["state"]),
            labels=Labels(labels[0], labels[1], Epoch(*labels[2]), labels[3], labels[4], labels[5], Role(labels[6]))
            if labels
            else None,
            guest_socket=self._port(desktop_id),
            io_error=bool(given.get("io_error")),
        )

    def _port(self, desktop_id: str) -> Path | None:
        """The guest service's port; opened anew by the process that looks first."""
        if self._ports is None:
            return None
        path = self._root / f"{desktop_id}.sock"
        if desktop_id not in self._ports:
            self._ports[desktop_id] = GuestPort(path)
        return path

    async def domains(self) -> list[Domain]:
        self._reachable()
        found = []
        for path in sorted(self._root.glob("*.json")):
            try:
                found.append(self._domain(path.stem, self._read(path.stem)))
            except NotFound:
                continue
        return found

    async def find(self, desktop_id: str) -> Domain | None:
        self._reachable()
        try:
            return self._domain(desktop_id, self._read(desktop_id))
        except NotFound:
            return None

    async def start(self, plan: DomainPlan) -> Domain:
        self._make(plan)
        return await self._begin(plan)

    def _make(self, plan: DomainPlan) -> None:
        """A domain that does not run yet."""
        self._reachable()
        labels = plan.labels
        if self._path(labels.desktop_id).exists():
            raise Conflict(f"Desktop {labels.name} runs already.")
        assert plan.disk.exists(), plan.disk
        epoch = [labels.epoch.generation, labels.epoch.counter]
        self._write(
            labels.desktop_id,
            {
                "labels": [
                    labels.installation_id, labels.desktop_id, epoch, labels.attempt, labels.pool_id, labels.name,
                    labels.role.value,
                ],
                "state": "paused",
                "started": time.time(),
            },
        )  # fmt: skip

    async def _begin(self, plan: DomainPlan) -> Domain:
        labels = plan.labels
        with (self._root / STARTS).open("a") as starts:
            starts.write(f"{labels.role.value}:{labels.desktop_id}\n")
        self._write(labels.desktop_id, self._read(labels.desktop_id) | {"state": "running"})
        self._tell(labels.desktop_id)
        found = await self.find(labels.desktop_id)
        assert found is not None
        return found

    async def prepare_ram(self, path: Path, size_mib: int) -> None:
        self._reachable()
        with path.open("xb") as file:
            file.truncate(size_mib << 20)

    async def freeze(self, desktop_id: str, state: Path) -> None:
        given = json.dumps(self._on_ours(desktop_id))
        state.write_text(given[:9])
        failpoint.reach("server.template-freezing")
        state.write_text(given)
        await self.destroy(desktop_id)

    async def fork(self, plan: DomainPlan, state: Path) -> Domain:
        assert plan.ram is not None
        assert plan.ram.path.exists()
        self._make(plan)
        failpoint.reach("server.fork-created")
        try:
            json.loads(state.read_text())
        except (ValueError, OSError) as exc:
            await self.destroy(plan.labels.desktop_id)
            raise HostError(f"The frozen state {state} can't be loaded: {exc}.") from exc
        failpoint.reach("server.fork-loaded")
        return await self._begin(plan)

    async def plug_network(self, plan: DomainPlan) -> None:
        self._on_ours(plan.labels.desktop_id)

    def _on_ours(self, desktop_id: str) -> dict[str, object]:
        self._reachable()
        given = self._read(desktop_id)
        labels = given["labels"]
        if not isinstance(labels, list) or labels[0] != self._installation_id:
            raise Conflict(f"Domain {domain_name(desktop_id)} is not this installation's; Frazil does not touch it.")
        return given

    async def shutdown(self, desktop_id: str) -> None:
        self._on_ours(desktop_id)
        if self._ports is not None and (port := self._ports.pop(desktop_id, None)):
            port.close()
        else:
            (self._root / f"{desktop_id}.sock").unlink(missing_ok=True)
        self._path(desktop_id).unlink(missing_ok=True)  # last: until then, who was killed here is asked to do it again
        self._tell(desktop_id)

    async def destroy(self, desktop_id: str) -> None:
        self._reachable()
        if not self._path(desktop_id).exists():
            return
        await self.shutdown(desktop_id)

    async def _set_state(self, desktop_id: str, state: DomainState) -> None:
        given = self._on_ours(desktop_id)
        self._write(desktop_id, given | {"state": state.value, "io_error": False})
        self._tell(desktop_id)

    def disk_became_full(self, desktop_id: str) -> None:
        """As when QEMU can't write a domain's disk: it is paused, and that is said of it until it is resumed."""
        given = self._on_ours(desktop_id)
        self._write(desktop_id, given | {"state": DomainState.PAUSED.value, "io_error": True})
        self._tell(desktop_id)

    async def pause(self, desktop_id: str) -> None:
        await self._set_state(desktop_id, DomainState.PAUSED)

    async def resume(self, desktop_id: str) -> None:
        given = self._on_ours(desktop_id)
        self._write(desktop_id, given | {"weight": precedence.TIMES, "resumed": True})
        await self._set_state(desktop_id, DomainState.RUNNING)

    async def end_precedence(self, desktop_id: str) -> None:
        self._write(desktop_id, self._on_ours(desktop_id) | {"weight": 1})

    def was_preferred(self, desktop_id: str) -> bool:
        """Whether it was resumed, and goes before others no more."""
        return bool(self._on_ours(desktop_id).get("resumed")) and self.weight(desktop_id) == 1

    def weight(self, desktop_id: str) -> int:
        """Its share of busy processors, to one part of another desktop's."""
        weight = self._on_ours(desktop_id).get("weight", 1)
        assert isinstance(weight, int)
        return weight

    async def screenshot(self, desktop_id: str) -> Screenshot:
        self._on_ours(desktop_id)
        return Screenshot(mime="image/png", data=PIXEL_PNG)

    async def open_display(self, desktop_id: str) -> int:
        self._on_ours(desktop_id)
        return self._display(desktop_id)

    async def agent_ping(self, desktop_id: str, *, timeout_s: float) -> None:
        given = self._on_ours(desktop_id)
        labels, started = given["labels"], given["started"]
        assert isinstance(labels, list)
        assert isinstance(started, float)
        if self._is_mute(str(labels[5])) or given["state"] != "running" or time.time() - started < self._boot_s:
            raise GuestSilent(f"The guest agent of {labels[5]} did not answer.")

    async def guest_exec(
        self, desktop_id: str, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> GuestExit:
        await self.agent_ping(desktop_id, timeout_s=timeout_s)
        return GuestExit(code=127, stdout=b"", stderr=f"{argv[0]}: not found".encode())

    def subscribe(self, changed: Callable[[str | None], None]) -> None:
        self._subscribers.append(changed)
