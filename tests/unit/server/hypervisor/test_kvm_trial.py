"""The trial guest, under QEMU's own emulation: what runs it at a processor's pace, and what only interprets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frazil.server.hypervisor.kvm_trial import QEMU, Outcome, attempt

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason="QEMU is not installed")


def test_a_guest_that_runs_is_told() -> None:
    assert attempt(accelerator="tcg", timeout_s=30).outcome is Outcome.RAN


def test_one_that_is_interpreted_instruction_by_instruction_is_none(tmp_path: Path) -> None:
    """As under a KVM that has no processor's help: all goes well, but for the pace."""
    interpreter = tmp_path / "qemu"
    interpreter.write_text(f'#!/bin/sh\nexec {QEMU} -singlestep -d nochain "$@"\n')
    interpreter.chmod(0o755)
    assert attempt(accelerator="tcg", qemu=str(interpreter), timeout_s=1).outcome is Outcome.HUNG


def test_an_accelerator_that_is_not_there_says_so() -> None:
    trial = attempt(accelerator="hvf")
    assert trial.outcome is Outcome.REFUSED
    assert "hvf" in trial.said


def test_without_qemu_nothing_is_tried(tmp_path: Path) -> None:
    assert attempt(qemu=str(tmp_path / "none")).outcome is Outcome.NO_QEMU
