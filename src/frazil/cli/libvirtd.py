"""libvirt's daemon: found, started by the service manager, or started by us where there is none.

What is started here is the distribution's own daemon with its own configuration, so that `virsh` and every other tool
find it where they look for it. It outlives Frazil and each installation's directories: it logs where it always does.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from frazil.model.errors import HostError, InvalidInput, Unavailable

SYSTEM_URI = "qemu:///system"
RUN = Path("/run/libvirt")
SYSTEMD = Path("/run/systemd/system")
DAEMON = Path("/usr/sbin/libvirtd")
LOG_DAEMON = Path("/usr/sbin/virtlogd")
LOGS = Path("/var/log/libvirt")
"""Each program that libvirtd starts opens its log first: were it gone, not even iptables would run."""
START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 130.0
"""libvirt may first probe QEMU for 100 s (see `doctor.kvm_device`)."""


class How(Enum):
    """How the daemon came to run."""

    ALREADY = "it ran already"
    SERVICE = "started by the service manager"
    PRIVATE = "started by Frazil, as there is no service manager"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the daemon and its sockets are; the system's own by default."""

    run: Path = RUN
    systemd: Path = SYSTEMD
    daemon: Path = DAEMON
    log_daemon: Path = LOG_DAEMON
    logs: Path = LOGS


def is_listening(path: Path) -> bool:
    """Whether somebody accepts connections on this UNIX socket."""
    return listener(path) is not None


def listener(path: Path) -> int | None:
    """The process that listens on this UNIX socket (unix(7), SO_PEERCRED).

    None when nobody does; 0 when it is a process that can't be seen from here.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except OSError:
            return None
        pid, _uid, _gid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def sockets(places: Places = Places()) -> tuple[Path, ...]:
    """Where the daemons listen that must run: libvirt's own, and the one that keeps QEMU's output."""
    of_daemon = next((path for path in _of_daemon(places) if is_listening(path)), _of_daemon(places)[0])
    return (of_daemon, places.run / "virtlogd-sock")


def _of_daemon(places: Places) -> tuple[Path, ...]:
    return tuple(places.run / name for name in ("libvirt-sock", "virtqemud-sock"))


def daemon_listens(places: Places = Places()) -> bool:
    """Whether a libvirt daemon (libvirtd, or virtqemud of the modular ones) takes connections."""
    return any(is_listening(path) for path in _of_daemon(places))


def start(*, places: Places = Places()) -> bool:
    """Start those of the daemons that do not run; whether one had to be. Where there is no service manager.

    Raises HostError with the end of the daemon's log when one does not start.
    """
    started = False
    for path, program in zip(sockets(places)[::-1], (places.log_daemon, places.daemon), strict=True):
        if is_listening(path):
            continue
        places.logs.mkdir(parents=True, exist_ok=True)
        try:
            _daemon(program, log=places.logs / f"{program.name}.log")
        except HostError:
            if not is_listening(path):  # else somebody else was faster
                raise
        started = True
    return started


def ensure_running(*, uri: str = SYSTEM_URI, places: Places = Places()) -> How:
    """Have a libvirt daemon that answers. Needs root when one must be started.

    Raises InvalidInput when `uri` is not this machine's system daemon and nothing answers there, HostError with the
    end of the daemon's log when it does not start, Unavailable when it started and does not answer.
    """
    if daemon_listens(places):
        answers(uri)
        return How.ALREADY
    if uri != SYSTEM_URI:
        raise InvalidInput(
            f"Nothing listens for libvirt at {uri}.",
            remedy=f"Start that daemon, or leave libvirt_uri at {SYSTEM_URI}, which Frazil starts by itself.",
        )
    if not places.daemon.exists():
        raise HostError("libvirt's daemon is not installed.", remedy="apt-get install libvirt-daemon-system")
    if places.systemd.is_dir():
        _run(["systemctl", "start", "virtlogd.socket", "libvirtd.service"], log=None)
        how = How.SERVICE
    else:
        start(places=places)
        how = How.PRIVATE
    answers(uri)
    return how


def answers(uri: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
    """Return when libvirt at `uri` answers a question about its QEMU driver; Unavailable otherwise."""
    try:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", uri, "list", "--name"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=_environment(),
        )
    except FileNotFoundError as exc:
        raise HostError("virsh is not installed.", remedy="apt-get install libvirt-clients") from exc
    except subprocess.TimeoutExpired as exc:
        raise Unavailable(
            f"libvirt takes connections and does not answer within {timeout_s:.0f} s.",
            remedy=f"Look into its log (journalctl -u libvirtd, or {LOGS}/libvirtd.log) and start it anew.",
        ) from exc
    if done.returncode != 0:
        raise Unavailable(f"libvirt at {uri} answers: {done.stderr.strip()}", remedy="frazil doctor")


def _daemon(program: Path, *, log: Path) -> None:
    """Start a daemon that goes to the background by itself and returns only when it is ready to be connected to."""
    # 3 is "warnings and worse"
    _run([str(program), "--daemon"], log=log, extra={"LIBVIRT_LOG_OUTPUTS": f"3:file:{log}"})


def _run(argv: list[str], *, log: Path | None, extra: dict[str, str] | None = None) -> None:
    try:
        # the daemon inherits these descriptors and lives on: a pipe would never come to its end
        with open(log or os.devnull, "ab") as out:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=START_TIMEOUT_S,
                check=False,
                start_new_session=True,
                cwd="/",
                env=_environment() | (extra or {}),
            )
    except subprocess.TimeoutExpired as exc:
        raise HostError(
            f"`{' '.join(argv)}` did not come up within {START_TIMEOUT_S:.0f} s.", remedy=_where(log)
        ) from exc
    if done.returncode != 0:
        raise HostError(f"`{' '.join(argv)}` ended with {done.returncode}.{_tail(log)}", remedy=_where(log))


def _environment() -> dict[str, str]:
    """A daemon's environment: nothing of the caller's session, which would send libvirt to other directories."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    return " It said: " + " / ".join(lines) if lines else ""


def _where(log: Path | None) -> str:
    return f"Its log is {log}." if log else "See: systemctl status libvirtd virtlogd"
