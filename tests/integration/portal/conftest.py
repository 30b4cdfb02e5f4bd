"""One installation for all page tests of a module: an administrator, users, pools in every state."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from frazil.gateway.tls import CA_FILE
from frazil.settings import Settings
from tests.harness.pages import ARGUMENTS
from tests.harness.ports import free_port
from tests.integration.portal.stack import PASSWORD, installation, setup_path, until
from tests.integration.portal.visitor import Visitor

POOLS = ("office", "slow-lab", "broken-lab")


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    # UNIX sockets' names are at most 107 bytes: pytest's own directories are too deep.
    with TemporaryDirectory(prefix="frazil-", dir="/var/tmp") as name:
        place = Path(name)
        yield Settings(
            state_dir=place / "state",
            run_dir=place / "run",
            log_dir=place / "log",
            listen=f"127.0.0.1:{free_port()}",
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(settings: Settings) -> AsyncIterator[str]:
    async with installation(settings) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visitor(url: str, settings: Settings) -> AsyncIterator[Callable[..., Visitor]]:
    """Makes visitors, each with cookies of their own."""
    made: list[Visitor] = []

    def make(language: str = "en") -> Visitor:
        made.append(Visitor(url, settings.tls_dir / CA_FILE, language=language))
        return made[-1]

    yield make
    for each in made:
        await each.http.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anna(visitor: Callable[..., Visitor], settings: Settings) -> Visitor:
    """The administrator, signed in."""
    who = visitor()
    path = await setup_path(settings)
    answer = await who.send(await who.get(path), path, name="anna", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 200, answer.text
    return who


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def furnished(anna: Visitor) -> Visitor:
    """The administrator of an installation with an image and three pools."""
    images = await anna.get("/console/images")
    await anna.send(images, "/console/images/build", recipe="debian-icewm", build_name="debian-icewm")
    for name in POOLS:
        await make_pool(anna, name)
    return anna


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield launched
        await launched.close()


NewUser = Callable[..., Awaitable[str]]


@pytest.fixture
def new_user(furnished: Visitor, numbers: Iterator[int]) -> NewUser:
    """Makes a user who may use the pools, and gives their name."""

    async def make(pools: tuple[str, ...] = POOLS) -> str:
        name = f"bela-{next(numbers)}"
        page = await furnished.get("/console/users")
        answer = await furnished.send(page, "/console/users", name=name, password=PASSWORD, role="user")
        assert answer.status_code == 200, answer.text
        for pool in pools:
            found = (await furnished.get(f"/api/v1/pools/{pool}")).json()["id"]
            page = await furnished.get(f"/console/pools/{found}")
            answer = await furnished.send(page, f"/console/pools/{found}/grant", user=name)
            assert answer.status_code == 200, answer.text
        return name

    return make


async def make_pool(who: Visitor, name: str, **said: str) -> str:
    """The new pool's id. Its image is the one that is ready."""
    image = await ready_image(who)
    form = await who.get("/console/pools/new")
    answer = await who.send(form, "/console/pools/new", name=name, image=image, spares="1", label=name, **said)
    assert answer.status_code == 200, answer.text
    return answer.url.path.rpartition("/")[2]


async def ready_image(who: Visitor) -> str:
    """The id of the image debian-icewm, once it is ready."""
    found: list[str] = []

    async def is_ready() -> bool:
        images = (await who.get("/api/v1/images")).json()["items"]
        found[:] = [image["id"] for image in images if image["state"] == "ready"]
        return bool(found)

    await until(is_ready)
    return found[0]
