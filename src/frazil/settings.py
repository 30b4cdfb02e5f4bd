"""Where one installation keeps its things, and what an administrator may set.

Settings come from ``/etc/frazil/frazil.toml`` (or ``$FRAZIL_CONFIG``), read once by the command line and handed on to
each process as values. Every setting has a default that works.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import NamedTuple

from frazil.model.errors import InvalidInput

OWN_RECIPES = Path(__file__).parents[2] / "images"
"""The recipes beside this package's source."""


class ControllerSockets(NamedTuple):
    """Where one controller listens.

    public: API and pages, as the gateway forwards them. internal: tickets and routes for the gateway. hosts: servers
    dial in here (WebSocket at /hosts/v1). local: the API for this machine's root, an administrator by being root.
    """

    public: Path
    internal: Path
    hosts: Path
    local: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings.

    state_dir: what must survive a reboot: database, images, disks, keys.
    run_dir: sockets and pid files; emptied by a reboot.
    cache_dir: what can be made again: built images, by the hash of their recipe.
    recipes_dir: recipes of guest images; Frazil's own by default.
    log_dir: one file a process when no service manager takes the output.
    listen: address and port of the one public TLS port.
    public_url: how people reach it; made from the host's name and port when empty.
    tls_certificate, tls_key: PEM files; Frazil's own CA makes them when empty.
    database_url: SQLAlchemy URL; SQLite in `state_dir` when empty.
    controllers: so many controllers run on this machine; more than one need PostgreSQL.
    hosts_listen: address and port at which other machines' servers come in, such as 0.0.0.0:8444; none when empty.
    displays_listen: address and port at which a server that has joined hands displays to gateways.
    libvirt_uri: the hypervisor to use on this host.
    guest_network: "nat" lets desktops reach the world through this host; "closed" lets them reach nothing.
    guest_subnet: IPv4 network of the desktops, such as 10.77.0.0/20; one that is free is chosen when empty.
    template_floor_mib: how much of their disk frozen templates leave free; below that the least used ones go.
    heartbeat_s: seconds between two signs of life from a server to its controller.
    ksm: whether a server merges equal pages of its desktops' memory; a pool can be kept out of it.
    zram: whether a server keeps the memory of paused desktops compressed once half of what they may take is taken.
    memory_for_desktops_mib: MiB that all desktops and templates of a host may take; all but a reserve when 0.
    desktops_per_cpu: no more desktops than so many for each of a host's CPUs.
    history_days: for so many days events, ended sessions and finished operations are kept.
    """

    state_dir: Path = Path("/var/lib/frazil")
    run_dir: Path = Path("/run/frazil")
    cache_dir: Path = Path("/var/cache/frazil")
    recipes_dir: Path = OWN_RECIPES
    log_dir: Path = Path("/var/log/frazil")
    listen: str = "0.0.0.0:8443"
    public_url: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    database_url: str = ""
    controllers: int = 1
    hosts_listen: str = ""
    displays_listen: str = "0.0.0.0:8445"
    libvirt_uri: str = "qemu:///system"
    guest_network: str = "nat"
    guest_subnet: str = ""
    template_floor_mib: int = 1024
    heartbeat_s: float = field(default=5.0)
    ksm: bool = True
    zram: bool = True
    memory_for_desktops_mib: int = 0
    desktops_per_cpu: int = 64
    history_days: int = 400

    def of_controller(self, number: int) -> ControllerSockets:
        """Where a controller listens. They are counted from 1."""
        name = "http.sock" if number == 1 else f"http-{number}.sock"
        places = (self.run_dir / f"controller-{way}" / name for way in ("public", "internal", "hosts", "local"))
        return ControllerSockets(*places)

    @property
    def controller_sockets(self) -> list[ControllerSockets]:
        """Of all controllers."""
        return [self.of_controller(number) for number in range(1, self.controllers + 1)]

    @property
    def public_socket(self) -> Path:
        return self.of_controller(1).public

    @property
    def internal_socket(self) -> Path:
        return self.of_controller(1).internal

    @property
    def hosts_socket(self) -> Path:
        return self.of_controller(1).hosts

    @property
    def local_socket(self) -> Path:
        return self.of_controller(1).local

    @property
    def display_socket(self) -> Path:
        """Server: the gateway asks for displays here."""
        return self.run_dir / "server" / "display.sock"

    @property
    def installation_file(self) -> Path:
        """JSON with `installation_id` and this machine's `host_id`."""
        return self.state_dir / "installation.json"

    @property
    def images_dir(self) -> Path:
        return self.state_dir / "images"

    @property
    def incoming_dir(self) -> Path:
        """Files to be imported as images wait here."""
        return self.state_dir / "incoming"

    @property
    def desktops_dir(self) -> Path:
        return self.state_dir / "desktops"

    @property
    def templates_dir(self) -> Path:
        """Frozen templates, memory and all."""
        return self.state_dir / "templates"

    @property
    def controller_dir(self) -> Path:
        return self.state_dir / "controller"

    @property
    def tls_dir(self) -> Path:
        return self.state_dir / "tls"

    @property
    def trust_dir(self) -> Path:
        """By what Frazil's machines know each other (`frazil.trust`): the authority, and what it certified here."""
        return self.state_dir / "trust"

    @property
    def joined_file(self) -> Path:
        """On a machine that has joined an installation: where its controllers are, JSON."""
        return self.trust_dir / "joined.json"

    @property
    def viewer_trust_file(self) -> Path:
        """How native viewers can tell the gateway's certificate; no secret."""
        return self.tls_dir / "viewers.json"


