"""The browser code's own tests, and what its build leaves behind."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.integration.gateway.controller import REPOSITORY, STATIC

WEB = REPOSITORY / "web"
pytestmark = pytest.mark.skipif(
    not (WEB / "node_modules").exists() or shutil.which("node") is None, reason="`npm ci` has not been run in web/"
)


def test_its_own_tests_pass() -> None:
    run = subprocess.run(["node", "test.mjs"], cwd=WEB, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_its_types_are_sound() -> None:
    run = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=WEB, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_the_lock_names_no_server() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_spice_html5_stays_a_file_of_its_own_with_its_licence() -> None:
    viewer = (STATIC / "viewer/viewer.js").read_text()
    spice = (STATIC / "viewer/spice-html5.js").read_text()
    assert '"./spice-html5.js"' in viewer
    assert "LGPL-3.0-or-later" in spice[:400]
    assert "Jeremy P. White" not in viewer
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (STATIC / "viewer/spice-html5.COPYING.LESSER").read_text()
