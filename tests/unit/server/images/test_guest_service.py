"""The guest service's own logic, without a port: who is signed in, what is answered, how lines are cut."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import pwd
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[4] / "images/common/frazil-guest/files/usr/lib/frazil/frazil-guest"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("frazil_guest_program", str(PROGRAM))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Wire:
    """Stands where the port is and keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def test_lines_are_cut_and_long_ones_dropped_whole(program: ModuleType) -> None:
    lines = program.Lines(8)
    assert lines.feed(b"one\n\ntw") == [b"one"]
    assert lines.feed(b"o\n") == [b"two"]
    assert lines.feed(b"much too long") == []
    assert lines.feed(b" still\nok\n") == [b"ok"]


def test_sessions_and_panel_are_told_once_and_survive_a_restart(program: ModuleType, tmp_path: Path) -> None:
    state, wire = str(tmp_path / "state.json"), Wire()
    desktop = program.Desktop(state, wire.send)
    desktop.note_panel(b"panel root")  # nobody's panel without a session
    desktop.note_session(b"open root")
    desktop.note_session(b"open root")
    desktop.note_panel(b"panel root")
    desktop.note_panel(b"panel root")
    desktop.note_session(b"nonsense")
    assert [message["event"] for message in wire.sent] == ["signed_in", "ready"]
    assert wire.sent[0]["uid"] == 0

    wire.sent.clear()
    again = program.Desktop(state, wire.send)
    again.announce()
    assert [message["event"] for message in wire.sent] == ["signed_in", "ready"]
    again.note_session(b"close root")
    again.note_session(b"close root")
    assert wire.sent[-1]["event"] == "signed_out"
    assert {**again.snapshot(), "ready": False, "ready_user": None, "users": []} == again.snapshot()


def test_a_broken_state_file_is_no_end(program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("[]")
    assert program.Desktop(str(tmp_path / "state.json"), Wire().send).snapshot()["users"] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": 7, "call": "ping"}', {"id": 7, "ok": True}),
        ('{"id": 8, "call": "state", "args": {}}', {"id": 8, "ok": True}),
        ('{"id": 9, "call": "no-such"}', {"id": 9, "ok": False, "code": "unknown-call"}),
        ('{"id": 9, "call": 5}', {"id": 9, "ok": False, "code": "unknown-call"}),
        ('{"id": 1, "call": "ping", "args": 3}', {"id": 1, "ok": False, "code": "bad-args"}),
        ("[]", {"id": None, "ok": False, "code": "bad-json"}),
        ("{", {"id": None, "ok": False, "code": "bad-json"}),
    ],
)
def test_calls(program: ModuleType, tmp_path: Path, line: str, expected: dict[str, object]) -> None:
    answer = program.Service(Wire(), str(tmp_path / "state.json")).answer(line.encode())
    assert (answer["id"], answer["ok"]) == (expected["id"], expected["ok"])
    assert answer.get("error", {}).get("code") == expected.get("code")
    json.dumps(answer)


TOKEN = "t" * 43


