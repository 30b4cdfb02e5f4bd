"""People of a file who each open a desktop; on a controller that is as much of one as is asked here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from frazil.cli import crowd
from frazil.cli.crowd import Crowd
from frazil.model.errors import Conflict, FrazilError, InvalidInput, Refused, Unavailable


@dataclass
class Session:
    id: str
    user_name: str


@dataclass
class Controller:
    """Open sessions, who is signed in, and what `Client` asks of it."""

    sessions: list[Session] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    closed: int = 0
    broken: bool = False


class FakeClient:
    controller: Controller

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def remote(cls, url: str, *, ca: Path | None, token: SecretStr | None = None) -> FakeClient:
        assert url == "https://desk"
        return cls(token.get_secret_value() if token else "")

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None: ...

    def sign_in(self, name: str, password: SecretStr) -> object:
        if password.get_secret_value() != f"password of {name}":
            raise Refused("Name and password do not fit.")
        self.name = name
        self.controller.signed_in.append(name)
        return type("Login", (), {"csrf_token": "c"})()

    def make_token(self, _request: object, *, csrf_token: str) -> object:
        self.controller.tokens.add(f"of {self.name}")
        return type("Token", (), {"token": self.name, "id": f"of {self.name}"})()

    def delete_token(self, token_id: str) -> None:
        self.controller.tokens.remove(token_id)

    def sign_out(self, *, csrf_token: str) -> None:
        raise Unavailable("Just now.")  # which is no harm

    def sessions(self) -> list[Session]:
        """Everybody's, as a helpdesk sees them."""
        if self.controller.broken:
            raise Unavailable("Away.")
        return list(self.controller.sessions)

    def end_session(self, session_id: str) -> None:
        self.controller.sessions = [one for one in self.controller.sessions if one.id != session_id]

    def viewer_file(self, session_id: str, *, wait_s: float) -> str:
        return f"[virt-viewer]\ntype=spice\nhost={session_id}\nport=5900\n"

    def close(self) -> None:
        self.controller.closed += 1


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    made = Controller([Session("old-of-anna", "anna"), Session("of-zoe", "zoe")])
    FakeClient.controller = made

    def ready(client: FakeClient, pool: str, **_: object) -> Session:
        if pool == "full":
            raise Conflict("No desktop is free.")
        session = Session(f"new-of-{client.name}", client.name)
        made.sessions.append(session)
        return session

    monkeypatch.setattr(crowd, "Client", FakeClient)
    monkeypatch.setattr(crowd, "ready", ready)
    monkeypatch.setattr("frazil.cli.connection.public_place", lambda: ("https://desk", None))
    return made


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text("name,password\nanna,password of anna\nbela,password of bela\ncili,something else\n")
    return file


def test_each_has_a_desktop_and_leaves_what_was_there(controller: Controller, people: Path) -> None:
    anna, bela = crowd.read(people, most=2)
    many = Crowd("office", timeout_s=5)
    assert [many.open(one).host for one in (anna, bela)] == ["new-of-anna", "new-of-bela"]
    assert controller.signed_in == ["anna", "bela"]
    assert len(controller.tokens) == 2
    assert many.leave() == 0
    assert not controller.tokens
    assert [session.id for session in controller.sessions] == ["old-of-anna", "of-zoe"]
    assert controller.closed == 2


def test_who_gets_no_desktop_is_told_why(controller: Controller, people: Path) -> None:
    anna, _, cili = crowd.read(people, most=None)
    many = Crowd("full", timeout_s=5)
    with pytest.raises(Conflict, match="No desktop is free"):
        many.open(anna)
    with pytest.raises(Refused):
        many.open(cili)
    controller.broken = True
    assert many.leave() == 1


def test_a_file_without_what_it_takes_is_refused(people: Path) -> None:
    with pytest.raises(InvalidInput, match="has 3 people, not 4"):
        crowd.read(people, most=4)
    people.write_text("name\nanna\n")
    with pytest.raises(InvalidInput, match="no password for anna"):
        crowd.read(people, most=None)


def test_who_waits_for_a_desktop_gives_up_when_it_is_stopped(controller: Controller) -> None:
    many = Crowd("office", timeout_s=5)
    many._pause(0.001)
    many.stop()
    with pytest.raises(FrazilError, match="was ended before"):
        many._pause(60)