def load(path: Path) -> Settings:
    """Settings from the TOML file at `path`; all defaults when there is no such file.

    Raises InvalidInput naming the file and the line or setting at fault.
    """
    if not path.exists():
        return Settings()
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInput(
            f"{path} is not a TOML file: {exc}.", remedy="Mend that line, or remove the file to have the defaults."
        ) from exc
    known = {f.name: f for f in fields(Settings)}
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise InvalidInput(
                f"{path}: there is no setting called {name}.",
                remedy=f"Known settings: {', '.join(sorted(known))}.",
            )
        default = known[name].default
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        is_path = "Path" in str(known[name].type)
        if is_path and isinstance(value, str):
            value = Path(value)
        elif is_path or type(value) is not type(default):
            kind = _KINDS.get(type(default), "a text in quotes")
            raise InvalidInput(
                f"{path}: {name} is {value!r}; it must be {kind}.", remedy=f"Mend the line: {_like(name)}", field=name
            )
        _check(path, name, value)
        values[name] = value
    made = Settings(**values)  # type: ignore[arg-type]
    if made.controllers > 1 and not made.database_url.startswith("postgresql"):
        raise InvalidInput(
            f"{path}: {made.controllers} controllers need PostgreSQL; SQLite serves one.",
            remedy=f"Set the database too: {_like('database_url')}",
            field="controllers",
        )
    return made


_KINDS: dict[type, str] = {float: "a number", int: "a whole number", bool: "true or false"}
_EXAMPLES: dict[str, str | float | int | bool] = {
    "listen": "0.0.0.0:8443",
    "hosts_listen": "0.0.0.0:8444",
    "displays_listen": "0.0.0.0:8445",
    "public_url": "https://desktops.example.org",
    "guest_network": "nat",
    "guest_subnet": "10.77.0.0/20",
    "database_url": "postgresql+psycopg:///frazil",
    "controllers": 2,
    "libvirt_uri": "qemu:///system",
    "heartbeat_s": 5.0,
    "ksm": True,
    "zram": True,
    "memory_for_desktops_mib": 16384,
    "desktops_per_cpu": 64,
    "history_days": 400,
}
HEARTBEAT_S = (0.1, 60.0)
"""The least and the most: a host counts as lost after a few that did not come."""
CONTROLLERS_MAX = 8
HISTORY_DAYS = (1, 36500)


def _like(name: str) -> str:
    example = _EXAMPLES.get(name, "/a/directory/or/file")
    if isinstance(example, str):
        return f'{name} = "{example}"'
    return f"{name} = {str(example).lower() if isinstance(example, bool) else example}"


def _check(path: Path, name: str, value: object) -> None:
    """Raises InvalidInput for a value that can be seen to make no sense."""
    why = ""
    if name in ("listen", "displays_listen") or (name == "hosts_listen" and value):
        port = str(value).rpartition(":")[2]
        if ":" not in str(value) or not port.isdecimal() or not 0 < int(port) < 65536:
            why = "it must be an address and a port"
    elif name == "guest_network" and value not in ("nat", "closed"):
        why = 'it can be "nat" or "closed"'
    elif name == "guest_subnet" and value:
        try:
            if IPv4Network(str(value)).num_addresses < 8:
                why = "it is too small, a /29 is the least"
        except ValueError:
            why = "it must be an IPv4 network"
    elif name == "public_url" and value and not str(value).startswith("https://"):
        why = "it must begin with https://"
    elif name == "heartbeat_s" and not (isinstance(value, float) and HEARTBEAT_S[0] <= value <= HEARTBEAT_S[1]):
        why = f"it must be between {HEARTBEAT_S[0]:g} and {HEARTBEAT_S[1]:g} seconds"
    elif name == "template_floor_mib" and isinstance(value, int) and value < 0:
        why = "it must be 0, which lets none go, or more"
    elif name == "memory_for_desktops_mib" and isinstance(value, int) and value < 0:
        why = "it must be 0, which means all but a reserve, or more"
    elif name == "desktops_per_cpu" and isinstance(value, int) and value < 1:
        why = "it must be 1 or more"
    elif name == "controllers" and not (isinstance(value, int) and 1 <= value <= CONTROLLERS_MAX):
        why = f"it must be between 1 and {CONTROLLERS_MAX}"
    elif name == "history_days" and not (isinstance(value, int) and HISTORY_DAYS[0] <= value <= HISTORY_DAYS[1]):
        why = f"it must be between {HISTORY_DAYS[0]} and {HISTORY_DAYS[1]} days"
    if why:
        raise InvalidInput(f"{path}: {name} is {value!r}; {why}.", remedy=f"Like this: {_like(name)}", field=name)
