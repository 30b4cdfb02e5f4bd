"""The page of events: a search whose address can be kept, pages of it, and the same as a file."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from frazil import controller
from frazil.controller import portal
from frazil.controller.api import app as api_app
from frazil.controller.portal.console import history
from frazil.controller.portal.reader import ZONE_COOKIE
from frazil.controller.portal.words import EVENT_KINDS
from frazil.controller.services import events as events_service
from frazil.controller.store import events
from frazil.model.errors import NotSignedIn
from frazil.settings import Settings
from frazil.wire.event_csv import BYTE_ORDER_MARK, COLUMNS
from tests.unit.controller.clients import People, people_of
from tests.unit.controller.world import World

PATH = "/console/events"


@pytest.fixture
async def visitors(world: World) -> AsyncIterator[People]:
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with people_of(world, app, base="") as made:
        yield made


async def _happen(world: World, *texts: str, user: str = "zoe") -> None:
    def work(tx: sa.Connection) -> None:
        for text in texts:
            at, id = world.clock.now(), world.ctx.ids.new_id()
            events.insert(
                tx, id=id, at=at, kind="login", text=text, outcome="done", user_name=user, desktop_id="d-gone"
            )

    await world.ctx.store.write(work)


def _told(page: httpx.Response) -> list[str]:
    """The numbers of the sentences "Number 7." that the page shows."""
    return re.findall(r"Number (\d+)\.", page.text)


async def test_an_address_says_only_what_was_filled_in(visitors: People) -> None:
    form = "text=&user=+ann+&desktop=&kind=user.&outcome=&since=&until="
    answer = await visitors.audrey.get(f"{PATH}?{form}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?user=ann&kind=user.")
    answer = await visitors.audrey.get(f"{PATH}?text=&cursor=")
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    for address in (PATH, f"{PATH}?user=ann", f"{PATH}?user=%20", f"{PATH}?unknown=x&outcome=done"):
        assert (await visitors.audrey.get(address)).status_code == 200, address


async def test_older_ones_are_of_the_same_search(
    visitors: People, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVENTS_A_PAGE", 2)
    await _happen(world, "Number 1.", "Number 2.", "Number 3.")
    await _happen(world, "Number 4.", user="other")
    page = await visitors.audrey.get(f"{PATH}?user=zoe&text=NUMBER")
    assert _told(page) == ["3", "2"]
    assert "Newest" not in page.text
    assert 'value="NUMBER"' in page.text
    older = re.findall(r'href="([^"]+)">Older', page.text)[0].replace("&amp;", "&")
    assert older.startswith(f"{PATH}?text=NUMBER&user=zoe&cursor=")
    await _happen(world, "Number 5.")
    page = await visitors.audrey.get(older)
    assert _told(page) == ["1"]
    assert f'href="{PATH}?text=NUMBER&amp;user=zoe">Newest' in page.text
    assert "Older" not in page.text
    assert f'href="{PATH}?text=NUMBER&amp;user=zoe&amp;desktop=d-gone">gone' in page.text
    assert "frazil events --user=zoe --text=NUMBER" in page.text


async def test_a_desktop_leads_to_its_page_while_it_is_there_and_to_its_history_after(
    visitors: People, world: World
) -> None:
    await world.ready_pool(spares=1, max_desktops=1)
    [desktop] = (await world.services.desktops.list_for(world.root)).items
    page = (await visitors.audrey.get(f"{PATH}?desktop={desktop.name}")).text
    assert f'href="/console/desktops/{desktop.id}">{desktop.name}</a>' in page
    await world.services.pools.delete(world.root, "desk")
    await world.settle(8)
    page = (await visitors.audrey.get(f"{PATH}?desktop={desktop.name}")).text
    assert "is gone, with its disk" in page
    assert f'href="{PATH}?desktop={desktop.id}">{desktop.name}</a>' in page
    assert f"/console/desktops/{desktop.id}" not in page


async def test_days_are_the_readers(visitors: People, world: World) -> None:
    """Midnight of the new year in UTC is ten in the morning of it in Brisbane, and still the old year in Honolulu."""
    await _happen(world, "Number 1.")
    assert f"{world.clock.now():%m-%d %H:%M}" == "01-01 00:00"
    new, old = "2030-01-01", "2029-12-31"
    for zone, day, other in (("UTC", new, old), ("Australia/Brisbane", new, old), ("Pacific/Honolulu", old, new)):
        headers = {"Cookie": f"{visitors.audrey.headers['Cookie']}; {ZONE_COOKIE}={zone}"}
        page = await visitors.audrey.get(f"{PATH}?since={day}&until={day}", headers=headers)
        assert _told(page) == ["1"], zone
        assert zone in page.text
        page = await visitors.audrey.get(f"{PATH}?since={other}&until={other}", headers=headers)
        assert _told(page) == [], zone
    assert (
        "--since=2029-12-31T14:00Z --until=2030-01-01T14:00Z"
        in (
            await visitors.audrey.get(
                f"{PATH}?since={new}&until={new}",
                headers={"Cookie": f"{visitors.audrey.headers['Cookie']}; {ZONE_COOKIE}=Australia/Brisbane"},
            )
        ).text
    )


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("since=tomorrow", "since", "Write the day like"),
        ("since=20300131", "since", "Write the day like"),
        ("until=9999-12-31", "until", "Write the day like"),
        ("since=0001-01-01&until=2030-02-30", "until", "Write the day like"),
        ("since=2030-01-02&until=2030-01-01", "until", "This is before the first day."),
        ("text=" + "x" * 201, "text", "This can&#39;t be right."),
        ("outcome=well", "outcome", "This can&#39;t be right."),
        ("kind=session.*", "kind", "This can&#39;t be right."),
        ("user=a%00", "user", "This can&#39;t be right."),
    ],
)
async def test_what_can_not_be_searched_for_is_said_at_its_field(
    visitors: People, query: str, field: str, words: str
) -> None:
    page = await visitors.audrey.get(f"{PATH}?{query}")
    assert page.status_code == 422
    assert f'id="w-{field}">{words}' in page.text
    assert "<table" not in page.text
    assert set(re.findall(r'type="date" value="([^"]*)"', page.text)) <= {"", *re.findall(r"[0-9]{4}-[0-9-]{5}", query)}
    assert (await visitors.audrey.get(f"{PATH}.csv?{query}")).status_code == 422


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
async def test_the_file_has_all_that_was_searched_for(
    visitors: People, world: World, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(history, "LINES_A_PIECE", 2)
    monkeypatch.setattr(events_service, "BATCH", 3)
    await _happen(world, *(f"Number {n}." for n in range(count)))
    await _happen(world, "Number 99.", user="other")
    answer = await visitors.audrey.get(f"{PATH}.csv?user=zoe")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert re.fullmatch(
        r'attachment; filename="frazil-events-[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{4}\.csv"',
        answer.headers["content-disposition"],
    )
    assert answer.headers["cache-control"] == "no-store"
    text = answer.content.decode("utf-8")
    assert text.startswith(BYTE_ORDER_MARK + ",".join(COLUMNS) + "\r\n")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""), strict=True))
    assert [row["text"] for row in rows] == [f"Number {n}." for n in reversed(range(count))]


async def test_a_file_ends_in_the_middle_for_who_may_not_read_on(
    visitors: People, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks off, so that nobody takes it for the whole."""
    monkeypatch.setattr(events_service, "BATCH", 1)
    still = iter([True, True, False])
    monkeypatch.setattr(world.services.events, "_still_may", lambda tx, identity: next(still))
    await _happen(world, "Number 1.", "Number 2.", "Number 3.")
    monkeypatch.setattr(history, "LINES_A_PIECE", 1)
    app = api_app.create(world.services)
    portal.mount(app, world.services, Settings(), clock=world.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://frazil.test") as audrey:
        with pytest.raises(RuntimeError, match="already started") as raised:
            await audrey.get(f"{PATH}.csv", headers={"Cookie": visitors.audrey.headers["Cookie"]})
    assert isinstance(raised.value.__cause__, NotSignedIn)


def test_the_form_has_words_for_every_kind_that_the_controller_writes() -> None:
    kinds = set()
    for path in (Path(controller.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("journal.note", "note") and len(node.args) > 3:
                kind = node.args[2]
                if isinstance(kind, ast.JoinedStr):
                    kind = kind.values[0]
                if isinstance(kind, ast.Constant):
                    kinds.add(str(kind.value))
    assert len(kinds) > 25
    wordless = {k for k in kinds if not any(f"{k}.".startswith(f"{begin.rstrip('.')}.") for begin in EVENT_KINDS)}
    assert wordless == set()
