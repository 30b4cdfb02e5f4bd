"""A person's account on this machine: made when they are signed on, taken away when it was only a trial."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess

FIRST_UID = 1001
COMMAND_DEADLINE_S = 30.0
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,30}")
_AWAY = re.compile(r"[\x00-\x1f\x7f:,\\]")


class AccountError(Exception):
    """The account can't be made; the text is for a person."""


def check_name(name: str) -> str:
    """The name, if it can be a person's account's; otherwise ValueError."""
    if not _NAME.fullmatch(name) or name.endswith((".", "-")):
        raise ValueError(f"{name!r} can't be an account's name")
    return name


def comment_of(full_name: str) -> str:
    """A full name as it may stand in /etc/passwd: one line, no field separators, 200 characters at most."""
    return " ".join(_AWAY.sub(" ", full_name).split())[:200]


def find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def ensure(name: str, full_name: str) -> pwd.struct_passwd:
    """The person's account, made if it is not there. A name that the system itself uses gets `-user` behind it.

    Own uid and group, a home that nobody else can read, no password. Raises ValueError or AccountError.
    """
    name = check_name(name)
    account = find(name)
    if (account is not None and account.pw_uid < FIRST_UID) or (account is None and _group_exists(name)):
        name = check_name(f"{name}-user")
        account = find(name)
    if account is not None:
        return account
    _run(
        "useradd", "--no-create-home", "--user-group", "--shell", "/bin/bash", "--comment", comment_of(full_name),
        "--no-log-init", "--key", f"UID_MIN={FIRST_UID}", "--key", f"GID_MIN={FIRST_UID}",
        "--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0", name,
    )  # fmt: skip
    account = pwd.getpwnam(name)
    _make_home(account)
    return account


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _make_home(account: pwd.struct_passwd) -> None:
    """Filled under another name, so that a home that is there is whole."""
    home = account.pw_dir
    if os.path.lexists(home):
        raise AccountError(f"{home} is there already, and belongs to no account")
    part = f"{os.path.dirname(home)}/.{account.pw_name}.new"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree("/etc/skel", part, symlinks=True)
    for place, folders, files in os.walk(part):
        for entry in (place, *(os.path.join(place, name) for name in (*folders, *files))):
            os.chown(entry, account.pw_uid, account.pw_gid, follow_symlinks=False)
    os.chmod(part, 0o700)
    os.rename(part, home)


def remove(name: str) -> None:
    """Take an account away with its home. Nothing happens when there is none; never one of the system's."""
    account = find(name)
    if account is None or account.pw_uid < FIRST_UID:
        return
    shutil.rmtree(account.pw_dir, ignore_errors=True)
    _remove_owned("/tmp", account.pw_uid)
    _remove_owned("/var/tmp", account.pw_uid)
    _run("userdel", "--force", name)


def _remove_owned(place: str, uid: int) -> None:
    for entry in os.scandir(place):
        if entry.stat(follow_symlinks=False).st_uid != uid:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise AccountError(f"{command[0]} did not end within {COMMAND_DEADLINE_S:.0f} s") from exc
    if done.returncode != 0:
        raise AccountError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()[:300]}")
