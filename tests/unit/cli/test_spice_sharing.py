"""`frazil spice clipboard` and `send-file` on a server of our own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.spice.agent_messages import FileXferResult
from frazil.spice.inputs_channel import Key
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.spice_commands import ctrl_c, serving, told


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_text_comes_out_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.copied = "two\r\nlines, őze\x1b[2J"
    with serving(fake) as address:
        assert run(["spice", "clipboard", "get", address]) == Exit.DONE
        assert capsys.readouterr().out == "two\nlines, őze\x1b[2J"
        assert told(capsys, "clipboard", "get", address) == {"text": "two\nlines, őze\x1b[2J"}


def test_a_terminal_does_not_obey_what_was_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = SpiceDesktop(agent=True)
    fake.guest.copied = "a\tb\n\x1b[2J"
    with serving(fake) as address:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert run(["spice", "clipboard", "get", address]) == Exit.DONE
        assert capsys.readouterr().out == "a       b\n\N{REPLACEMENT CHARACTER}[2J"


def test_text_goes_in_and_is_pasted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SpiceDesktop(agent=True)
    with serving(fake) as address:
        given(monkeypatch, "from here\n")
        assert told(capsys, "clipboard", "set", address, "--press", "ctrl+v") == {"characters": 10}
    assert fake.guest.pasted == "from here\r\n"
    assert [record.code for _, record in fake.heard if isinstance(record, Key)] == [0x1D, 0x2F, 0xAF, 0x9D]


def test_what_can_not_be_shared_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(SpiceDesktop()) as address:
        assert run(["spice", "clipboard", "get", address]) == Exit.FAILED
        assert "agent is not there" in capsys.readouterr().err
    fake = SpiceDesktop(agent=True)
    fake.guest.pastes = False
    with serving(fake) as address:
        assert run(["spice", "clipboard", "get", address, "--wait", "0.05"]) == Exit.TIMED_OUT
        assert "Nothing was copied" in capsys.readouterr().err
        given(monkeypatch, "x")
        assert run(["spice", "clipboard", "set", address, "--wait", "0.05"]) == Exit.TIMED_OUT
        given(monkeypatch, "")
        assert run(["spice", "clipboard", "set", address]) == Exit.WRONG_CALL
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
        assert run(["spice", "clipboard", "set", address]) == Exit.WRONG_CALL
        assert "no text" in capsys.readouterr().err
    with serving(SpiceDesktop(agent=True, agent_caps=())) as address:
        assert run(["spice", "clipboard", "get", address]) == Exit.REFUSED
        assert "policy" in capsys.readouterr().err


def test_files_arrive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.bin"
    first.write_text("hello")
    second.write_bytes(bytes(200_000))
    fake = SpiceDesktop(agent=True)
    with serving(fake) as address:
        found = told(capsys, "send-file", address, str(first), str(second))
        assert found == {"files": [{"name": "a.txt", "bytes": 5}, {"name": "b.bin", "bytes": 200_000}]}
        assert run(["spice", "send-file", address, str(first)]) == Exit.DONE
        assert "a.txt is on the desktop" in capsys.readouterr().err
    assert fake.guest.stored == {"a.txt": b"hello", "b.bin": bytes(200_000)}


def test_files_that_can_not_arrive_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.txt"
    file.touch()
    fake = SpiceDesktop(agent=True)
    fake.guest.answers = (FileXferResult.NOT_ENOUGH_SPACE, (1000).to_bytes(8, "little"))
    with serving(fake) as address:
        assert run(["spice", "send-file", address, str(file), str(tmp_path / "none")]) == Exit.WRONG_CALL
        assert not fake.heard
        assert run(["spice", "send-file", address, str(file)]) == Exit.FAILED
        assert "1000 are free" in capsys.readouterr().err


def test_ctrl_c_cancels_at_the_desktop_too(tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(1 << 20))
    fake = SpiceDesktop(agent=True)
    fake.guest.answers = None
    with serving(fake) as address, ctrl_c(lambda: bool(fake.guest.coming)):
        assert run(["spice", "send-file", address, str(file)]) == Exit.INTERRUPTED
    assert fake.guest.cancelled == ["large.bin"]
    assert not fake.guest.stored
