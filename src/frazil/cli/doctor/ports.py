"""The one public port: whether it is free, and if not, who has it."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from frazil.cli.doctor.finding import Check, Finding, Level

NAME = "port"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens."""

    pid: int
    command: str


def split(listen: str) -> tuple[str, int]:
    """The address and port in ``ADDRESS:PORT`` (IPv6 in brackets). Raises ValueError when it is not that."""
    address, _, port = listen.rpartition(":")
    number = int(port)
    if not 0 <= number <= 65535:
        raise ValueError(f"{number} is not a port")
    return address.strip("[]") or "0.0.0.0", number


def holders(port: int, *, proc: Path = Path("/proc")) -> list[Holder]:
    """The processes that listen on a TCP port, as far as this user may see."""
    inodes: set[str] = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            rows = (proc / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            parts = row.split()
            if parts[3] == "0A" and int(parts[1].rpartition(":")[2], 16) == port:  # 0A: TCP_LISTEN
                inodes.add(f"socket:[{parts[9]}]")
    found = []
    for directory in proc.iterdir():
        if not directory.name.isdigit() or not inodes:
            continue
        try:
            if any(os.readlink(link) in inodes for link in (directory / "fd").iterdir()):
                command = (directory / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(Holder(int(directory.name), command))
        except OSError:
            continue  # it ended meanwhile, or is not ours to look into
    return sorted(found, key=lambda holder: holder.pid)


def look(listen: str, *, ours: frozenset[int] = frozenset()) -> Finding:
    """Whether the port in `listen` can be taken. Processes in `ours` are Frazil's own and may have it."""
    try:
        address, port = split(listen)
    except ValueError as exc:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"The setting listen = {listen!r} is not an address and a port: {exc}.",
            means="Frazil does not know where to listen.",
            mend="echo 'listen = \"0.0.0.0:8443\"'   # like this in /etc/frazil/frazil.toml",
        )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as exc:
            return _refused(exc, address=address, port=port, ours=ours)
    return Finding(check=NAME, level=Level.OK, what=f"Port {port} is free.")


def _refused(exc: OSError, *, address: str, port: int, ours: frozenset[int]) -> Finding:
    if exc.errno == errno.EADDRINUSE:
        who = holders(port)
        if who and all(holder.pid in ours for holder in who):
            return Finding(check=NAME, level=Level.OK, what=f"Port {port} is Frazil's own.")
        if not who and os.geteuid() != 0:
            return Finding(
                check=NAME,
                level=Level.WARNING,
                what=f"Port {port} is in use; only root sees by whom.",
                means="If Frazil runs, it is Frazil's own.",
                mend="sudo frazil doctor",
            )
        names = (
            ", ".join(f"{holder.command} (process {holder.pid})" for holder in who) or "a process that can't be seen"
        )
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"Port {port} is in use by {names}.",
            means="The portal can't be reached there; Frazil does not start.",
            mend=f"ss -ltnp 'sport = :{port}'   # stop that, or set another port: listen in /etc/frazil/frazil.toml",
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"This machine has no address {address}.",
            means="Frazil can't listen there.",
            mend="ip -brief address   # choose one of these for listen in /etc/frazil/frazil.toml",
        )
    if exc.errno == errno.EACCES:
        return Finding(
            check=NAME,
            level=Level.WARNING,
            what=f"Only root may take port {port}.",
            means="It could not be tried; Frazil is started by root and takes it then.",
            mend="sudo frazil doctor",
        )
    return Finding(
        check=NAME,
        level=Level.FAILED,
        what=f"Port {port} on {address} can't be taken: {exc.strerror}.",
        means="Frazil can't listen there.",
        mend="ip -brief address",
    )


def check(listen: str, *, ours: frozenset[int] = frozenset()) -> Check:
    return Check(name=NAME, look=lambda: look(listen, ours=ours))
