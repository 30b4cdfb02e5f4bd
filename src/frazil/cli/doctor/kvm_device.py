"""The KVM device: whether there is one, and whether the user that runs QEMU may open it.

libvirt runs QEMU as an own user. When the device exists but that user may not open it, libvirt doubts what it knows
of QEMU and probes it anew at every start of a desktop: about 25 times, 100 s.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from frazil.cli.doctor.finding import Check, Finding, Level

DEVICE = Path("/dev/kvm")
QEMU_CONF = Path("/etc/libvirt/qemu.conf")
DEFAULT_USER = "libvirt-qemu"
NAME = "kvm-device"
UDEV_RULE = 'KERNEL=="kvm", GROUP="kvm", MODE="0660"'


@dataclass(frozen=True, slots=True)
class QemuUser:
    """Who runs QEMU under libvirt."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def configured_user(conf: Path = QEMU_CONF) -> str:
    """The name (or ``+uid``) of libvirt's `user` setting; Debian's default when it is not set or can't be read."""
    try:
        text = conf.read_text(encoding="utf-8")
    except OSError:
        return DEFAULT_USER
    match = re.search(r'^\s*user\s*=\s*"([^"]+)"', text, re.MULTILINE)
    return match[1] if match else DEFAULT_USER


def qemu_user(conf: Path = QEMU_CONF) -> QemuUser | None:
    """The user that runs QEMU, or None when there is no such user on this machine."""
    name = configured_user(conf)
    try:
        entry = pwd.getpwuid(int(name.removeprefix("+"))) if name.lstrip("+").isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None
    return QemuUser(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def may_open(device: Path, user: QemuUser) -> bool:
    """Whether `user` can open `device` for reading and writing, found by doing so as that user. Needs root."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec 3<>{shlex.quote(str(device))}"],
        user=user.uid,
        group=user.gid,
        extra_groups=user.groups,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=10,
        check=False,
        cwd="/",
    )
    return done.returncode == 0


def look(device: Path = DEVICE, conf: Path = QEMU_CONF) -> Finding:
    """The state of the KVM device."""
    if not device.exists():
        return Finding(
            check=NAME,
            level=Level.WARNING,
            what=f"There is no KVM device ({device}).",
            means="Desktops are emulated: everything works, five to twenty times slower.",
            mend="modprobe kvm_intel || modprobe kvm_amd   # and switch on VT-x or AMD-V in the firmware or the cloud",
        )
    if not stat.S_ISCHR(device.stat().st_mode):
        return Finding(
            check=NAME,
            level=Level.WARNING,
            what=f"{device} is not a device but an ordinary file.",
            means="Desktops are emulated: everything works, five to twenty times slower.",
            mend=f"rm {device} && modprobe kvm_intel || modprobe kvm_amd",
        )
    user = qemu_user(conf)
    if user is None:
        return Finding(
            check=NAME,
            level=Level.FAILED,
            what=f"The user {configured_user(conf)} that runs QEMU for libvirt does not exist.",
            means="libvirt can't start any desktop.",
            mend="apt-get install --reinstall libvirt-daemon-system",
        )
    if os.geteuid() != 0:
        return Finding(
            check=NAME,
            level=Level.OK,
            what=f"{device} is there. Only root can try whether QEMU's user {user.name} may open it.",
        )
    if may_open(device, user):
        return Finding(check=NAME, level=Level.OK, what=f"QEMU's user {user.name} may open {device}.")
    about = device.stat()
    return Finding(
        check=NAME,
        level=Level.WARNING,
        what=f"QEMU's user {user.name} may not open {device} (mode {stat.S_IMODE(about.st_mode):04o}, "
        f"owner {_owner(about.st_uid)}, group {_group(about.st_gid)}).",
        means="Desktops are emulated, and libvirt probes QEMU anew at every start of one, which takes about 100 s.",
        mend=f"chown root:kvm {device} && chmod 0660 {device}"
        f"   # for good: echo '{UDEV_RULE}' > /etc/udev/rules.d/60-kvm.rules",
    )


def repair(device: Path = DEVICE) -> None:
    """Give the device the owner and mode that Debian's udev gives it. Does nothing where there is none."""
    if device.exists():
        os.chown(device, 0, grp.getgrnam("kvm").gr_gid)
        device.chmod(0o660)


def check() -> Check:
    return Check(name=NAME, look=look, repair=repair)


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
