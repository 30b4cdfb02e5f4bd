"""Pages of a real controller behind a real gateway, as a browser asks for them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable

import httpx
import pytest

from frazil.client import Client
from frazil.controller.portal.console import history
from frazil.controller.services import events as events_service
from frazil.settings import Settings
from tests.integration.portal.conftest import NewUser, make_pool
from tests.integration.portal.stack import PASSWORD, until
from tests.integration.portal.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visitors = Callable[..., Visitor]


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(anna: Visitor, visitor: Visitors) -> None:
    stranger = visitor()
    asked = await stranger.get("/console/pools?x=1")
    assert asked.url.path == "/sign-in"
    done = await stranger.send(asked, "/sign-in", name="anna", password=PASSWORD)
    assert str(done.url).endswith("/console/pools?x=1")


async def test_signing_out_ends_the_login(furnished: Visitor, visitor: Visitors, new_user: NewUser) -> None:
    anna = visitor()
    await anna.sign_in(await new_user())
    cookie = anna.http.cookies["__Host-frazil"]
    gone = await anna.send(await anna.get("/"), "/sign-out")
    assert gone.url.path == "/sign-in"
    again = await anna.http.get("/", headers={"Cookie": f"__Host-frazil={cookie}"}, follow_redirects=False)
    assert again.status_code == 303


async def test_every_page_carries_the_security_headers(anna: Visitor) -> None:
    for path in ("/", "/console", "/sign-in", "/static/frazil.css", "/nowhere"):
        answer = await anna.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"], path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    assert (await anna.get("/")).headers["Cache-Control"] == "no-store"


async def test_static_files_are_kept_for_ever_under_their_version_only(anna: Visitor) -> None:
    page = await anna.get("/")
    address = page.text.split('href="/static/frazil.css?v=')[1].split('"')[0]
    kept = await anna.get(f"/static/frazil.css?v={address}")
    assert "immutable" in kept.headers["Cache-Control"]
    assert (await anna.get("/static/frazil.css")).headers["Cache-Control"] == "no-cache"


async def test_a_form_without_the_csrf_token_or_from_another_site_is_refused(furnished: Visitor) -> None:
    before = (await furnished.get("/api/v1/users")).json()["items"]
    for data in ({"name": "eve", "password": PASSWORD}, {"name": "eve", "password": PASSWORD, "csrf_token": "x" * 43}):
        refused = await furnished.http.post("/console/users", data=data)
        assert refused.status_code == 403
    page = await furnished.get("/console/users")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        data = {"name": "eve", "password": PASSWORD, "csrf_token": token}
        refused = await furnished.http.post("/console/users", data=data, headers=headers)
        assert refused.status_code == 403, headers
    assert (await furnished.get("/api/v1/users")).json()["items"] == before


CONSOLE = ("", "/hosts", "/images", "/pools", "/pools/new", "/desktops", "/users", "/groups", "/events")


async def test_the_console_is_for_administrators(furnished: Visitor, visitor: Visitors, new_user: NewUser) -> None:
    bela = visitor()
    home = await bela.sign_in(await new_user())
    assert 'href="/console"' not in home.text
    for path in CONSOLE:
        assert (await bela.get(f"/console{path}")).status_code == 403, path
        assert (await furnished.get(f"/console{path}")).status_code == 200, path
    pool = (await furnished.get("/api/v1/pools/office")).json()
    token = home.text.split('name="csrf_token" value="')[1].split('"')[0]
    for path in (f"/console/pools/{pool['id']}/delete", "/console/users", "/console/images/build"):
        assert (await bela.http.post(path, data={"csrf_token": token})).status_code == 403, path
    assert not (await furnished.get("/api/v1/pools/office")).json()["deleting"]


async def test_a_pool_opens_into_the_viewer_and_is_given_back(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    await pool_is(furnished, "office", "ready")
    bela = visitor()
    home = await bela.sign_in(await new_user())
    pool = (await furnished.get("/api/v1/pools/office")).json()
    assert "office" in home.text
    shown = await bela.http.post("/open", data={"pool": pool["id"], "csrf_token": csrf_of(home.text)})
    assert shown.url.path.startswith("/sessions/")
    assert 'id="viewer"' in shown.text
    assert f'data-tickets-url="/api/v1{shown.url.path}/tickets"' in shown.text
    assert "onclick" not in shown.text
    home = await bela.get("/")
    assert f'href="{shown.url.path}"' in home.text
    ended = await bela.send(home, f"{shown.url.path}/end")
    assert "The desktop was given back." in ended.text
    gone = await bela.get(shown.url.path)
    assert gone.status_code in (404, 409, 410)


async def test_a_pool_opens_in_an_app_by_a_file(furnished: Visitor, visitor: Visitors, new_user: NewUser) -> None:
    await pool_is(furnished, "office", "ready")
    bela = visitor()
    home = await bela.sign_in(await new_user())
    pool = (await furnished.get("/api/v1/pools/office")).json()
    assert f'id="app-{pool["id"]}"' in home.text
    given = await bela.http.post("/open-in-app", data={"pool": pool["id"], "csrf_token": csrf_of(home.text)})
    assert given.status_code == 200
    assert given.headers["content-type"].startswith("application/x-virt-viewer")
    assert given.headers["content-disposition"].startswith('attachment; filename="office-')
    values = dict(line.split("=", 1) for line in given.text.splitlines()[1:])
    assert values["proxy"] == f"http://{given.url.netloc.decode()}"
    assert values["ca"].startswith("-----BEGIN CERTIFICATE-----\\n")
    home = await bela.get("/")
    assert f'href="/sessions/{values["host"]}"' in home.text
    slow = (await furnished.get("/api/v1/pools/slow-lab")).json()
    assert f'id="app-{slow["id"]}"' not in home.text
    await bela.send(home, f"/sessions/{values['host']}/end")


async def test_waiting_is_shown_truthfully_and_ends_by_itself(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    bela = visitor()
    home = await bela.sign_in(await new_user())
    pool = (await furnished.get("/api/v1/pools/slow-lab")).json()
    waiting = await bela.http.post("/open", data={"pool": pool["id"], "csrf_token": csrf_of(home.text)})

    async def booting() -> bool:
        part = await bela.get(waiting.url.path, **{"HX-Request": "true"})
        return "Booting" in part.text and "<html" not in part.text

    await until(booting)
    desktop = (await bela.get(f"/api/v1{waiting.url.path}")).json()["desktop"]["id"]
    await furnished.send(await furnished.get(f"/console/desktops/{desktop}"), f"/console/desktops/{desktop}/stop")
    stopped = await bela.get(waiting.url.path)
    await until(lambda: says(bela, waiting.url.path, "This desktop is switched off."))
    assert stopped.status_code == 200
    ready = (await furnished.get("/api/v1/pools/office")).json()
    opened = await bela.http.post("/open", data={"pool": ready["id"], "csrf_token": csrf_of(home.text)})
    await until(lambda: refreshes(bela, opened.url.path))


async def test_a_failed_desktop_says_why_and_is_tried_again(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    bela = visitor()
    home = await bela.sign_in(await new_user())
    pool = (await furnished.get("/api/v1/pools/broken-lab")).json()
    failed = await bela.http.post("/open", data={"pool": pool["id"], "csrf_token": csrf_of(home.text)})
    await until(lambda: says(bela, failed.url.path, "the system inside it did not answer in time"))
    page = await bela.get(failed.url.path)
    desktop = (await bela.get(f"/api/v1{failed.url.path}")).json()["desktop"]["id"]
    assert desktop in page.text, "the reference to search for"
    assert "Try again" in (await bela.get("/")).text
    again = await bela.send(page, f"{failed.url.path}/retry")
    assert again.status_code == 200
    await until(lambda: says(bela, failed.url.path, 'id="viewer"'))


async def test_a_session_of_someone_else_is_not_shown(furnished: Visitor, visitor: Visitors, new_user: NewUser) -> None:
    bela = visitor()
    home = await bela.sign_in(await new_user())
    pool = (await furnished.get("/api/v1/pools/office")).json()
    shown = await bela.http.post("/open", data={"pool": pool["id"], "csrf_token": csrf_of(home.text)})
    other = await furnished.get(shown.url.path)
    assert other.status_code == 403
    assert 'id="viewer"' not in other.text


async def test_one_pool_only_opens_right_after_sign_in_unless_switched_off(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    name = await new_user(("office",))
    await pool_is(furnished, "office", "ready")
    bela = visitor()
    assert (await bela.sign_in(name)).url.path.startswith("/sessions/")
    await bela.send(await bela.get("/"), "/preferences", untick=["direct"])
    await bela.send(await bela.get("/"), "/sign-out")
    assert (await bela.sign_in(name)).url.path == "/"


async def test_a_pool_is_changed_only_as_it_was_read(furnished: Visitor) -> None:
    path = f"/console/pools/{await make_pool(furnished, 'changing')}"
    first, second = await furnished.get(path), await furnished.get(path)
    done = await furnished.send(first, f"{path}/change", spares="2")
    assert "The pool was changed." in done.text
    stale = await furnished.send(second, f"{path}/change", spares="9")
    assert stale.status_code == 412
    assert (await furnished.get("/api/v1/pools/changing")).json()["spares"] == 2
    wrong = await furnished.send(await furnished.get(path), f"{path}/change", spares="-1")
    assert wrong.status_code == 422
    assert "At least 0." in wrong.text
    empty = await furnished.send(await furnished.get(path), f"{path}/delete")
    assert "The pool is being deleted" in empty.text


async def test_what_may_pass_is_ticked_for_a_pool_and_a_person(furnished: Visitor, new_user: NewUser) -> None:
    path = f"/console/pools/{await make_pool(furnished, 'strict')}"
    page = await furnished.get(path)
    assert (await furnished.get("/api/v1/pools/strict")).json()["policy"]["usb_filters"] == []
    assert 'name="usb" value="on" checked' in page.text
    away = ["clipboard_from_desktop", "clipboard_images", "files_to_desktop", "folders", "usb", "microphone"]
    done = await furnished.send(page, f"{path}/policy", untick=away, clipboard_max_kib="64", usb_filters="")
    assert "What may pass was changed" in done.text
    policy = (await furnished.get("/api/v1/pools/strict")).json()["policy"]
    assert [name for name, passes in policy.items() if passes is True] == ["clipboard_to_desktop", "sound"]
    assert (policy["clipboard_types"], policy["clipboard_max_kib"]) == (["text"], 64)
    assert 'name="sound" value="on" checked' in done.text
    assert 'name="usb" value="on" checked' not in done.text
    stale = await furnished.send(page, f"{path}/policy")
    assert stale.status_code == 412

    name = await new_user(())
    user = (await furnished.get(f"/api/v1/users/{name}")).json()
    path = f"/console/users/{user['id']}"
    wrong = await furnished.send(await furnished.get(path), f"{path}/policy", untick=["microphone"], usb_filters="all")
    assert wrong.status_code == 422
    assert "A rule is class,vendor,product,version,allow" in wrong.text
    assert 'name="usb" value="on" checked' in wrong.text
    assert 'name="microphone" value="on" checked' not in wrong.text
    rules = "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"
    done = await furnished.send(wrong, f"{path}/policy", usb_filters=f"{rules}\r\n")
    assert rules in done.text
    after = (await furnished.get(f"/api/v1/users/{name}")).json()["policy"]
    assert (after["usb"], after["usb_filters"], after["microphone"]) == (True, [rules], False)
    events = (await furnished.get("/api/v1/events")).json()["items"]
    [changed] = [
        event for event in events if event["kind"] == "user.policy-changed" and f"for {name} was" in event["text"]
    ]
    assert (changed["user_name"], changed["remote_address"], changed["outcome"]) == ("anna", "127.0.0.1", "done")


async def test_an_administrator_sees_and_ends_a_session(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    await pool_is(furnished, "office", "ready")
    name = await new_user()
    bela = visitor()
    await bela.sign_in(name)
    opened = (await bela.http.get("/api/v1/sessions")).json()["items"]
    if not opened:
        office = (await furnished.get("/api/v1/pools/office")).json()["id"]
        await bela.send(await bela.get("/"), "/open", pool=office)
        opened = (await bela.http.get("/api/v1/sessions")).json()["items"]
    page = await furnished.get("/console/sessions")
    assert name in page.text
    assert "not connected" in page.text
    path = f"/console/sessions/{opened[0]['id']}/end"
    assert (await bela.http.post(path, data={})).status_code == 403
    done = await furnished.send(page, path)
    assert "The session was ended" in done.text
    assert name not in done.text
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    again = await furnished.http.post(path, data={"csrf_token": token})
    assert again.status_code == 404
    assert "has ended" in again.text


async def test_a_taken_name_and_a_broken_import_are_said_on_the_form(furnished: Visitor) -> None:
    taken = await furnished.send(
        await furnished.get("/console/users"), "/console/users", name="anna", password=PASSWORD, role="user"
    )
    assert taken.status_code == 409
    assert "This name is taken already." in taken.text
    assert 'value="anna"' in taken.text
    assert PASSWORD not in taken.text
    page = await furnished.get("/console/images")
    missing = await furnished.send(page, "/console/images/import", upload="", import_name="x", format="raw")
    assert missing.status_code == 422
    assert "This is needed." in missing.text


async def test_a_desktops_page_says_why_no_host_takes_it_and_why_it_is_on_its_host(furnished: Visitor) -> None:
    await pool_is(furnished, "office", "ready")
    placed = (await furnished.get("/api/v1/desktops?pool=office")).json()["items"][0]
    page = (await furnished.get(f"/console/desktops/{placed['id']}")).text
    assert "Why on this host?" in page
    assert "the only one of 1 that could take it then" in page
    assert " of 40 points" in page
    assert f"frazil desktop explain {placed['name']}" in page

    large = await make_pool(furnished, "too-large", kind="persistent", memory_mib=str(1 << 19))
    await furnished.send(await furnished.get("/"), "/open", pool=large)
    [waits] = (await furnished.get("/api/v1/desktops?pool=too-large")).json()["items"]

    async def is_refused() -> bool:
        return bool((await furnished.get(f"/api/v1/desktops/{waits['id']}/explanation")).json()["refusals"])

    await until(is_refused)
    page = (await furnished.get(f"/console/desktops/{waits['id']}")).text
    assert "1 host: too little left of the memory set aside for desktops" in page
    assert "Raise memory_for_desktops_mib" in page
    assert "Why on this host?" not in page
    path = f"/console/pools/{large}"
    await furnished.send(await furnished.get(path), f"{path}/delete")


async def test_a_host_is_put_into_maintenance_and_out_of_it_by_a_button(furnished: Visitor) -> None:
    [host] = (await furnished.get("/api/v1/hosts")).json()["items"]
    path = f"/console/hosts/{host['id']}"
    page = await furnished.get(path)
    assert "frazil host maintenance host-a on" in page.text
    done = await furnished.send(page, f"{path}/maintain")
    try:
        assert "The host takes no new desktops." in done.text
        assert "This host is in maintenance" in done.text
        assert "frazil host maintenance host-a off" in done.text
        assert "In maintenance" in (await furnished.get("/console/hosts")).text
        assert "host-a is in maintenance." in (await furnished.get("/console")).text
        assert "host.maintenance" in [e["kind"] for e in (await furnished.get("/api/v1/events")).json()["items"]]
    finally:
        ended = await furnished.send(done, f"{path}/take-desktops")
    assert "the host takes desktops again" in ended.text
    assert "This host is in maintenance" not in ended.text


async def test_a_host_is_labelled_and_a_pool_asks_for_it_until_that_is_taken_back(furnished: Visitor) -> None:
    [host] = (await furnished.get("/api/v1/hosts")).json()["items"]
    path = f"/console/hosts/{host['id']}"
    first, second = await furnished.get(path), await furnished.get(path)
    done = await furnished.send(first, f"{path}/labels", labels="room=3, rack=b")
    assert "The labels were changed." in done.text
    assert "rack=b room=3" in (await furnished.get("/console/hosts")).text
    stale = await furnished.send(second, f"{path}/labels", labels="room=4")
    assert stale.status_code == 412
    wrong = await furnished.send(done, f"{path}/labels", labels="Room=3")
    assert wrong.status_code == 422
    assert 'value="Room=3"' in wrong.text
    assert "Write each label like room=3" in wrong.text
    pool = (await furnished.get("/api/v1/pools/office")).json()
    path_of_pool = f"/console/pools/{pool['id']}"
    asks = {"host_labels": "rack=b room=3", "placement": "pack", "apart_by": "rack"}
    await furnished.send(await furnished.get(path_of_pool), f"{path_of_pool}/change", **asks)
    changed = (await furnished.get("/api/v1/pools/office")).json()
    assert changed["host_labels"] == {"room": "3", "rack": "b"}
    assert (changed["placement"], changed["apart_by"]) == ("pack", "rack")
    for name in ("host_labels", "apart_by"):
        typed = {**asks, name: "No Label"}
        wrong = await furnished.send(await furnished.get(path_of_pool), f"{path_of_pool}/change", **typed)
        assert wrong.status_code == 422
        assert f'id="w-{name}"' in wrong.text
    nothing = {"host_labels": "", "placement": "spread", "apart_by": ""}
    await furnished.send(await furnished.get(path_of_pool), f"{path_of_pool}/change", **nothing)
    undone = (await furnished.get("/api/v1/pools/office")).json()
    assert {name: undone[name] for name in asks} == {name: pool[name] for name in asks}
    await furnished.send(await furnished.get(path), f"{path}/labels", labels="")
    assert (await furnished.get(f"/api/v1/hosts/{host['id']}")).json()["labels"] == {}


async def test_desktops_are_filtered_sorted_and_acted_on(furnished: Visitor) -> None:
    await pool_is(furnished, "office", "ready")
    await pool_is(furnished, "broken-lab", "failed")
    every = (await furnished.get("/console/desktops")).text
    assert every.index("broken-lab-") < every.index("office-") < every.index("slow-lab-")
    turned = (await furnished.get("/console/desktops?sort=name&order=down")).text
    assert turned.index("slow-lab-") < turned.index("office-")
    failed = (await furnished.get("/console/desktops?phase=failed")).text
    assert "broken-lab-" in failed
    assert "office-" not in failed
    found = (await furnished.get("/console/desktops?q=OFFICE")).text
    assert "slow-lab-" not in found
    assert "No desktop fits" in (await furnished.get("/console/desktops?q=no-such")).text
    desktop = (await furnished.get("/api/v1/desktops?pool=office")).json()["items"][0]
    path = f"/console/desktops/{desktop['id']}"
    paused = await furnished.send(await furnished.get(path), f"{path}/pause")
    assert "The desktop is being paused." in paused.text
    await until(lambda: says(furnished, path, f'action="{path}/start"'))
    impossible = await furnished.http.post(
        f"{path}/retry", data={"csrf_token": csrf_of((await furnished.get(path)).text)}
    )
    assert impossible.status_code == 409
    assert "has not failed" in impossible.text
    deleted = await furnished.send(await furnished.get(path), f"{path}/delete")
    assert deleted.url.path == "/console/desktops"


async def test_what_happened_is_searched_for_and_taken_as_a_file(
    anna: Visitor, visitor: Visitors, settings: Settings
) -> None:
    typed = '=HYPERLINK("https://evil.example")'
    eve = visitor()
    for _ in range(2):
        assert "is wrong" in (await eve.sign_in(typed, "not the password")).text
    form = {"text": "", "user": typed, "desktop": "", "kind": "login.", "outcome": "", "since": "", "until": ""}
    page = await anna.http.get("/console/events", params=form)
    assert [*page.url.params] == ["user", "kind"]
    assert page.text.count("<tr>") == 3
    assert "The name or the password was wrong." in page.text
    answer = await anna.http.get("/console/events.csv", params=page.url.params)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [(row["user_name"], row["outcome"]) for row in rows] == [(f"'{typed}", "refused")] * 2

    def ask() -> list[str | None]:
        with Client.local(settings.local_socket) as client:
            return [event.user_name for event in client.events(user=typed, kind="login.", text="WRONG", page_size=1)]

    assert await asyncio.to_thread(ask) == [typed, typed]


async def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(
    furnished: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads it loses the right on the way; the gateway passes on that the answer did not end."""
    assert (await furnished.get("/console/events.csv")).status_code == 200
    still = iter([True, True, False])
    monkeypatch.setattr(events_service, "BATCH", 1)
    monkeypatch.setattr(history, "LINES_A_PIECE", 1)
    monkeypatch.setattr(events_service.Events, "_still_may", lambda self, tx, identity: next(still))
    with pytest.raises(httpx.RemoteProtocolError):
        await furnished.get("/console/events.csv")


