"""Merging in bouts, on a directory that is as the kernel's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.server.density import ksm_rules
from frazil.server.density.ksm import Ksm
from frazil.server.density.ksm_rules import NEW_MIB, NOTHING_YET, Bout, Mode, Rest, follow

NEW_KERNEL = {
    "run": "0", "full_scans": "10", "pages_sharing": "0", "general_profit": "0", "smart_scan": "0",
    "advisor_mode": "[none] scan-time", "advisor_max_cpu": "70", "advisor_target_scan_time": "200",
    "pages_to_scan": "100", "sleep_millisecs": "20",
}  # fmt: skip
OLD_KERNEL = {name: NEW_KERNEL[name] for name in ("run", "full_scans", "pages_sharing", "pages_to_scan")} | {
    "sleep_millisecs": "200"
}


class Kernel:
    """A directory like /sys/kernel/mm/ksm, and one like /proc."""

    def __init__(self, place: Path, values: dict[str, str]) -> None:
        self.sysfs, self.proc, self.found_file = place / "ksm", place / "proc", place / "found.json"
        self.sysfs.mkdir()
        self.proc.mkdir()
        for name, value in values.items():
            (self.sysfs / name).write_text(value)

    def ksm(self, *, wanted: bool = True) -> Ksm:
        return Ksm(wanted=wanted, found_file=self.found_file, sysfs=self.sysfs, proc=self.proc)

    def __getitem__(self, name: str) -> str:
        return (self.sysfs / name).read_text().strip()

    def __setitem__(self, name: str, value: object) -> None:
        (self.sysfs / name).write_text(str(value))


def test_a_bout_begins_with_two_desktops_that_wrote_something_and_ends_when_little_is_found(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, NEW_KERNEL)
    ksm = kernel.ksm()
    ksm.look(own_mib=300, desktops=1)
    assert kernel["run"] == "0"
    assert not kernel.found_file.exists()
    assert "looked for and merged" in ksm.look(own_mib=300, desktops=2).words
    assert (kernel["run"], kernel["advisor_mode"], kernel["advisor_max_cpu"]) == ("1", "scan-time", "20")
    kernel["full_scans"] = 12
    ksm.look(own_mib=300, desktops=2)
    assert kernel["run"] == "1", "it may have begun in the middle of a pass"
    kernel["full_scans"], kernel["pages_sharing"], kernel["general_profit"] = 13, 25600, 99 << 20
    ksm.look(own_mib=300, desktops=2)
    assert kernel["run"] == "1"
    kernel["full_scans"], kernel["pages_sharing"] = 14, 25700
    merging = ksm.look(own_mib=200, desktops=2)
    assert (kernel["run"], merging.saved_mib) == ("0", 99)
    ksm.look(own_mib=200 + NEW_MIB, desktops=2)
    assert kernel["run"] == "1"


def test_what_was_found_is_put_back_even_by_a_later_life(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, NEW_KERNEL)
    kernel.ksm().look(own_mib=500, desktops=3)
    assert json.loads(kernel.found_file.read_text())["advisor_mode"] == "none"
    later = kernel.ksm()  # it finds `run` at 1, and knows that this was its own doing
    later.look(own_mib=500, desktops=3)
    later.put_back()
    assert {name: kernel[name] for name in ("run", "advisor_max_cpu", "pages_to_scan", "smart_scan")} == {
        "run": "0", "advisor_max_cpu": "70", "pages_to_scan": "100", "smart_scan": "0",
    }  # fmt: skip
    assert kernel["advisor_mode"] == "none"
    assert not kernel.found_file.exists()
    later.put_back()


def test_a_kernel_without_an_advisor_is_given_the_pace(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, OLD_KERNEL)
    ksm = kernel.ksm()
    ksm.look(own_mib=8000, desktops=60)
    assert (kernel["run"], kernel["sleep_millisecs"]) == ("1", "20")
    assert kernel["pages_to_scan"] == str(8000 * 256 * 20 // 200_000)
    ksm.put_back()
    assert (kernel["pages_to_scan"], kernel["sleep_millisecs"]) == ("100", "200")


@pytest.mark.parametrize(
    ("wanted", "other", "run", "words"),
    [
        (False, None, "0", "switched off in the settings"),
        (True, "ksmtuned", "0", "another program of this host (ksmtuned)"),
        (True, None, "1", "as this host's administrator set it"),
    ],
)
def test_what_is_not_ours_to_run_is_left_alone(
    tmp_path: Path, wanted: bool, other: str | None, run: str, words: str
) -> None:
    kernel = Kernel(tmp_path, NEW_KERNEL | {"run": run})
    if other is not None:
        (kernel.proc / "77").mkdir()
        (kernel.proc / "77" / "comm").write_text(f"{other}\n")
    ksm = kernel.ksm(wanted=wanted)
    assert words in ksm.look(own_mib=9000, desktops=90).words
    ksm.put_back()
    assert {name: kernel[name] for name in NEW_KERNEL} == NEW_KERNEL | {"run": run}


def test_a_kernel_without_ksm_is_said(tmp_path: Path) -> None:
    ksm = Ksm(wanted=True, found_file=tmp_path / "f", sysfs=tmp_path / "none", proc=tmp_path)
    assert "does not offer it" in ksm.look(own_mib=900, desktops=9).words


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 40), st.integers(0, 3), st.integers(0, 10**6))))
def test_a_bout_lasts_some_passes_at_least_and_one_desktop_shares_with_nobody(
    looks: list[tuple[int, int, int, int]],
) -> None:
    mode: Mode = NOTHING_YET
    passes = 0
    for own_mib, desktops, more_passes, merged in looks:
        before, passes = mode, passes + more_passes
        mode = follow(mode, own_mib=own_mib, desktops=desktops, passes=passes, merged_pages=merged)
        if desktops < 2:
            assert isinstance(mode, Rest)
        elif isinstance(before, Bout) and isinstance(mode, Rest):
            assert passes - before.passes_at_start >= ksm_rules.PASSES_LEAST


@given(st.integers(0, 10**7))
def test_the_pace_stays_within_its_bounds(own_mib: int) -> None:
    assert ksm_rules.PAGES_MIN <= ksm_rules.pages_to_scan(own_mib) <= ksm_rules.PAGES_MAX
