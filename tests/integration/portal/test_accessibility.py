"""Every page of a real installation in Chromium: accessible in light and dark, wide and narrow, and quiet."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page

from tests.harness.pages import go
from tests.integration.portal.chromium import NARROW, STEP_MS, WIDE, Watch, context_of, keep, sign_in
from tests.integration.portal.conftest import make_pool
from tests.integration.portal.stack import PASSWORD
from tests.integration.portal.test_pages import pool_is
from tests.integration.portal.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

ROLES = ("helpdesk", "pool-admin", "auditor")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def class_with_a_pool(administrator: Visitor) -> str:
    """The id of a group with people in it, which may use a pool; made unless it is there."""
    index = await administrator.get("/console/groups")
    known = {group["name"]: group["id"] for group in (await administrator.get("/api/v1/groups")).json()["items"]}
    if "class-7" in known:
        return str(known["class-7"])
    shown = await administrator.send(index, "/console/groups", name="class-7", label="Class 7, Kossuth Lajos School")
    group = shown.url.path.rpartition("/")[2]
    for name, full in (("anna-maria.szabo-kovacs", "Anna Mária Szabó-Kovács"), ("bela", "")):
        users = await administrator.get("/console/users")
        person = {"name": name, "display_name": full, "password": PASSWORD, "role": "user"}
        added = await administrator.send(users, "/console/users", **person)
        assert added.status_code == 200, added.text
        user = (await administrator.get(f"/api/v1/users/{name}")).json()["id"]
        shown = await administrator.send(shown, f"/console/groups/{group}/join", user=user)
        assert shown.status_code == 200, shown.text
    office = (await administrator.get("/api/v1/pools/office")).json()["id"]
    page = await administrator.get(f"/console/pools/{office}")
    granted = await administrator.send(page, f"/console/pools/{office}/grant", group=group)
    assert granted.status_code == 200, granted.text
    return group


async def persistent_pool(administrator: Visitor) -> str:
    """The id of a persistent pool whose sessions end by rules; made unless it is there."""
    known = (await administrator.get("/api/v1/pools/dev")).json().get("id")
    if known is not None:
        return str(known)
    rules = {"grace_min": "15", "longest_min": "600", "idle_min": "30"}
    return await make_pool(administrator, "dev", kind="persistent", at_sign_out="keep", **rules)


async def console_paths(administrator: Visitor) -> list[str]:
    """Every page of the console, with one of each kind of thing; a desktop that runs and one that failed."""
    paths = ["", "/hosts", "/images", "/pools", "/pools/new", "/desktops", "/sessions", "/users", "/groups", "/events"]
    paths += ["/events?user=anna&kind=user.&since=2020-01-01", "/events?text=no-such-thing", "/events?until=tomorrow"]
    for kind in ("hosts", "images", "pools", "users"):
        first = (await administrator.get(f"/api/v1/{kind}")).json()["items"][0]
        paths += [f"/{kind}/{first['id']}"]
    paths += [f"/groups/{await class_with_a_pool(administrator)}", f"/pools/{await persistent_pool(administrator)}"]
    for pool in ("office", "broken-lab"):
        desktops = (await administrator.get(f"/api/v1/desktops?pool={pool}")).json()["items"]
        paths += [f"/desktops/{desktops[0]['id']}"]
    return ["/", "/account", "/nowhere", *(f"/console{path}" for path in paths)]


async def faults(page: Page, name: str) -> list[str]:
    """What axe says of this page, and whether it is wider than the window."""
    await keep(page, name)
    outcome = await Axe().run(page, options={"runOnly": RULES})
    found = [f"{name}: {fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in outcome.response["violations"]]
    width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, f"{name}: {width} px wider than the window"] if width > 0 else found


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("dark", NARROW)], ids=["light", "dark", "narrow"]
)
async def test_every_page_is_accessible_and_quiet(
    browser: Browser, url: str, furnished: Visitor, scheme: str, size: tuple[int, int]
) -> None:
    await pool_is(furnished, "office", "ready")
    await pool_is(furnished, "broken-lab", "failed")
    context = await context_of(browser, url, scheme=scheme, size=size)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    watch = Watch(page, url)
    found: list[str] = []

    await go(page, "/sign-in")
    found += await faults(page, f"sign-in-{size[0]}-{scheme}")
    await sign_in(page, "anna")
    for path in await console_paths(furnished):
        await go(page, path)
        found += await faults(page, f"{path.strip('/').replace('/', '-')[:24] or 'home'}-{size[0]}-{scheme}")
    assert found == []
    assert watch.complaints == []
    assert watch.strangers == []
    await context.close()


@pytest.mark.parametrize("role", ROLES)
async def test_whoever_has_a_role_can_go_wherever_a_page_of_theirs_leads(
    browser: Browser, url: str, furnished: Visitor, role: str
) -> None:
    await pool_is(furnished, "office", "ready")
    await pool_is(furnished, "broken-lab", "failed")
    await class_with_a_pool(furnished)
    users = await furnished.get("/console/users")
    await furnished.send(users, "/console/users", name=role, password=PASSWORD, role=role)
    context = await context_of(browser, url, scheme="light", size=NARROW)
    page = await context.new_page()
    page.set_default_timeout(STEP_MS)
    watch = Watch(page, url)
    await sign_in(page, role)
    waiting, met, found = ["/console"], {"/console"}, []
    while waiting:
        path = waiting.pop(0)
        answer = await page.goto(path)
        assert answer is not None
        if answer.status != 200:
            found.append(f"{path}: {answer.status}")
            continue
        found += await faults(page, f"{role}-{path.strip('/').replace('/', '-')[:24]}")
        hrefs = await page.eval_on_selector_all(
            "a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))"
        )
        paths = {href.partition("#")[0] for href in hrefs if "?" not in href}
        led = {path for path in paths if path.startswith("/console") and path.count("/") < 4}
        waiting += sorted(led - met)
        met |= led
    assert found == []
    assert watch.complaints == []
    assert "/console/users" in met
    await context.close()
