"""What the guest does before it is frozen: the parts that need no guest."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from frazil.server.images.build import _warm_list
from frazil.server.images.recipe import load_recipe
from tests.harness.processes import command
from tests.harness.waiting import until

IMAGES = Path(__file__).parents[4] / "images"
PROGRAM = IMAGES / "common/frazil-guest/files/usr/lib/frazil/warm-up"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("frazil_warm_up", str(PROGRAM))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_files_and_all_below_a_directory_are_read_and_links_are_not_followed(
    program: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "lib/deep").mkdir(parents=True)
    (tmp_path / "lib/one.so").write_bytes(b"x" * 1000)
    (tmp_path / "lib/deep/two.so").write_bytes(b"x" * 20)
    (tmp_path / "lib/deep/other").symlink_to("/proc/kcore")
    os.mkfifo(tmp_path / "lib/deep/pipe")  # reading it would wait for ever
    assert program.read_files(str(tmp_path / "lib/*.so")) == 1000
    assert program.read_files(str(tmp_path / "li*")) == 1020
    assert program.read_files(str(tmp_path / "nowhere/*")) == 0


def test_a_program_that_rests_is_ended_with_all_that_it_started(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    used = iter([0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    monkeypatch.setattr(program, "cpu_s", lambda: next(used))
    monkeypatch.setattr(program, "LOOK_EVERY_S", 0.05)
    mark = tmp_path / "child"
    code = f"import os,time; pid=os.fork(); pid and open({str(mark)!r},'w').write(str(pid)); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not mark.exists() or not mark.read_text():
        assert process.poll() is None
    assert program.at_rest(process)
    program.end(process)
    assert process.returncode is not None
    child = int(mark.read_text())
    until(lambda: not command(child), "what it started has ended too", timeout_s=10)


def test_one_that_fails_at_once_is_told_from_one_that_rests(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "cpu_s", lambda: 0.0)
    assert not program.at_rest(subprocess.Popen(["false"], start_new_session=True))
    assert program.at_rest(subprocess.Popen(["true"], start_new_session=True))


def test_the_list_is_a_file_of_the_image(tmp_path: Path) -> None:
    recipe = load_recipe(IMAGES / "debian-xfce", options=["browser"])
    laid = _warm_list(recipe, at=tmp_path / "warm")
    lines = (laid / "etc/frazil-guest/warm").read_text().splitlines()
    assert lines == list(recipe.warm)
    assert any(line.startswith("run firefox-esr") for line in lines)
