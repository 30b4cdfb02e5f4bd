"""The commands themselves: help, exit codes, where words go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from frazil.cli import connection, output, reference
from frazil.cli.commands import machine
from frazil.cli.connection import SignIn
from frazil.cli.doctor import Finding, Level
from frazil.cli.exits import Exit, exit_of
from frazil.cli.main import run
from frazil.cli.portal import portal_url
from frazil.cli.validated import valid
from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, InvalidInput, NotFound, NotSignedIn, Throttled
from frazil.settings import Settings
from frazil.wire.rest import UserRequest

PROCESSES = {("controller",), ("server",), ("gateway",)}
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command of these tests meets this machine's own Frazil."""
    config = tmp_path / "frazil.toml"
    places = {name: tmp_path / name for name in ("state_dir", "run_dir", "log_dir")}
    config.write_text("".join(f'{name} = "{path}"\n' for name, path in places.items()))
    monkeypatch.setenv("FRAZIL_CONFIG", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FRAZIL_URL", "FRAZIL_TOKEN", "FRAZIL_CA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


def _frazil(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "frazil.cli.main", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


def test_all_that_was_promised_is_there() -> None:
    promised = """up, down, doctor, login, setup-link, grant, revoke, image build, image import, image list,
        image delete, pool create, pool list, pool show, pool delete, desktop list, desktop show, desktop start,
        desktop explain, desktop stop,
        desktop shutdown, desktop pause, desktop retry, desktop delete, desktop screenshot, user add,
        user import, user list, user passwd, group add, group list, group show, group join, group leave,
        group delete, host list, host show, host label, host maintenance,
        spice info, spice screenshot, spice type, spice press, spice click, spice watch,
        spice record-sound,
        events"""
    assert {tuple(words.split()) for words in promised.split(",")} <= set(reference.commands())


@pytest.mark.parametrize("words", reference.commands(), ids=" ".join)
def test_every_help_has_examples_that_name_the_command_and_json(words: tuple[str, ...]) -> None:
    text = reference.help_of(words)
    assert "Examples:" in text
    assert f"frazil {' '.join(words)}" in text.partition("Examples:")[2]
    assert ("--json" in text) == (words not in PROCESSES)


def test_the_reference_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check", str(ROOT / "docs" / "reference")]) == 0, capsys.readouterr().err


def test_an_old_reference_page_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main([str(tmp_path)]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert reference.main(["--check", str(tmp_path)]) == 1
    assert "cli.md" in capsys.readouterr().err


def test_nothing_up_is_said_on_stderr_with_the_way_out() -> None:
    done = _frazil("pool", "list", "--json")
    assert done.returncode == Exit.FAILED
    assert done.stdout == ""
    assert "frazil up" in done.stderr or "frazil login" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [("pool", "create"), ("nonsense",), ("desktop", "list", "--phase", "asleep"), ("pool", "list", "--nonsense")],
)
def test_wrong_calls_end_with_2(words: tuple[str, ...]) -> None:
    assert run(words) == Exit.WRONG_CALL


@pytest.mark.parametrize("words", [("grant", "office"), ("revoke", "office", "anna", "--group", "class-7")])
def test_who_may_use_a_pool_is_a_user_or_a_group(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == Exit.WRONG_CALL
    assert "either a user or a group" in capsys.readouterr().err


def test_a_name_that_cannot_be_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "create", "Not A Name", "--image", "x"]) == Exit.WRONG_CALL
    said = capsys.readouterr().err
    assert "'Not A Name' can't be a name." in said
    assert "lower-case letters" in said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Conflict("x"), 1),
        (InvalidInput("x"), 2),
        (NotFound("x"), 3),
        (NotSignedIn("x"), 4),
        (Throttled("x", retry_after_s=1), 4),
        (DeadlinePassed("x"), 5),
    ],
)
def test_exit_codes(error: Conflict, code: int) -> None:
    assert exit_of(error) == code


def test_no_password_without_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done = _frazil("user", "add", "anna")
    assert done.returncode == Exit.WRONG_CALL
    assert "--password-stdin" in done.stderr


def test_a_bad_value_never_shows_a_password() -> None:
    with pytest.raises(InvalidInput) as caught:
        valid(UserRequest, name="anna", password=SecretStr("short"))
    assert "short" not in str(caught.value).replace("shorter", "")


