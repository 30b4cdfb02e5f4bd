"""A class of twenty, as its school's administrator and its pupils go through a day (docs/howto/people.md).

Frazil's own parts are real; the desktops are those of the hypervisor of files.
"""

from __future__ import annotations

import csv
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from frazil.client import Client
from frazil.model.desktop import Phase
from frazil.model.errors import NotSignedIn, Refused
from frazil.wire.rest import PasswordRequest, SessionRequest, TokenRequest, UserRequest
from tests.harness.stack import PASSWORD, Stack
from tests.harness.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
PUPILS = 20
SPARES = 2


def say(stack: Stack, *words: str, code: int = 0) -> str:
    done = stack.frazil(*words)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def sign_in(stack: Stack, name: str, password: str) -> Client:
    with Client.remote(stack.url, ca=stack.ca) as client:
        login = client.sign_in(name, SecretStr(password))
        made = client.make_token(TokenRequest(name="day"), csrf_token=login.csrf_token)
    return Client.remote(stack.url, token=SecretStr(made.token), ca=stack.ca)


def test_a_class_comes_in_by_csv_works_and_leaves_everything_clean(place: Path) -> None:
    pupils, passwords = place / "class-7.csv", place / "passwords.csv"
    pupils.write_text(
        "name;display_name\n" + "".join(f"pupil{n};Pupil №{n}\n" for n in range(PUPILS)), encoding="utf-8"
    )
    with Stack(fake=True) as stack, ExitStack() as open_clients:
        stack.start()
        stack.empty_image("plain")
        say(stack, "pool", "create", "lessons", "--image", "plain", "--spares", str(SPARES), "--max", "25")
        first = {one.id for one in stack.desktops("lessons", count=SPARES, timeout_s=60)}
        wrong = place / "wrong.csv"
        wrong.write_text("name\npupil0\nPupil One\n")
        assert "Line 3" in say(stack, "user", "import", str(wrong), "--passwords", str(passwords), code=2)
        words = ("user", "import", str(pupils), "--group", "class-7")
        assert "frazil group add class-7" in say(stack, *words, "--passwords", str(passwords), code=3)
        say(stack, "group", "add", "class-7", "--label", "Class 7")
        assert "--passwords" in say(stack, *words, code=2)
        assert not passwords.exists()
        assert [user for user in stack.root.users() if user.name.startswith("pupil")] == []
        assert "20 users were added." in say(stack, *words, "--passwords", str(passwords))
        assert "20 were there already" in say(stack, *words)
        say(stack, "grant", "lessons", "--group", "class-7")

        with passwords.open(encoding="utf-8", newline="") as file:
            secrets = {row["name"]: row["password"] for row in csv.DictReader(file)}
        assert len(secrets) == PUPILS
        clients = {
            name: open_clients.enter_context(sign_in(stack, name, password)) for name, password in secrets.items()
        }
        opened = {name: client.open_session(SessionRequest(pool="lessons")) for name, client in clients.items()}
        used = {one.session.desktop.id for one in opened.values()}
        assert len(used) == PUPILS
        for desktop_id in used:
            stack.phase(desktop_id, Phase.READY, Phase.PAUSED, timeout_s=60)
        assert clients["pupil0"].me().display_name == "Pupil №0"

        told = f'frazil_sessions{{pool="lessons",state="left"}} {PUPILS:.1f}'
        until(lambda: told in stack.root.metrics(), "the measurements tell of all sessions", timeout_s=60)

        # One of them calls the helpdesk, whose role is for just that.
        stack.root.add_user(UserRequest(name="hedy", password=SecretStr(PASSWORD), role="helpdesk"))
        with sign_in(stack, "hedy", PASSWORD) as hedy:
            assert {one.user_name for one in hedy.sessions()} == secrets.keys()
            hedy.act(opened["pupil3"].session.desktop.id, "restart")
            hedy.set_password("pupil3", PasswordRequest(password=SecretStr(PASSWORD)))
            with pytest.raises(Refused):
                hedy.delete_user("pupil3")
        with pytest.raises(NotSignedIn):  # whoever knew the old password could have made that token
            clients["pupil3"].me()
        clients["pupil3"] = open_clients.enter_context(sign_in(stack, "pupil3", PASSWORD))
        stack.phase(opened["pupil3"].session.desktop.id, Phase.READY, Phase.PAUSED, timeout_s=60)

        for name, client in clients.items():
            client.end_session(opened[name].session.id)

        def clean() -> bool:
            left = stack.root.desktops(pool="lessons")
            return len(left) == SPARES and all(one.phase is Phase.READY for one in left)

        until(clean, "only fresh spares are left", timeout_s=60)
        assert not {one.id for one in stack.root.desktops(pool="lessons")} & (used | first)
        assert stack.root.sessions() == []
