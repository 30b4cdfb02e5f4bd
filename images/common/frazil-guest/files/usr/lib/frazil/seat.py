"""The seat: whether its screen waits for a person, who was signed on there, and with which token.

    screen up, nobody     waiting: a person may be signed on
    signing on            the account is made, the session's unit is started
    signed on             the session is open (`session` note); its panel may be up (`panel` note)
    signed off            the session has ended: the screen is started anew, and then waits again

A token is taken once: its SHA-256 is kept until the machine starts again, and refused after that.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import struct
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import accounts

SCREEN_UNIT = "frazil-screen.service"
SCREEN_AUTHORITY = "/run/frazil-screen/authority"
SESSION_AUTHORITY = "/run/frazil-session/authority"
SCRATCH_USER = "frazil-warm"
COMMAND_DEADLINE_S = 20.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")

Json = dict[str, object]


class Refused(Exception):
    """A call that can't be followed now; `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Kept:
    """What outlives a restart of the service.

    user, token_sha256: the last sign-on that was taken. opened: its session was up. over: it has ended.
    warming: a scratch user's session runs, to fill the caches.
    """

    screen: bool = False
    user: str | None = None
    token_sha256: str | None = None
    opened: bool = False
    over: bool = True
    spent: list[str] = field(default_factory=list)
    warming: bool = False
    warmed: bool = False


def session_unit(user: str) -> str:
    return f"frazil-session@{user}.service"


def systemctl(*args: str) -> None:
    """Ask systemd for something, without waiting for it to be done. Raises OSError."""
    try:
        subprocess.run(
            ["systemctl", "--no-block", *args], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=COMMAND_DEADLINE_S, check=True,
        )  # fmt: skip
    except subprocess.SubprocessError as exc:
        raise OSError(f"systemctl {args[0]}: {exc}") from exc