def test_the_doctor_in_json() -> None:
    done = _frazil("doctor", "--json")
    told = json.loads(done.stdout)
    assert {check["check"] for check in told["checks"]} >= {
        "qemu",
        "libvirt",
        "kvm-device",
        "kvm-guest",
        "disk",
        "port",
    }
    assert all(set(check) == {"check", "level", "what", "means", "mend"} for check in told["checks"])
    assert all(check["mend"] for check in told["checks"] if check["level"] == "failed")
    assert done.returncode == (Exit.FAILED if told["level"] == "failed" else Exit.DONE)


def test_no_colour_where_it_is_not_wanted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding(check="x", level=Level.FAILED, what="What [this] is.", means="Means.", mend="a [b] c")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    machine.show([finding])
    coloured = capsys.readouterr().out
    assert "\x1b[31m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    machine.show([finding])
    plain = capsys.readouterr().out
    assert "\x1b[31m" not in plain
    assert "What [this] is." in plain
    assert "a [b] c" in plain


def test_a_sign_in_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    path = connection.sign_in_file({"HOME": str(tmp_path)})
    assert path == tmp_path / ".config" / "frazil" / "login.json"
    assert connection.saved(path) is None
    held = SignIn("https://example.org", SecretStr("frz_token"), None)
    connection.save(path, held)
    connection.save(path, held)
    assert connection.saved(path) == held
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert "frz_token" not in repr(held)
    path.write_text("half")
    with pytest.raises(InvalidInput, match="frazil login"):
        connection.saved(path)
    assert connection.sign_in_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/frazil/login.json")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(public_url="https://desktops.example.org/"), "https://desktops.example.org"),
        (Settings(listen="10.0.0.5:8443"), "https://10.0.0.5:8443"),
        (Settings(listen="10.0.0.5:443"), "https://10.0.0.5"),
        (Settings(listen="[fd00::5]:8443"), "https://[fd00::5]:8443"),
    ],
)
def test_the_portals_address(settings: Settings, url: str) -> None:
    assert portal_url(settings) == url


def test_the_portal_is_never_at_the_address_of_everybody() -> None:
    assert "0.0.0.0" not in portal_url(Settings())


def test_durations_and_sizes() -> None:
    assert [output.duration(seconds) for seconds in (0.2, 40, 89, 200)] == ["1 s", "40 s", "89 s", "3 min"]
    assert [output.size(n) for n in (None, 5 << 20, 3 << 30)] == ["–", "5 MiB", "3.0 GiB"]


def test_a_table_in_a_pipe_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("A", "B"), [("x" * 100, "y" * 100)], empty="")
    assert f"{'x' * 100}   {'y' * 100}" in capsys.readouterr().out


def test_a_table_shows_what_others_typed_and_obeys_none_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    typed = "[/x] [red]a \x1b[31mb\x07 \u202ec"
    output.table(("A",), [(typed,)], empty="")
    output.pairs([("A", typed)])
    assert capsys.readouterr().out.count("[/x] [red]a \ufffd[31mb\ufffd \ufffdc") == 2


def test_completion_knows_the_verbs() -> None:
    done = _frazil(_FRAZIL_COMPLETE="complete_bash", COMP_WORDS="frazil pool ", COMP_CWORD="2")
    assert "create" in done.stdout.split()


def test_connect_says_what_is_missing_before_it_opens_anything(tmp_path: Path) -> None:
    """No viewer, then no display: both with the way out, and with no controller asked."""
    done = _frazil("connect", "office", PATH=str(tmp_path), DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == exit_of(InvalidInput("x"))
    assert "virt-viewer" in done.stderr
    assert "--vv" in done.stderr
    viewer = tmp_path / "remote-viewer"
    viewer.write_text("#!/bin/sh\n")
    viewer.chmod(0o755)
    done = _frazil("connect", "office", PATH=str(tmp_path), DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == exit_of(InvalidInput("x"))
    assert "no display" in done.stderr


def test_no_command_waits_for_what_only_a_process_needs() -> None:
    heavy = ("sqlalchemy", "alembic", "fastapi", "uvicorn", "numpy", "PIL", "libvirt", "frazil.viewer")
    looked = f"import sys, frazil.cli.main; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "\n"