async def test_the_overview_says_what_is_wrong(furnished: Visitor) -> None:
    await pool_is(furnished, "broken-lab", "failed")
    overview = (await furnished.get("/console")).text
    assert "thing" in overview
    assert "in quarantine" in overview
    assert "failed" in overview
    assert "broken-lab-" in overview
    assert "host-a" in overview


async def test_a_host_says_how_many_more_fit_and_what_bounds_that(furnished: Visitor) -> None:
    async def said() -> bool:
        hosts = (await furnished.get("/api/v1/hosts")).json()["items"]
        return bool(hosts[0]["room"]) and any(room["bound"] == "limit" for room in hosts[0]["room"])

    await until(said)
    [host] = (await furnished.get("/api/v1/hosts")).json()["items"]
    forked = [room for room in host["room"] if room["memory_mib"] == 112]
    assert forked
    left_mib = host["load"]["headroom"]["memory_mib"]
    for room in forked:
        assert room["more"] == left_mib // 112
        assert room["text"].endswith("bounded by the memory set aside for desktops (112 MiB each)")
    page = (await furnished.get(f"/console/hosts/{host['id']}")).text
    assert "bounded by the memory set aside for desktops, 112 MB each" in page or "112 MiB each" in page
    assert "Equal memory of desktops is merged" in page


