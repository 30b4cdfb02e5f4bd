"""`frazil spice load` on servers of our own; with people, on a controller that is as much of one as is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.spice.display_channel import DisplayServer
from frazil.spice.inputs_channel import Key
from frazil.spice.records import encode
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.spice_commands import ctrl_c, serving, told

ANSWER = [(int(DisplayServer.DRAW_COPY), encode(put(Artist(5, 96, 64).picture(32, 20), left=3, top=5)))]


@contextmanager
def several(count: int) -> Iterator[tuple[list[str], list[SpiceDesktop]]]:
    fakes = [SpiceDesktop(echo=ANSWER) for _ in range(count)]
    with ExitStack() as stack:
        yield [stack.enter_context(serving(fake)) for fake in fakes], fakes


def test_what_was_measured_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with several(2) as (addresses, fakes):
        found = told(
            capsys, "load", *addresses, "--seconds", "2", "--keys-per-second", "20", "--answers-in", "0,0,96,64"
        )
    assert (found["asked_viewers"], found["viewers"], found["failures"]) == (2, 2, [])
    took, keys = found["key_to_picture_ms"], found["keys"]
    assert isinstance(took, dict)
    assert isinstance(keys, int)
    assert 0 < took["p50"] <= took["p95"] <= took["p99"] <= took["max"]
    assert keys >= 2
    for name in ("drawings", "received_bytes", "sent_bytes", "cpu_s"):
        value = found[name]
        assert isinstance(value, (int, float))
        assert value > 0, name
    assert all(any(isinstance(record, Key) for _, record in fake.heard) for fake in fakes)


def test_people_read_it_too_with_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with several(1) as (addresses, _):
        words = ["spice", "load", *addresses, "spice+unix:///none", "--seconds", "2", "--keys-per-second", "20"]
        assert run(words) == Exit.DONE
    said = capsys.readouterr().out
    assert "1 of 2" in said
    assert "p95" in said
    assert "can't be reached" in said


def test_when_nothing_was_measured_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["spice", "load", "spice+unix:///none", "--json"]) == Exit.FAILED
    found = json.loads(capsys.readouterr().out)
    assert found["failures"][0]["code"] == "unavailable"
    assert found["key_to_picture_ms"] is None


def test_ctrl_c_ends_it_with_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with several(1) as (addresses, fakes):

        def typed() -> bool:
            return sum(isinstance(record, Key) for _, record in fakes[0].heard) > 4

        with ctrl_c(typed):
            assert run(["spice", "load", *addresses, "--seconds", "900", "--json"]) == Exit.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["key_to_picture_ms"]["p50"] > 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--pool", "office"],
        ["--people", "people.csv"],
        ["spice://a:1", "--pool", "office", "--people", "people.csv"],
        ["spice://a:1", "--viewers", "2"],
        ["spice://a:1", "--answers-in", "1,2,3"],
        ["spice://a:1", "--answers-in", "9,9,3,3"],
        ["--pool", "office", "--people", "none.csv"],
        ["--pool", "office", "--people", "people.csv", "--viewers", "3"],
        ["--pool", "office", "--people", "names.csv"],
    ],
)
def test_what_makes_no_sense_is_said(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("name,password\nanna,correct horse\nbela,battery staple\n")
    (tmp_path / "names.csv").write_text("name\nanna\n")
    assert run(["spice", "load", *words]) == Exit.WRONG_CALL
