"""What keeps a build from beginning is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.errors import HostError
from frazil.server.images import build


@pytest.mark.parametrize(("script", "dump"), [("exit 100", None), (r"printf 'A \377;'", "A \ufffd;")])
def test_apts_settings_are_read_whatever_their_bytes_and_a_failure_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, dump: str | None
) -> None:
    program = tmp_path / "apt-config"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if dump is None:
        with pytest.raises(HostError, match="apt"):
            build._apt_settings()
    else:
        assert build._apt_settings() == dump
