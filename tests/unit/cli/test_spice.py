"""`frazil spice …` on a server of our own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frazil.cli import connection, display
from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.spice.inputs_channel import Key, MousePosition, MousePress
from frazil.viewer import Screenshot
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.harness.spice_commands import serving, told


def test_what_a_server_tells(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(SpiceDesktop(agent=True)) as address:
        found = told(capsys, "info", address)
        assert (found["name"], found["width"], found["height"]) == ("office-7", captures.WIDTH, captures.HEIGHT)
        assert found["agent"] is True
        assert found["channels"] == ["display-0", "inputs-0", "cursor-0"]
        assert run(["spice", "info", address]) == Exit.DONE
        people = capsys.readouterr().out
        assert "96 x 64" in people
        assert "lz-rgb" in people


def test_a_screenshot_is_the_servers_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(SpiceDesktop(picture="quic")) as address:
        found = told(capsys, "screenshot", address, str(tmp_path / "seen.png"), "--settle", "0.05")
        assert found == {"file": str(tmp_path / "seen.png"), "width": captures.WIDTH, "height": captures.HEIGHT}
        assert np.array_equal(Screenshot.load(tmp_path / "seen.png").rgb, captures.screen("quic"))
        assert run(["spice", "screenshot", address, str(tmp_path / "none" / "seen.png")]) == Exit.WRONG_CALL
        assert run(["spice", "screenshot", address, "seen.png", "--display", "2"]) == Exit.NOT_FOUND


def test_keys_and_clicks_arrive(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SpiceDesktop()
    with serving(fake) as address:
        assert told(capsys, "type", address, r"a\n") == {"keys": 2}
        monkeypatch.setattr("sys.stdin", io.StringIO("b"))
        assert told(capsys, "type", address, "-") == {"keys": 1}
        assert told(capsys, "press", address, "ctrl+c", "enter") == {"keys": 2}
        assert told(capsys, "click", address, "30", "40", "--button", "right")["button"] == "right"
        assert run(["spice", "type", address, "ő"]) == Exit.WRONG_CALL
        assert run(["spice", "type", address, "-", "--password-stdin"]) == Exit.WRONG_CALL
    codes = [record.code for _, record in fake.heard if isinstance(record, Key)]
    assert codes == [0x1E, 0x9E, 0x1C, 0x9C, 0x30, 0xB0, 0x1D, 0x2E, 0xAE, 0x9D, 0x1C, 0x9C]
    pressed = [record for _, record in fake.heard if isinstance(record, (MousePosition, MousePress))]
    assert pressed[0] == MousePosition(x=30, y=40, buttons=0, display_id=0)
    assert pressed[1:] == [MousePress(button=3, buttons=4), MousePress(button=3, buttons=0)]


def test_changes_are_said_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(SpiceDesktop()) as address:
        words = ["spice", "watch", address, "--every", "0.05", "--for", "0.2", "--save", str(tmp_path / "kept")]
        assert run([*words, "--json"]) == Exit.DONE
        first, *more = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert first["changed"] is None
        assert first["drawings"] > 5
        assert more == []
        assert np.array_equal(Screenshot.load(first["file"]).rgb, captures.screen("lz"))
        assert run(words) == Exit.DONE
        assert "the whole screen" in capsys.readouterr().out
        (tmp_path / "file").touch()
        assert run(["spice", "watch", address, "--save", str(tmp_path / "file" / "x")]) == Exit.WRONG_CALL


def test_a_password_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(SpiceDesktop(password=b"right")) as address:
        assert run(["spice", "info", address]) == Exit.REFUSED
        assert "does not take this password" in capsys.readouterr().err
        monkeypatch.setattr("sys.stdin", io.StringIO("right\n"))
        told(capsys, "info", address, "--password-stdin")


def test_a_pools_name_opens_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Controller:
        """As far as it is asked here."""

        def __enter__(self) -> Controller:
            return self

        def __exit__(self, *_: object) -> None: ...

        def viewer_file(self, session_id: str, *, wait_s: float) -> str:
            asked.append(session_id)
            port = address.rpartition(":")[2]
            return f"[virt-viewer]\ntype=spice\nhost=127.0.0.1\nport={port}\n"

    class Session:
        id = "session-1"

    def ready(_client: Controller, pool: str, **_: object) -> Session:
        asked.append(pool)
        return Session()

    monkeypatch.setattr(connection, "connect", Controller)
    monkeypatch.setattr(display, "ready", ready)
    with serving(SpiceDesktop()) as address:
        told(capsys, "info", "office")
    assert asked == ["office", "session-1"]


@pytest.mark.parametrize(
    ("where", "code"),
    [("http://desk", Exit.WRONG_CALL), ("none.vv", Exit.WRONG_CALL), ("spice+unix:///none", Exit.FAILED)],
)
def test_what_can_not_be_opened_is_said(where: str, code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["spice", "info", where]) == code
    assert capsys.readouterr().err.strip().endswith(".")


def test_who_looks_at_no_desktop_does_not_wait_for_numpy() -> None:
    asked = "import sys, frazil.cli.main; print({'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
