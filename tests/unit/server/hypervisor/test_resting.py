"""Whose QEMU rests, by files like the kernel's."""

from __future__ import annotations

import threading
from pathlib import Path

from frazil.server.hypervisor.resting import EXACT_NS, REST_NS, Resting


def proc(place: Path, **slack_ns: int) -> Path:
    """QEMUs with the pids 1, 2, …, one for each desktop."""
    for pid, (desktop_id, slack) in enumerate(slack_ns.items(), start=1):
        at = place / str(pid)
        at.mkdir()
        (at / "cmdline").write_text(f"qemu\0-name\0guest=frazil-{desktop_id}\0-uuid\0{desktop_id}\0")
        (at / "timerslack_ns").write_text(f"{slack}\n")
    return place


def slack_ns(place: Path, pid: int) -> int:
    return int((place / str(pid) / "timerslack_ns").read_text())


def begin(resting: Resting, desktop_id: str) -> None:
    """Wait until it rests, too."""
    earlier = set(threading.enumerate())
    resting.begin(desktop_id)
    for thread in set(threading.enumerate()) - earlier:
        thread.join()


def test_it_rests_from_begin_to_end(tmp_path: Path) -> None:
    resting = Resting(proc(tmp_path, one=EXACT_NS, two=EXACT_NS), after_s=0.0)
    begin(resting, "one")
    assert [slack_ns(tmp_path, pid) for pid in (1, 2)] == [REST_NS, EXACT_NS]
    resting.end("one")
    assert [slack_ns(tmp_path, pid) for pid in (1, 2)] == [EXACT_NS, EXACT_NS]


def test_who_goes_on_before_its_rest_begins_does_not_rest(tmp_path: Path) -> None:
    resting = Resting(proc(tmp_path, one=EXACT_NS), after_s=60.0)
    earlier = set(threading.enumerate())
    resting.begin("one")
    (timer,) = (one for one in set(threading.enumerate()) - earlier if isinstance(one, threading.Timer))
    resting.end("one")
    timer.function()  # it was about to begin already
    assert slack_ns(tmp_path, 1) == EXACT_NS


def test_what_an_earlier_life_left_is_known(tmp_path: Path) -> None:
    resting = Resting(proc(tmp_path, one=REST_NS, two=50_000))
    resting.end("one")
    resting.end("two")
    assert [slack_ns(tmp_path, pid) for pid in (1, 2)] == [EXACT_NS, 50_000], "nobody else's is changed"


def test_a_number_that_is_anothers_by_now_is_left_alone(tmp_path: Path) -> None:
    resting = Resting(proc(tmp_path, one=EXACT_NS), after_s=0.0)
    begin(resting, "one")
    (tmp_path / "1" / "timerslack_ns").write_text("50000")
    resting.end("one")
    assert slack_ns(tmp_path, 1) == 50_000


def test_who_is_gone_or_was_never_there_matters_to_nobody(tmp_path: Path) -> None:
    resting = Resting(proc(tmp_path, one=EXACT_NS), after_s=0.0)
    begin(resting, "two")
    begin(resting, "one")
    for name in ("cmdline", "timerslack_ns"):
        (tmp_path / "1" / name).unlink()
    (tmp_path / "1").rmdir()
    resting.end("one")
    resting.end("two")
    assert not (tmp_path / "1").exists()