async def test_pages_speak_the_reader_s_language(furnished: Visitor, visitor: Visitors, new_user: NewUser) -> None:
    magyar = visitor(language="hu-HU,hu;q=0.9,en;q=0.5")
    asked = await magyar.get("/sign-in")
    assert '<html lang="hu">' in asked.text
    assert "Bejelentkezés" in asked.text
    home = await magyar.sign_in(await new_user())
    assert "Az Ön asztalai" in home.text
    changed = await magyar.send(home, "/language", language="en")
    assert "Your desktops" in changed.text


async def test_one_changes_one_s_password_and_makes_a_token(
    furnished: Visitor, visitor: Visitors, new_user: NewUser
) -> None:
    bela = visitor()
    name = await new_user()
    await bela.sign_in(name)
    fresh = "another long password"
    wrong = await bela.send(await bela.get("/account"), "/account/password", current="no", password=fresh, again=fresh)
    assert "This is not your password now." in wrong.text
    done = await bela.send(
        await bela.get("/account"), "/account/password", current=PASSWORD, password=fresh, again=fresh
    )
    assert "The password was changed." in done.text
    made = await bela.send(await bela.get("/account"), "/account/tokens", token_name="backup")
    secret = made.text.split("<code>frz_")[1].split("<")[0]
    assert secret not in (await bela.get("/account")).text
    me = await visitor().http.get("/api/v1/me", headers={"Authorization": f"Bearer frz_{secret}"})
    assert me.json()["name"] == name


async def test_an_unknown_page_is_said_in_words(anna: Visitor) -> None:
    for path in ("/nowhere", "/console/pools/no-such", "/console/desktops/no-such", "/sessions/no-such"):
        answer = await anna.get(path)
        assert answer.status_code == 404, path
        assert "There is no such thing, or you may not see it." in answer.text, path
        assert "Traceback" not in answer.text


def csrf_of(page: str) -> str:
    return page.split('name="csrf_token" value="')[1].split('"')[0]


async def says(who: Visitor, path: str, words: str) -> bool:
    return words in (await who.get(path)).text


async def refreshes(who: Visitor, path: str) -> bool:
    return bool((await who.get(path, **{"HX-Request": "true"})).headers.get("HX-Refresh") == "true")


async def pool_is(administrator: Visitor, pool: str, count: str) -> None:
    """Until the pool counts at least one desktop so."""

    async def counted() -> bool:
        return bool((await administrator.get(f"/api/v1/pools/{pool}")).json()["counts"][count])

    await until(counted)
