"""A class that goes through a day as `docs/howto/class.md` has it: administrator and helpdesk type those commands.

What pupils do at their desktops is the test's; all that is asked of Frazil for them, and what it must say, is here.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pytest

from frazil.model.desktop import Phase
from frazil.model.errors import NotSignedIn
from frazil.wire.rest import Desktop
from tests.harness.howto import DOCS, Shell, blocks
from tests.harness.stack import PASSWORD, Person, Stack
from tests.harness.waiting import until

HOWTO = DOCS / "howto" / "class.md"
POOL, GROUP = "lessons", "class-7"
SPARES = 2
CALLER, HELPER = "bela.nagy", "hedy"
"""Who calls the helpdesk, and who answers."""
NEW_PASSWORD = "seven green apples"
HEADING = "name;display_name\n"
FIRST = "anna.kis;Anna Kis\nbela.nagy;Béla Nagy\n"
"""The list's beginning, as the how-to shows it."""
PLACE = "https://desktops.example.org"
SHOWN = "lessons-4"
"""The caller's desktop in the how-to."""
REFUSED = 4


class School:
    """At a stack that is up. `place`: an empty directory for two machines, the administrator's and the helpdesk's."""

    def __init__(self, stack: Stack, place: Path, *, pupils: int) -> None:
        assert pupils >= 3, "one signs out, one calls the helpdesk, and one forgets to leave"
        self.stack = stack
        self.office = Shell(place / "office", stack.config)
        elsewhere = place / "elsewhere.toml"
        elsewhere.write_text(f'run_dir = "{place / "nothing"}"\n')
        self.helpdesk = Shell(place / "helpdesk", elsewhere)
        shutil.copy(stack.ca, self.helpdesk.place / "ca.pem")
        self._blocks = blocks(HOWTO)
        self._next = 0
        more = "".join(f"pupil-{n};Pupil №{n}\n" for n in range(3, pupils + 1))
        assert all(f"    {line}\n" in HOWTO.read_text(encoding="utf-8") for line in (HEADING + FIRST).splitlines())
        self.roster = self.office.place / "class-7.csv"
        self.roster.write_text(HEADING + FIRST + more, encoding="utf-8")
        self.names = [line.partition(";")[0] for line in (FIRST + more).splitlines()]

    # --- what the how-to has typed ------------------------------------------------------------------------------------

    def skip(self, words: str) -> None:
        """The next block is just that, and the test does it in its own way."""
        assert self._blocks[self._next].text == words
        self._next += 1

    def type(self, step: int, *, instead: Mapping[str, str] | None = None) -> str:
        """Type the next block, which is below the heading of that number; what was said.

        instead: words of the how-to, and what is typed in their place here: other names, and a file where there is no
        terminal to ask for a password on.
        """
        block = self._blocks[self._next]
        self._next += 1
        text = block.text
        assert block.heading.startswith(f"{step}. "), (step, block)
        for words, typed in (instead or {}).items():
            assert words in text, (words, block)
            text = text.replace(words, typed)
        return (self.helpdesk if block.where == "helpdesk" else self.office).type(text)

    @property
    def is_through(self) -> bool:
        """Whether nothing of the how-to is left."""
        return self._next == len(self._blocks)

    def _password(self, shell: Shell, password: str) -> str:
        """Words of a command that is given a password; its file is only there for it."""
        (shell.place / "password").write_text(password + "\n", encoding="utf-8")
        return " --password-stdin < password"

    # --- its steps ----------------------------------------------------------------------------------------------------

    def make_pool(self, *, timeout_s: float) -> set[str]:
        """Step 2: the ids of the first desktops that are ready."""
        assert POOL in self.type(2)
        return {one.id for one in self.stack.desktops(POOL, count=SPARES, timeout_s=timeout_s)}

    def let_in(self) -> dict[str, Person]:
        """Steps 3 and 4: everybody, by name, signed in with what was handed out to them."""
        said = self.type(3)
        assert f"{len(self.names)} users were added." in said
        assert all(name in said for name in self.names), "the group shows who is in it"
        with (self.office.place / "class-7-passwords.csv").open(encoding="utf-8", newline="") as file:
            handed_out = {row["name"]: row["password"] for row in csv.DictReader(file)}
        self.type(4)
        assert handed_out.keys() == set(self.names)
        return {name: self.stack.sign_in(name, handed_out[name]) for name in self.names}

    def appoint(self) -> None:
        """Step 5: the helpdesk is there, on its own machine."""
        words = f"frazil user add {HELPER} --role helpdesk"
        self.type(5, instead={words: words + self._password(self.office, PASSWORD)})
        words = f"--name {HELPER}"
        self.type(5, instead={PLACE: self.stack.url, words: words + self._password(self.helpdesk, PASSWORD)})

    def look_in(self) -> None:
        """Step 6: all of them are there."""
        said = self.type(6)
        assert all(name in said for name in self.names)

    def look_at(self) -> tuple[Desktop, Path]:
        """Step 7, the first part: the caller's desktop as the helpdesk finds it, and its picture."""
        sessions = json.loads(self.helpdesk.type("frazil session list --json"))
        assert {one["user_name"] for one in sessions} == set(self.names)
        (name,) = (one["desktop"]["name"] for one in sessions if one["user_name"] == CALLER)
        assert name in self.type(7, instead={SHOWN: name})
        return self.stack.root.desktop(name), self.helpdesk.place / "bela.png"

    def restart(self, desktop: Desktop) -> None:
        """Step 7, the second part."""
        self.type(7, instead={SHOWN: desktop.name})

    def give_password(self, caller: Person) -> Person:
        """Step 7, the third part: who knows the old password is out, and the caller is in again."""
        words = f"frazil user passwd {CALLER}"
        self.type(7, instead={words: words + self._password(self.helpdesk, NEW_PASSWORD)})
        self.helpdesk.type(f"frazil user delete {CALLER}", code=REFUSED)
        with pytest.raises(NotSignedIn):
            caller.client.me()
        return self.stack.sign_in(CALLER, NEW_PASSWORD)

    def end_lesson(self, late: str) -> None:
        """Step 8: one has not left, and is sent home with the whole class, which may come again."""
        assert late in self.type(8)
        assert [one.user_name for one in self.stack.root.sessions()] == [late]
        self.type(8)
        assert self.stack.root.sessions() == []
        self.type(8)

    def cleaned(self, gone: Collection[str], *, timeout_s: float) -> list[Desktop]:
        """Step 9: the ready desktops. `gone`: the ids of all that there were."""

        def fresh() -> list[Desktop]:
            left = self.stack.root.desktops(pool=POOL)
            ready = len(left) == SPARES and all(one.phase in (Phase.READY, Phase.PAUSED) for one in left)
            return left if ready else []

        found = until(fresh, "only fresh desktops are left", timeout_s=timeout_s)
        assert not {one.id for one in found} & set(gone)
        said = self.type(9)
        assert "No open sessions." in said
        assert all(one.name in said for one in found)
        return found

    def read_audit(self, helped: Desktop, *, late: str, signed_out_inside: Iterable[str] = ()) -> None:
        """Step 10: it tells the lesson's story."""
        said = self.type(10)
        assert f"The desktop {helped.name} is asked to shut down and start again." in said
        with (self.office.place / "lesson.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        did = Counter((row["user_name"], row["kind"]) for row in rows if row["outcome"] == "done")
        assert did[HELPER, "desktop.restart"] == 1
        assert did[HELPER, "user.password"] == 1
        assert {kind for who, kind in did if who == HELPER} <= {
            "login", "logout", "token.created", "desktop.restart", "user.password"
        }, "the helpdesk did nothing else"  # fmt: skip
        assert [row["desktop_id"] for row in rows if row["kind"] == "desktop.restart"] == [helped.id]
        for name in self.names:
            assert did[name, "login"] == (2 if name == CALLER else 1)
            assert did[name, "session.opened"] == 1
        root = "local root"
        assert did[root, "pool.created"] == did[root, "group.created"] == did[root, "entitlement.revoked"] == 1
        assert did[root, "group.joined"] == len(self.names)
        added = {f"The user {name} was added." for name in self.names} | {f"The helpdesk {HELPER} was added."}
        assert {row["text"] for row in rows if row["kind"] == "user.created" and row["user_name"] == root} >= added
        ended = Counter(row["user_name"] for row in rows if row["kind"] == "session.ended")
        inside = list(signed_out_inside)
        expected = {name: 1 for name in self.names if name not in (late, *inside)} | {root: 1}
        if inside:
            expected[""] = len(inside)
        assert dict(ended) == expected

    def end_year(self) -> None:
        """Step 11: the helpdesk's access is over, and nobody of the class is left."""
        self.helpdesk.type("frazil user list")
        self.type(11)
        self.helpdesk.type("frazil user list", code=REFUSED)
        assert [(user.name, user.role) for user in self.stack.root.users()] == [(HELPER, "user")]
        assert self.stack.root.groups() == []
        assert self.stack.root.pools() == []
