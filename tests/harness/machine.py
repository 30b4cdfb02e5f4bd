"""A machine of its own on this one: namespaces for mounts, network and processes, with a libvirt of their own.

What is killed or broken in it is seen by nobody else, and all of it ends at once with its first process. The loopback
is its own too, so that no port of it is reached from outside; UNIX sockets below a shared directory are. It has a boot
id of its own, another one after each reboot.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.harness.processes import descendants, end
from tests.harness.waiting import until

INIT = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
os.write(1, b"up\\n")
while True:
    signal.sigwait([signal.SIGCHLD])
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""
"""Process 1: takes in what loses its parent, as a daemon does, and lets go of it when it ends.

The signal is blocked, or one that comes between two waits is lost and a zombie stays: libvirt then takes a QEMU that
ended for one that can't be killed.
"""

OWN = {
    "/etc/libvirt": "etc",
    "/var/lib/libvirt": "lib",
    "/var/log/libvirt": "log",
    "/var/cache/libvirt": "cache",
}
"""libvirt's directories, each a copy in the machine: QEMU's capabilities are not probed again."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROBLEM = "this machine's namespaces can't be made"


class Machine:
    """Made below `place`. `enter` is what a command is put behind to be run inside.

    memory_cgroup: a memory cgroup (v1) that is the root of them in there, so that QEMUs stay below it.
    """

    def __init__(self, place: Path, *, memory_cgroup: Path | None = None) -> None:
        self._own = own = place / "machine"
        own.mkdir(mode=0o755)
        cgroups = own / "cgroup"
        cgroups.mkdir()
        self._mounts = mounts = [
            "mount -t tmpfs -o mode=755 tmpfs /run",
            f"mount --bind {own / BOOT_ID.name} {BOOT_ID}",
            f"mount --rbind /sys/fs/cgroup {cgroups}",
            "mount -t sysfs sysfs /sys",  # libvirt writes to the bridges' ports here: those of this network namespace
            f"mount --rbind {cgroups} /sys/fs/cgroup",
        ]
        if memory_cgroup is not None:
            mounts.append(f"mount --bind {memory_cgroup} /sys/fs/cgroup/memory")
        for path, name in OWN.items():
            target = own / name
            if name in ("etc", "cache"):
                subprocess.run(["cp", "-a", path, str(target)], check=True)
            else:
                target.mkdir(mode=0o755)
            mounts.append(f"mount --bind {target} {path}")
        for old in (own / "etc" / "qemu").glob("networks/**/*.xml"):
            old.unlink()
        self._boot()

    def _boot(self) -> None:
        """Start its first process."""
        own = self._own
        (own / BOOT_ID.name).write_text(f"{uuid.uuid4()}\n")
        script = f'{" && ".join(self._mounts)} && ip link set lo up && exec {sys.executable} -c "$1"'
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        argv += ["--mount-proc", "sh", "-c", script, "init", INIT]
        with (own / "init.log").open("wb") as log:  # unshare complains when the machine ends by being killed
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd="/"
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n", f"{PROBLEM}: {(own / 'init.log').read_text()}"
        self.init = until(lambda: next(descendants(self._process.pid), 0), "the machine's first process")

    @property
    def enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--mount", "--net", "--pid", "--"]

    def processes(self, program: str) -> list[int]:
        """The processes in it that run `program` (a name as in comm), as the outside numbers them."""
        found = []
        for pid in descendants(self.init):
            comm = Path(f"/proc/{pid}/comm")
            if comm.exists() and comm.read_text().strip() == program:
                found.append(pid)
        return found

    @property
    def root(self) -> Path:
        """Its root directory, as the outside sees it."""
        return Path(f"/proc/{self.init}/root")

    @property
    def boot_id(self) -> str:
        """What the kernel says in there of this boot (random(4))."""
        return (self._own / BOOT_ID.name).read_text().strip()

    def reboot(self) -> None:
        """Lose power and boot anew: everything in it has ended at once, and what was in /run is gone."""
        self.close()
        self._boot()

    def close(self) -> None:
        """End everything in it."""
        end(self.init, signal.SIGKILL)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(timeout=30)


def possible() -> bool:
    """Whether namespaces and the tools for them are here."""
    return all(shutil.which(program) for program in ("unshare", "nsenter", "setpriv", "ip"))