class Seat:
    """See the module. `save` is called after each change; `tell` sends an event."""

    def __init__(
        self,
        kept: Kept,
        *,
        save: Callable[[], None],
        tell: Callable[[Json], None],
        control: Callable[..., None] = systemctl,
    ) -> None:
        self.kept = kept
        self._save = save
        self._tell = tell
        self._control = control

    @property
    def waiting(self) -> bool:
        """The screen is up and nobody is signed on, nor on the way."""
        return self.kept.screen and self.kept.over and not self.kept.warming

    def snapshot(self) -> Json:
        kept = self.kept
        last = None
        if kept.token_sha256 is not None:
            how = "on" if not kept.over else "left" if kept.opened else "failed"
            last = {"user": kept.user, "token_sha256": kept.token_sha256, "is": how}
        return {"waiting": self.waiting, "sign_on": last, "warmed": kept.warmed}

    def announce(self) -> None:
        if self.waiting:
            self._tell({"event": "waiting", **self.snapshot()})

    def note_screen(self, line: bytes) -> None:
        """`up` once the screen shows its picture, `down` when it has ended; from root."""
        match line:
            case b"up":
                self.kept.screen = True
            case b"down":
                self.kept.screen = False
            case _:
                return
        self._save()
        self.announce()

    # Calls

    def sign_on(self, args: Json) -> Json:
        """Sign a person on: {user, full_name, token}. The session comes up after the answer."""
        user, full_name, token = args.get("user"), args.get("full_name", ""), args.get("token")
        if not isinstance(user, str) or not isinstance(full_name, str) or not isinstance(token, str):
            raise Refused("bad-args", "user, full_name and token must be texts")
        if not _TOKEN.fullmatch(token):
            raise Refused("bad-args", "the token is none")
        digest = hashlib.sha256(token.encode()).hexdigest()
        if any(secrets.compare_digest(digest, one) for one in self.kept.spent):
            raise Refused("token-spent", "this token was used already")
        if not self.kept.over:
            raise Refused("busy", "somebody is signed on")
        if not self.waiting:  # nor while a scratch user's session runs
            raise Refused("not-waiting", "the screen is not up yet")
        try:
            accounts.check_name(user)
        except ValueError as exc:
            raise Refused("bad-name", str(exc)) from exc
        # Spent before anything is done with it: after a crash here it is not taken a second time.
        self.kept.spent.append(digest)
        self._save()
        account = self._make_account(user, full_name)
        self.kept.user, self.kept.token_sha256 = account.pw_name, digest
        self.kept.over, self.kept.opened = False, False
        self._open(account)
        return {"user": account.pw_name, "uid": account.pw_uid}

    def sign_off(self, args: Json) -> Json:
        """End the session that is there; `waiting` follows."""
        if self.kept.over or self.kept.user is None:
            raise Refused("nobody", "nobody is signed on")
        self._control("stop", session_unit(self.kept.user))
        return {}

    def warm(self, args: Json) -> Json:
        """Run a scratch user's session once and remove all of it; `waiting` follows. For a template."""
        if not self.waiting:
            raise Refused("not-waiting", "the screen is not up, or somebody is signed on")
        account = self._make_account(SCRATCH_USER, "")
        self.kept.warming = True
        self._open(account)
        return {}

    def _make_account(self, user: str, full_name: str) -> accounts.pwd.struct_passwd:
        try:
            return accounts.ensure(user, full_name)
        except (accounts.AccountError, ValueError) as exc:
            raise Refused("failed", str(exc)) from exc

    def _open(self, account: accounts.pwd.struct_passwd) -> None:
        self._save()
        try:
            hand_over_screen(account.pw_uid, account.pw_gid)
            self._control("start", session_unit(account.pw_name))
        except OSError:
            self.kept.over, self.kept.warming = True, False
            self._save()
            raise

    # What the session does

    def session_opened(self, user: str) -> None:
        if not self.kept.over and user == self.kept.user:
            self.kept.opened = True
            self._save()

    def panel_up(self, user: str) -> bool:
        """Whether the panel is a person's: a scratch user's ends the warm-up."""
        if not self.kept.warming:
            return True
        self._control("stop", session_unit(user))
        return False

    def session_closed(self, user: str) -> None:
        """The session's unit has ended, and all processes of the user with it."""
        if self.kept.warming and user == SCRATCH_USER:
            accounts.remove(SCRATCH_USER)
            self.kept.warming, self.kept.warmed = False, True
        elif user != self.kept.user:
            return
        self.kept.over = True
        restart = self.kept.screen
        self.kept.screen = False
        self._save()
        if restart:  # one that went by itself is started anew by systemd
            self._control("restart", SCREEN_UNIT)


def hand_over_screen(uid: int, gid: int) -> None:
    """Make a new key of the X server and give it to one user.

    New for each person: the key that was there when the machine was frozen is in each of its forks.
    """
    cookie = secrets.token_bytes(16)
    before = os.stat(SCREEN_AUTHORITY).st_mtime
    _write(SCREEN_AUTHORITY, authority(cookie), 0, 0)
    # X reads it again at the next connection if its time in seconds differs.
    os.utime(SCREEN_AUTHORITY, (before + 1, before + 1))
    os.makedirs(os.path.dirname(SESSION_AUTHORITY), mode=0o755, exist_ok=True)
    _write(SESSION_AUTHORITY, authority(cookie), uid, gid)


def authority(cookie: bytes) -> bytes:
    """An Xauthority file with one key, for any host name and display (Xau(3); 65535 is FamilyWild)."""
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", cookie)
    return struct.pack(">H", 65535) + b"".join(struct.pack(">H", len(one)) + one for one in fields)


def _write(path: str, data: bytes, uid: int, gid: int) -> None:
    part = path + ".new"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fchown(file.fileno(), uid, gid)
        file.write(data)
    os.replace(part, path)


def kept_from(given: object) -> Kept:
    """What was kept as JSON. Raises TypeError or ValueError when it is not that."""
    if not isinstance(given, dict):
        raise TypeError("not an object")
    return Kept(**given)


def kept_json(kept: Kept) -> Json:
    return asdict(kept)
