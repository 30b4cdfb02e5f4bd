"""What a host says of itself, also where it can't be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.server import host_facts


def test_a_disk_that_cannot_be_asked_has_nothing_free(tmp_path: Path) -> None:
    assert host_facts.free_bytes(tmp_path) > 0
    assert host_facts.free_bytes(tmp_path / "gone") == 0
    assert host_facts.load(tmp_path / "gone").disk_free_mib == 0


def test_a_program_that_is_replaced_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_facts.file_identity("emulator") == ""
    program = tmp_path / "emulator"
    program.write_text("one")
    program.chmod(0o755)
    before = host_facts.file_identity("emulator")
    assert before == host_facts.file_identity("emulator") != ""
    another = tmp_path / "new"
    another.write_text("two")
    another.chmod(0o755)
    another.replace(program)
    assert host_facts.file_identity("emulator") != before
