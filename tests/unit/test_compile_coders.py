"""The build's hook: what it says where nothing can be compiled, and how to do without."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_coders", ROOT / "scripts" / "compile_coders.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def checkout(hook: ModuleType, tmp_path: Path) -> Path:
    """A directory with nothing but the C source."""
    (tmp_path / hook.PLACE).mkdir(parents=True)
    shutil.copy(ROOT / hook.SOURCE, tmp_path / hook.SOURCE)
    return tmp_path


def build(hook: ModuleType, checkout: Path) -> dict[str, Any]:
    """What a wheel's build is told."""
    data: dict[str, Any] = {"artifacts": []}
    hook.CompileCoders(str(checkout), {}, None, None, str(checkout), "wheel").initialize("standard", data)
    return data


def test_the_module_is_compiled_and_part_of_the_wheel(hook: ModuleType, checkout: Path) -> None:
    data = build(hook, checkout)
    assert data["artifacts"] == [f"/{hook.MODULE}"]
    assert sorted(path.name for path in (checkout / hook.PLACE).iterdir()) == ["_coders.abi3.so", "_coders.c"]


def test_without_a_compiler_the_way_out_is_told(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(hook.NotCompiled, match=r"no-such-compiler: No such file or directory.*apt-get install gcc"):
        build(hook, checkout)


def test_what_the_compiler_complains_of_is_told(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook.sysconfig, "get_path", lambda name: str(checkout))
    with pytest.raises(hook.NotCompiled, match=r"(?s)Python\.h.*python3-dev"):
        build(hook, checkout)
    assert [path.name for path in (checkout / hook.PLACE).iterdir()] == ["_coders.c"]


def test_a_build_without_c_leaves_no_older_module(
    hook: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / hook.MODULE).write_bytes(b"old")
    monkeypatch.setenv(hook.WITHOUT, "1")
    assert build(hook, checkout) == {"artifacts": []}
    assert not (checkout / hook.MODULE).exists()
    assert "not compiled" in "".join(capsys.readouterr())
