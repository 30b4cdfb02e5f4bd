"""The relays that `bench/gateway.py` compares, as processes of their own: Frazil's gateway, HAProxy, websockify.

All serve the same certificate by TLS 1.3 and lead to the same plain UNIX socket. Several of a kind may run at once.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from behind_gateway import settings_in

from frazil.gateway.tls import SERVED_FILE, ensure_certificates
from frazil.runtime import SystemClock

CIPHER = "TLS_AES_256_GCM_SHA384"
"""What OpenSSL's own order of preference comes to; the load generator checks that every relay speaks it."""
STARTING_S = 30.0
SOCKET = "spice.sock"
"""Where the back end of HAProxy and websockify listens."""
OTHERS = ("haproxy", "websockify")
"""Commands, which are the names of their Debian packages too."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A running one. `pid` is its first process; websockify makes a further one for each connection.

    The ways without any relay have pid 0.
    """

    pid: int
    port: int

    def cpu_s(self) -> float:
        """User and system time of all its processes, the ended ones too: proc(5)."""
        return sum(_times(pid) for pid in _tree(self.pid)) if self.pid else 0.0

    def memory_kib(self) -> int:
        """Resident, of all its processes; a page that several share is shared out among them."""
        return sum(_pss_kib(pid) for pid in _tree(self.pid)) if self.pid else 0


def missing() -> list[str]:
    """The Debian packages that are needed and not there."""
    return [command for command in OTHERS if shutil.which(command) is None]


def versions() -> dict[str, str]:
    """Of the relays, and of what they encrypt with."""
    packages = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *OTHERS, "libssl3*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = {name: metadata.version(name) for name in ("uvloop", "websockets")}
    return {
        "python": platform.python_version(), "openssl of python": ssl.OPENSSL_VERSION, **ours,
        **dict(line.split(maxsplit=1) for line in packages.stdout.splitlines() if line.count(" ") == 1),
    }  # fmt: skip


@contextmanager
def running(name: str, directory: Path) -> Iterator[Relay]:
    """The relay `name` of `COMMANDS`. Raises RuntimeError, with its last words, when it does not start."""
    port = free_port()
    log = directory / f"{name}-{port}.log"
    certified(directory)
    with log.open("wb") as out:
        process = subprocess.Popen(
            COMMANDS[name](directory, port), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=dict(os.environ, FRAZIL_CONFIG=str(directory / f"gateway-{port}.toml")), cwd=directory,
        )  # fmt: skip
    try:
        _wait_until_it_listens(process, port, log)
        yield Relay(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def certified(directory: Path) -> Path:
    """The certificate that all serve, with its key; made when there is none."""
    settings = settings_in(directory)
    ensure_certificates(settings, clock=SystemClock(), owner_gid=None)
    return settings.tls_dir / SERVED_FILE


def trust(directory: Path) -> Path:
    """What a client of any relay trusts."""
    return settings_in(directory).tls_dir / "ca.pem"


def _gateway(directory: Path, port: int) -> list[str]:
    settings = settings_in(directory, port=port)
    (directory / f"gateway-{port}.toml").write_text(
        f'state_dir = "{settings.state_dir}"\nrun_dir = "{settings.run_dir}"\nlisten = "{settings.listen}"\n'
    )
    return [str(Path(sys.executable).with_name("frazil")), "gateway"]


def _haproxy(directory: Path, port: int) -> list[str]:
    config = directory / f"haproxy-{port}.cfg"
    config.write_text(
        f"""global
    nbthread 1
    maxconn 5000
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-ciphersuites {CIPHER}
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend public
    bind 127.0.0.1:{port} ssl crt {settings_in(directory).tls_dir / SERVED_FILE}
    default_backend spice
backend spice
    server one unix@{directory / SOCKET}
"""
    )
    return ["haproxy", "-db", "-f", str(config)]


def _websockify(directory: Path, port: int) -> list[str]:
    served = settings_in(directory).tls_dir / SERVED_FILE
    return ["websockify", f"--cert={served}", f"--key={served}", "--ssl-only", "--ssl-version=tlsv1_3",
            f"--unix-target={directory / SOCKET}", f"127.0.0.1:{port}"]  # fmt: skip


COMMANDS = {"gateway": _gateway, "haproxy": _haproxy, "websockify": _websockify}


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until_s = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < until_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(pid: int) -> list[int]:
    """A process and its children, theirs too."""
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _parent(entry: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0


def _times(pid: int) -> float:
    """Of a process and of its ended children."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return sum(int(word) for word in words[11:15]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
