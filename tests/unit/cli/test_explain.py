"""`frazil desktop explain`: how it writes what it is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import TracebackType

import pytest

from frazil.cli.commands import desktop
from frazil.cli.exits import Exit
from frazil.cli.main import run
from frazil.model.desktop import Phase
from frazil.wire.rest import Explanation, HostRefusal, Placement, Points

WAITS = Explanation(
    desktop_id="d1",
    desktop_name="office-7",
    phase=Phase.WAITING,
    phase_text="Waiting for a place on a host",
    text="No host can take it now. 12 hosts: too little memory left; 1 host: not connected.",
    host_id=None,
    host_name=None,
    refusals=[
        HostRefusal(
            code="memory",
            text="12 hosts: too little memory left",
            hosts=[f"host-{n:02d}" for n in range(12)],
            detail="1280 MiB are needed.",
            remedy="Add a host.",
        ),
        HostRefusal(code="not-connected", text="1 host: not connected", hosts=["host-z"], remedy="See to its server."),
    ],
)
PLACED = Explanation(
    desktop_id="d2",
    desktop_name="office-8",
    phase=Phase.READY,
    phase_text="Ready",
    text="It was placed on the host host-a, the only one of 2 that could take it then.",
    host_id="h1",
    host_name="host-a",
    placement=Placement(
        at=datetime(2030, 1, 31, 12, tzinfo=UTC),
        able=1,
        of_hosts=2,
        points=61,
        parts=[
            Points(name="template", points=40, most=40, text="Its frozen template was there."),
            Points(name="room", points=21, most=30, text="3900 MiB of its memory were left for others."),
        ],
    ),
)


class Told:
    """A client of a controller that explains these two."""

    def __enter__(self) -> Told:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def explain(self, name: str) -> Explanation:
        return {"office-7": WAITS, "office-8": PLACED}[name]


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "connect", Told)


def test_of_one_that_waits_every_group_of_hosts_is_named_with_its_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["desktop", "explain", "office-7"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith(WAITS.text) for line in lines)
    [memory] = [line for line in lines if line.startswith("12 hosts: too little memory left")]
    assert "1280 MiB are needed. Add a host." in memory
    assert "host-00, host-01" in memory
    assert memory.rstrip().endswith("host-07 and 4 more")
    [away] = [line for line in lines if line.startswith("1 host: not connected")]
    assert away.rstrip().endswith("  host-z")


def test_of_one_that_is_placed_the_points_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["desktop", "explain", "office-8"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "61 of 100" in out
    assert "2030-01-31 12:00:00" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["40", "of", "40", "Its", "frozen", "template", "was", "there."] in lines
    assert "WHY NOT" not in out


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["desktop", "explain", "office-7", "--json"]) == Exit.DONE
    assert Explanation.model_validate(json.loads(capsys.readouterr().out)) == WAITS
