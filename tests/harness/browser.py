"""A person in front of Chromium: signs in, opens a desktop, sees its picture, types."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageChops
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.harness import work
from tests.harness.pages import ARGUMENTS, go_now
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

READY_TIMEOUT_MS = 240_000
WIDTH, HEIGHT = 1280, 800
SAID = """() => {
    const viewer = document.getElementById("viewer");
    return [viewer?.dataset.state ?? location.href, (viewer ?? document.body).innerText];
}"""
WATCH_STATES = """() => {
    const viewer = document.getElementById("viewer");
    window.seenStates = [];
    new MutationObserver(() => window.seenStates.push(viewer.dataset.state))
        .observe(viewer, { attributeFilter: ["data-state"] });
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


class Seat:
    """One browser window of one person."""

    def __init__(self, stack: Stack, page: Page) -> None:
        self._stack = stack
        self.page = page

    def sign_in(self, person: Person) -> None:
        """By the form, as people do; to the list of one's desktops."""
        go_now(self.page, f"{self._stack.url}/sign-in")
        self.page.get_by_label("Name").fill(person.name)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Your desktops").wait_for()

    def open(self, pool_id: str) -> None:
        """Click the pool, and wait through whatever the page says until its picture is there."""
        self.page.locator(f"#open-{pool_id}").click()
        self.connected()

    def connected(self, *, timeout_ms: float = READY_TIMEOUT_MS) -> None:
        try:
            self.page.wait_for_selector('#viewer[data-state="connected"]', timeout=timeout_ms)
        except PlaywrightTimeout as exc:
            state, words = self.page.evaluate(SAID)
            raise AssertionError(f"Not connected after {timeout_ms / 1000:g} s, but {state}: {words}") from exc

    @contextmanager
    def loses_its_line(self) -> Iterator[None]:
        """In the block the line is cut; afterwards the viewer has noticed, and is connected again by itself."""
        self.page.evaluate(WATCH_STATES)
        yield
        until(lambda: "lost" in self._states(), "the viewer notices", timeout_s=60)
        until(lambda: self._states()[-1] == "connected", "the viewer is back", timeout_s=60)

    @contextmanager
    def keeps_its_line(self) -> Iterator[None]:
        """In the block, the viewer is connected all the time."""
        self.page.evaluate(WATCH_STATES)
        yield
        assert self._states() == []
        assert self.page.locator("#viewer").get_attribute("data-state") == "connected"

    def _states(self) -> list[str]:
        """What the viewer has been since `WATCH_STATES`."""
        states: list[str] = self.page.evaluate("window.seenStates")
        return states

    def picture(self) -> Image.Image:
        """The canvas's own pixels, without the pointer."""
        url = self.page.locator("#fv-screen canvas").first.evaluate("canvas => canvas.toDataURL('image/png')")
        return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")

    def drained(self, *, timeout_s: float = 30) -> Image.Image:
        """The picture, once a quiet or suspended guest's last drawing has arrived: it no longer changes."""
        pictures = [self.picture()]

        def still() -> bool:
            self.page.wait_for_timeout(300)  # several round trips: what is on its way has come
            pictures.append(self.picture())
            return same(pictures[-1], pictures[-2])

        until(still, "the picture stands still", timeout_s=timeout_s)
        return pictures[-1]

    def terminal(self, desktop_id: str) -> None:
        """Open a terminal by the keyboard and wait until it shows. What an earlier test left open is closed first."""
        guests = self._stack.guests
        until(lambda: work.has_panel(guests, desktop_id), "the person's panel is up", timeout_s=120)
        work.let_go(guests, desktop_id)
        until(lambda: guests.run(desktop_id, "/usr/bin/pgrep", "-x", "xterm").code == 1, "no terminal is open")
        before = self.drained()
        self.focus()
        self.page.keyboard.press("Control+Alt+KeyT")
        until(
            lambda: work.terminal_has_keys(guests, desktop_id),
            lambda: f"the keys go to a terminal, not to {work.has_keys(guests, desktop_id)!r}",
            timeout_s=90,
        )
        until(lambda: large(before, self.picture()), "its window is there")

    def focus(self) -> None:
        """Give the keyboard to the desktop, without a click that the guest would see."""
        self.page.locator("#fv-screen canvas").first.focus()

    def type(self, line: str) -> None:
        self.focus()
        self.page.keyboard.type(line, delay=30)
        self.page.keyboard.press("Enter")

    def type_into(self, desktop_id: str, path: str, words: str) -> None:
        """Have the shell of the open terminal write `words` to the file `path`, and wait until it has them."""
        guests = self._stack.guests

        def there() -> str:
            return guests.run(desktop_id, "/bin/cat", path).stdout

        guests.run(desktop_id, "/bin/rm", "-f", path)
        self.type(f"echo {words} > {path}")
        until(
            lambda: there() == f"{words}\n",
            lambda: f"what is typed arrives; {path}: {there()!r}; keys go to {work.has_keys(guests, desktop_id)!r}",
        )


@contextmanager
def seat(stack: Stack, browser: Browser) -> Iterator[Seat]:
    """A window that trusts the stack's own authority only as far as Chromium can be told: its errors are ignored."""
    context = browser.new_context(
        ignore_https_errors=True, viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", color_scheme="light"
    )
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield Seat(stack, page)
    finally:
        context.close()


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def large(before: Image.Image, after: Image.Image) -> bool:
    """Whether a window's worth of the picture has changed, or its size."""
    if before.size != after.size:
        return True
    changed = ImageChops.difference(before, after).getbbox()
    return changed is not None and changed[2] - changed[0] > 300 and changed[3] - changed[1] > 200
