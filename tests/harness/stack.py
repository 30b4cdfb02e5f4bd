"""A whole Frazil for a test: supervisor, controller, server and gateway as `frazil up` starts them, beside every other.

Its directories, port, network and domains are its own, and go with it. Desktops in it reach nothing outside.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType

from pydantic import SecretStr

from frazil.cli.connection import pause
from frazil.cli.supervisor import domains
from frazil.client import Client
from frazil.model.desktop import Phase
from frazil.model.errors import NotFound, Unavailable
from frazil.runtime import SystemClock
from frazil.server.density.zram import Zram
from frazil.server.hypervisor.guest_network import network_name
from frazil.server.hypervisor.guest_network_rules import FAMILIES
from frazil.settings import Settings
from frazil.wire.rest import Desktop, Image, ImageRequest, PoolRequest, TokenRequest, UserRequest
from tests.harness.fake_server import hypervisor_dir
from tests.harness.guests import Guests
from tests.harness.machine import Machine
from tests.harness.processes import command, descendants, end
from tests.harness.waiting import until

REPOSITORY = Path(__file__).parents[2]
CACHE = Path("/var/cache/frazil")
PASSWORD = "correct horse battery"
NAMES = ("controller", "server", "gateway")
UP_TIMEOUT_S = 180.0
_PLAIN = (bool, int, float)
IMAGE_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Person:
    """A user and their client over TLS, signed in with a token."""

    name: str
    password: str
    client: Client


def configure(settings: Settings, file: Path) -> None:
    """Write the settings as an administrator would."""
    lines = []
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if value is not None:
            lines.append(f"{field.name} = {json.dumps(value if isinstance(value, _PLAIN) else str(value))}\n")
    file.write_text("".join(lines))


class Stack:
    """Made stopped; `start` brings it up, `close` removes every trace of it.

    fake: the server runs on the hypervisor of files (`fake_server`), no libvirt is touched.
    ksm, zram: a kernel has one of each, which other tests use meanwhile.
    machine: in namespaces of its own, with its own libvirtd; reached over UNIX sockets only.
    """

    def __init__(self, *, fake: bool = False, machine: bool = False, **settings: object) -> None:
        # Short, for UNIX sockets' names of at most 107 bytes, and passable by QEMU's user.
        self.place = Path(tempfile.mkdtemp(prefix="fz-", dir="/var/tmp"))
        self.place.chmod(0o711)
        self.fake = fake
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given: dict[str, object] = {
            "state_dir": self.place / "state",
            "run_dir": self.place / "run",
            "log_dir": self.place / "log",
            "cache_dir": CACHE,
            "listen": f"127.0.0.1:{port}",
            "guest_network": "closed",
            "ksm": False,
            "zram": False,
            **settings,
        }
        self.settings = Settings(**given)  # type: ignore[arg-type]
        self.config = self.place / "frazil.toml"
        configure(self.settings, self.config)
        self.machine = Machine(self.place) if machine else None
        self._popen: subprocess.Popen[bytes] | None = None
        self.people: list[Person] = []
        self._root: Client | None = None

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- its processes -----------------------------------------------------------------------------------------------

    def start(self, environment: Mapping[str, str] = MappingProxyType({})) -> Stack:
        """Bring it up and return when it is ready. `environment` may name a FRAZIL_FAILPOINT."""
        assert self._popen is None, "it is up"
        reader, writer = os.pipe()
        self.settings.log_dir.mkdir(exist_ok=True)
        argv = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m"]
        argv += ["tests.harness.fake_up"] if self.fake else ["frazil.cli.main", "up", "--no-first-desktop"]
        argv += ["--ready-fd", str(writer)]
        if self.machine is not None:
            argv = [*self.machine.enter, *argv]
        own = {"FRAZIL_CONFIG": str(self.config), "HOME": str(self.place)}
        path = {"PYTHONPATH": str(REPOSITORY)} if self.fake else {}
        with (self.settings.log_dir / "up.log").open("ab") as log:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writer,),
                env={**os.environ, **own, **path, **environment},
                cwd="/",
                start_new_session=True,
            )
        os.close(writer)
        try:
            readable, _, _ = select.select([reader], [], [], UP_TIMEOUT_S)
            ready = bool(readable) and os.read(reader, 1) == b"\n"
        finally:
            os.close(reader)
        assert ready, f"it did not come up:\n{self.logs()}"
        return self

    def stop(self) -> None:
        """As Ctrl-C does: the three processes end, desktops go on."""
        self._end_supervisor(signal.SIGTERM)

    def kill_supervisor(self) -> None:
        """SIGKILL; the three processes are told of it by the kernel, and end."""
        children = [pid for name in NAMES if (pid := self.pid(name)) is not None]
        self._end_supervisor(signal.SIGKILL)
        for pid in children:
            until(lambda gone=pid: not command(gone), "its processes end")  # type: ignore[misc]

    def reboot(self) -> None:
        """Its machine loses power and boots anew, without Frazil: `start` it. What was written to a file is there."""
        assert self.machine is not None, "it has no machine of its own"
        self.machine.reboot()
        self._has_ended()
        shutil.rmtree(self.settings.run_dir)

    def _end_supervisor(self, number: signal.Signals) -> None:
        if self._popen is None:
            return
        if self._popen.poll() is None:  # else it died by itself
            end(self.supervisor, number)
        self._has_ended()

    def _has_ended(self) -> None:
        if self._popen is not None:
            self._popen.wait(timeout=30)
            self._popen = None
        self._forget_root()

    @property
    def supervisor(self) -> int:
        """The supervisor's process id, also where it is inside a machine."""
        assert self._popen is not None, "it is not up"
        candidates = [self._popen.pid, *descendants(self._popen.pid)]
        return next(pid for pid in candidates if command(pid)[:1] not in ([], ["nsenter"]))

    def pid(self, name: str) -> int | None:
        """The process id of controller, server or gateway now."""
        assert name in NAMES
        for pid in descendants(self.supervisor):
            words = command(pid)
            if words[1:2] == ["-m"] and words[3:4] == [name]:
                return pid
        return None

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """End one process; its supervisor starts it again. Returns the id of the one that died."""
        pid = until(lambda: self.pid(name), f"the {name} runs")
        assert pid is not None
        if name == "controller":
            self._forget_root()
        end(pid, number)
        return pid

    def back(self, name: str, *, instead_of: int) -> int:
        """Wait until another process runs as `name` and does its work."""

        def there() -> int | None:
            pid = self.pid(name)
            return pid if pid not in (None, instead_of) else None

        pid = until(there, f"the {name} is started again")
        assert pid is not None
        since = SystemClock().now()
        self.up_again()
        if name == "server":
            until(lambda: self._seen_since(since), "the server reports", timeout_s=120, not_yet=(Unavailable,))
        return pid

    def _seen_since(self, since: datetime) -> bool:
        return any(host.last_seen_at and host.last_seen_at >= since for host in self.root.hosts())

    def up_again(self, *, timeout_s: float = 60) -> None:
        """Wait until the controller answers, through the gateway too, and this host is up."""
        until(self._whole, "all of it answers", timeout_s=timeout_s, not_yet=(Unavailable,))

    def _whole(self) -> bool:
        if self.machine is None:
            with Client.remote(self.url, ca=self.ca) as client:
                client.health()
        return any(host.state == "up" for host in self.root.hosts())

    # --- asking it ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"https://{self.settings.listen}"

    @property
    def ca(self) -> Path:
        return self.settings.tls_dir / "ca.pem"

    @property
    def installation_id(self) -> str:
        return str(json.loads(self.settings.installation_file.read_text())["installation_id"])

    @property
    def root(self) -> Client:
        """The API as this machine's root."""
        if self._root is None:
            self._root = Client.local(self.settings.local_socket)
        return self._root

    @property
    def new_root(self) -> Client:
        """`root` on a new connection: for whoever must expect that the controller has just died."""
        self._forget_root()
        return self.root

    def _forget_root(self) -> None:
        if self._root is not None:
            self._root.close()
            self._root = None

    @property
    def guests(self) -> Guests:
        """Its domains, as virsh sees them."""
        return Guests(self.settings.libvirt_uri, self.installation_id, enter=self.machine.enter if self.machine else ())

    @property
    def hypervisor_dir(self) -> Path:
        """The fake hypervisor's directory: a file for each domain."""
        return hypervisor_dir(self.settings)

    def user(self, name: str, *, administrator: bool = False) -> Person:
        """A new user, signed in from afar."""
        role = "administrator" if administrator else "user"
        self.root.add_user(UserRequest(name=name, password=SecretStr(PASSWORD), role=role))
        return self.sign_in(name, PASSWORD)

    def sign_in(self, name: str, password: str) -> Person:
        """Somebody who is a user, signed in from afar until the stack is closed."""
        with Client.remote(self.url, ca=self.ca) as client:
            login = client.sign_in(name, SecretStr(password))
            made = client.make_token(TokenRequest(name="test"), csrf_token=login.csrf_token)
        person = Person(name, password, Client.remote(self.url, token=SecretStr(made.token), ca=self.ca))
        self.people.append(person)
        return person

    def frazil(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """A command of the command line, as root."""
        enter = self.machine.enter if self.machine else []
        return subprocess.run(
            [*enter, sys.executable, "-m", "frazil.cli.main", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "FRAZIL_CONFIG": str(self.config), "HOME": str(self.place)},
            check=False,
            timeout=timeout_s,
            cwd="/",
        )

    # --- images, pools, desktops -------------------------------------------------------------------------------------

    def image(self, recipe: str = "debian-icewm") -> Image:
        """The image of a recipe: taken from the cache, or built, which takes minutes."""
        try:
            self.root.image(recipe)
        except NotFound:
            operation = self.root.make_image(ImageRequest(name=recipe, recipe=recipe))
            self.root.wait_for_operation(operation, clock=SystemClock(), pause=pause, timeout_s=IMAGE_TIMEOUT_S)
        return self.root.image(recipe)

    def empty_image(self, name: str = "empty", *, mib: int = 16, ready_when: str = "agent") -> Image:
        """An image of a disk with nothing on it: no guest agent will ever answer (but the fake hypervisor's)."""
        file = self.place / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), f"{mib}M"], check=True, timeout=60)
        done = self.frazil(
            "image", "import", str(file), "--format", "qcow2", "--name", name, "--ready-when", ready_when
        )
        assert done.returncode == 0, done.stderr
        return self.root.image(name)

    def pool(self, name: str, **more: object) -> str:
        """A new pool's name. Its image is `image` of the recipe unless `more` says another."""
        if "image" not in more:
            more["image"] = self.image().name
        return self.root.make_pool(PoolRequest(name=name, **more)).name

    def desktops(self, pool: str, *phases: Phase, count: int, timeout_s: float = 300) -> list[Desktop]:
        """Wait until `count` desktops of the pool are in one of `phases` (ready when not given)."""
        wanted = phases or (Phase.READY,)

        def there() -> list[Desktop]:
            found = [one for one in self.root.desktops(pool=pool) if one.phase in wanted]
            return found if len(found) >= count else []

        def said() -> str:
            seen = [f"{one.name}: {one.phase.value} {one.step} {one.why}" for one in self.root.desktops(pool=pool)]
            return f"{count} desktops of {pool} are {[phase.value for phase in wanted]}, but: {seen}"

        return until(there, said, timeout_s=timeout_s, not_yet=(Unavailable,))

    def phase(self, desktop_id: str, *phases: Phase, timeout_s: float = 120) -> Desktop:
        """Wait until a desktop is in one of `phases`."""

        def there() -> Desktop | None:
            found = self.root.desktop(desktop_id)
            return found if found.phase in phases else None

        words = f"desktop {desktop_id} is {[phase.value for phase in phases]}"
        found = until(there, words, timeout_s=timeout_s, not_yet=(Unavailable,))
        assert found is not None
        return found

    def disks(self) -> list[str]:
        """The desktops that have a directory here."""
        return sorted(path.name for path in self.settings.desktops_dir.iterdir() if not path.name.startswith("."))

    # --- its end ---------------------------------------------------------------------------------------------------

    def logs(self, lines: int = 40) -> str:
        """The end of each process's log."""
        parts = []
        for log in sorted(self.settings.log_dir.glob("*.log")):
            text = log.read_text(errors="replace").splitlines()
            parts.append(f"--- {log.name}\n" + "\n".join(text[-lines:]))
        return "\n".join(parts)

    def close(self) -> None:
        """Stop it, and remove what is its own: domains, network, firewall table, directories."""
        for person in self.people:
            person.client.close()
        self.people.clear()
        self._end_supervisor(signal.SIGTERM)
        self._forget_root()
        if self.machine is not None:
            self.machine.close()
        elif not self.fake and self.settings.installation_file.exists():
            self._clean_libvirt(self.installation_id)
        zram = Zram(self.settings.run_dir / "server" / "zram.json", wanted=False)
        if zram.begin():  # a server that was killed left it
            zram.put_back()
        shutil.rmtree(self.place)

    def _clean_libvirt(self, installation_id: str) -> None:
        uri, name = self.settings.libvirt_uri, network_name(installation_id)
        domains.stop_all(uri, installation_id, grace_s=0, clock=SystemClock(), pause=pause)
        commands: Iterable[list[str]] = (
            ["virsh", "-q", "-c", uri, "net-destroy", name],
            ["virsh", "-q", "-c", uri, "net-undefine", name],
            *(["nft", "delete", "table", family, name.replace("-", "_")] for family in FAMILIES),
        )
        for argv in commands:  # each may have nothing to do
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
