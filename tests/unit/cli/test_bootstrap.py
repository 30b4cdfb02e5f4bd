"""The installation scripts: what they read, what they leave alone, what they say."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "scripts" / "bootstrap"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules, as `python3 scripts/bootstrap` finds them."""
    names = ("progress", "command", "debian", "environment", "browser")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    found = {name: importlib.import_module(name) for name in names}
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    return found


def test_the_one_list_of_packages(scripts: dict[str, ModuleType]) -> None:
    sections = scripts["debian"].read_list(ROOT / "debian-packages.txt")
    assert set(sections) == {"build", "run", "test", "bench"}
    names = [package.name for packages in sections.values() for package in packages]
    assert len(names) == len(set(names))
    assert {"qemu-system-x86", "libvirt-daemon-system", "mmdebstrap", "python3-venv", "chromium"} <= set(names)
    for line in (ROOT / "debian-packages.txt").read_text().splitlines():
        assert not line or line.startswith("#") or "# " in line, f"{line!r} does not say why"


def test_what_dpkg_does_not_have_is_missing(scripts: dict[str, ModuleType]) -> None:
    debian = scripts["debian"]
    package = debian.Package
    assert debian.missing([package("base-files", None)]) == []
    assert debian.missing([package("frazil-no-such-package", None)]) == ["frazil-no-such-package"]
    assert debian.missing([package("frazil-no-such-package", "sh")]) == []
    assert debian.missing([]) == []


def test_a_line_that_is_no_package(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    for text in ("[run]\nTwo words\n", "package-before-any-section\n"):
        path = tmp_path / "list.txt"
        path.write_text(text)
        with pytest.raises(Exception, match=r"line \d: not a package"):
            scripts["debian"].read_list(path)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"])
def test_every_locked_package_has_a_hash_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[a-z0-9._-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE | re.IGNORECASE)
    assert len(packages) == text.count("==") > 5
    assert "://" not in text


def test_the_browser_codes_lock_has_no_address() -> None:
    path = ROOT / "web" / "package-lock.json"
    held = json.loads(path.read_text())
    assert held["packages"]
    assert "resolved" not in path.read_text()
    assert all("integrity" in entry for name, entry in held["packages"].items() if name)


def test_a_command_that_fails_shows_its_last_words(scripts: dict[str, ModuleType]) -> None:
    command = scripts["command"]
    with pytest.raises(command.Failed) as failed:
        command.run(["sh", "-c", "echo first; echo the reason >&2; exit 3"], doing="Trying", way_out="Do this.")
    assert "Trying failed" in str(failed.value)
    assert "ended with 3" in str(failed.value)
    assert "the reason" in str(failed.value)
    assert "Do this." in str(failed.value)


def test_apts_own_progress_moves_the_bar(scripts: dict[str, ModuleType]) -> None:
    step = scripts["progress"].Step("x", usual_s=60)
    follow = scripts["debian"]._follow
    follow(step, "Get:1 something")
    assert step.told is None
    follow(step, "dlstatus:1:50.0:Retrieving file 1 of 2")
    assert step.told == pytest.approx(0.05 + 0.175)
    follow(step, "pmstatus:qemu:50.0:Unpacking")
    assert step.told == pytest.approx(0.7)
    follow(step, "dlstatus:1:10.0:late")
    assert step.told == pytest.approx(0.7), "a bar never goes back"


def test_without_a_terminal_a_step_is_two_lines(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    out = io.StringIO()
    board = scripts["progress"].Board(out, history=tmp_path / "none")
    with board.step("Python environment", usual_s=75):
        pass
    with pytest.raises(OSError, match="no"), board.step("Browser code", usual_s=20):
        raise OSError("no")
    board.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "Python environment (usually 75 s) ..."
    assert lines[1].startswith("Python environment")
    assert "done in 1 s" in lines[1]
    assert "failed in" in lines[3]
    assert list(board.phases) == ["Python environment"], "the time of what failed is no estimate"


def test_the_last_time_is_the_estimate(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    history = tmp_path / "phases.jsonl"
    history.write_text('{"phases": {"Python environment": 31.0}}\n{"half\n{"phases": {"Browser code": 0.2}}\n')
    board = scripts["progress"].Board(io.StringIO(), history=history)
    with board.step("Python environment", usual_s=75) as first, board.step("Browser code", usual_s=20) as second:
        assert first.usual_s == 31.0
        assert second.usual_s == 20, "a time of nothing to do says nothing"
    board.close()


def test_a_half_told_step_estimates_from_what_is_done(scripts: dict[str, ModuleType]) -> None:
    step = scripts["progress"].Step("x", usual_s=1000)
    step.began -= 10
    step.tell(0.5)
    assert step.left_s() == pytest.approx(10, abs=1)
    assert "50%" in step.line()