class Machine:
    """A seat whose accounts and units are only noted, for want of a machine to make them on."""

    def __init__(self, program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: list[tuple[str, ...]] = []
        self.removed: list[str] = []
        self.wire = Wire()
        seat = sys.modules["seat"]
        account = pwd.struct_passwd(("anna", "x", 1001, 1001, "", "/home/anna", "/bin/bash"))
        scratch = pwd.struct_passwd((seat.SCRATCH_USER, "x", 1002, 1002, "", "/home/x", "/bin/bash"))
        monkeypatch.setattr(seat.accounts, "ensure", lambda user, _: scratch if user == seat.SCRATCH_USER else account)
        monkeypatch.setattr(seat.accounts, "remove", self.removed.append)
        monkeypatch.setattr(seat, "hand_over_screen", lambda uid, gid: None)
        monkeypatch.setattr(seat.Seat.__init__, "__kwdefaults__", {"control": lambda *unit: self.units.append(unit)})
        self.desktop = program.Desktop(str(tmp_path / "state.json"), self.wire.send)
        self.seat = self.desktop.seat
        self.refused = seat.Refused

    def refusal(self, call: str, **args: object) -> str:
        with pytest.raises(self.refused) as caught:
            getattr(self.seat, call)(args)
        return str(caught.value.code)

    def events(self) -> list[str]:
        said = [str(message["event"]) for message in self.wire.sent]
        self.wire.sent.clear()
        return said


@pytest.fixture
def machine(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(program, tmp_path, monkeypatch)


def test_a_person_is_signed_on_and_off(machine: Machine, program: ModuleType, tmp_path: Path) -> None:
    on = {"user": "anna", "full_name": "Anna Kiss", "token": TOKEN}
    assert machine.refusal("sign_on", **on) == "not-waiting"
    assert machine.refusal("sign_off") == "nobody"
    machine.seat.note_screen(b"up")
    assert machine.events() == ["waiting"]
    assert machine.seat.sign_on(on) == {"user": "anna", "uid": 1001}
    assert machine.units == [("start", "frazil-session@anna.service")]
    assert machine.refusal("sign_on", **{**on, "token": "u" * 43}) == "busy"
    machine.desktop.note_session(b"open anna")
    machine.desktop.note_panel(b"panel anna")
    assert machine.events() == ["signed_in", "ready"]
    assert TOKEN not in (tmp_path / "state.json").read_text()
    assert program.Desktop(str(tmp_path / "state.json"), Wire().send).seat.snapshot() == machine.seat.snapshot()

    machine.seat.sign_off({})
    machine.desktop.note_session(b"close anna")
    assert machine.units[1:] == [("stop", "frazil-session@anna.service"), ("restart", "frazil-screen.service")]
    assert machine.events() == ["signed_out"]
    assert machine.seat.snapshot()["sign_on"]["is"] == "left"
    machine.seat.note_screen(b"down")
    machine.seat.note_screen(b"up")
    assert machine.events() == ["waiting"]
    assert machine.refusal("sign_on", **on) == "token-spent"


def test_a_session_that_never_opened_is_said_to_have_failed(machine: Machine) -> None:
    machine.seat.note_screen(b"up")
    machine.seat.sign_on({"user": "anna", "full_name": "", "token": TOKEN})
    machine.desktop.note_session(b"close anna")
    assert machine.seat.snapshot()["sign_on"]["is"] == "failed"


def test_a_trial_session_is_nobodys_and_leaves_nothing(machine: Machine) -> None:
    machine.seat.note_screen(b"up")
    machine.seat.warm({})
    assert machine.refusal("sign_on", user="anna", full_name="", token=TOKEN) == "not-waiting"
    machine.desktop.note_session(b"open frazil-warm")
    machine.desktop.note_panel(b"panel frazil-warm")
    assert machine.units[-1] == ("stop", "frazil-session@frazil-warm.service")
    machine.desktop.note_session(b"close frazil-warm")
    assert machine.removed == ["frazil-warm"]
    machine.seat.note_screen(b"up")
    assert machine.events() == ["waiting", "waiting"], "a trial is nobody's session"
    assert machine.seat.snapshot() == {"waiting": True, "sign_on": None, "warmed": True}


@pytest.mark.parametrize(
    "args",
    [
        {"user": "anna", "full_name": "", "token": "short"},
        {"user": 5, "full_name": "", "token": TOKEN},
        {"user": "anna", "full_name": ""},
    ],
)
def test_what_is_no_sign_on_is_refused(machine: Machine, args: dict[str, object]) -> None:
    machine.seat.note_screen(b"up")
    assert machine.refusal("sign_on", **args) == "bad-args"


@pytest.mark.parametrize("user", ["", "Anna", "a b", "../x", "-x", "a:b", "a" * 40, "x."])
def test_a_name_that_is_none_is_refused(machine: Machine, user: str) -> None:
    machine.seat.note_screen(b"up")
    assert machine.refusal("sign_on", user=user, full_name="", token=TOKEN) == "bad-name"


def test_a_full_name_is_one_field_of_a_line(program: ModuleType) -> None:
    assert sys.modules["accounts"].comment_of("A:b\nroot:x,0") == "A b root x 0"
