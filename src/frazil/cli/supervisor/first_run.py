"""The first run: an image from the recipe and a first pool, so that there is a desktop to click.

Each step looks at what is there already, so that a run that was stopped goes on where it was. A file in the state
directory says that it is done: a pool that somebody deletes later is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frazil.cli import output
from frazil.client import Client
from frazil.model.clock import Clock
from frazil.model.errors import FrazilError, HostError, NotFound
from frazil.settings import Settings
from frazil.wire.rest import ImageRequest, Operation, Pool, PoolRequest

RECIPE = "debian-icewm"
POOL = "desktop"
IMAGE_TIMEOUT_S = 1800.0
DESKTOP_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """`pause` ends the wait early by raising when Frazil is being stopped; `phase` notes how long a step took."""

    settings: Settings
    client: Client
    clock: Clock
    pause: Callable[[float], None]
    say: Callable[[str], None]
    phase: Callable[[str, float], None]

    @property
    def done_file(self) -> Path:
        return self.settings.state_dir / "first-run-done"

    def run(self) -> None:
        """Have an image and a pool, and wait for the first desktop. What fails is said, with the way out."""
        if self.done_file.exists():
            return
        try:
            if not self.client.pools():
                self._host()
                self._image()
                self._pool()
        except FrazilError as exc:
            self.say(f"The first desktop could not be made: {exc} Or do it by hand: frazil image list")
            return
        try:
            self.done_file.touch()
        except OSError as exc:
            self.say(f"{self.done_file} can't be made: {exc.strerror}. The next start looks for a first desktop again.")

    def _host(self) -> None:
        """The server says hello just after it is ready; an image can be asked for before, and waits."""
        with output.progress("Waiting for this host's server"):
            self._until(
                lambda: any(host.state == "up" for host in self.client.hosts()),
                timeout_s=60,
                what="This machine's server did not report to the controller within a minute.",
            )

    def _image(self) -> None:
        began = self.clock.monotonic_s()
        try:
            image = self.client.image(RECIPE)
        except NotFound:
            operation = self.client.make_image(ImageRequest(name=RECIPE, recipe=RECIPE))
        else:
            if image.state == "ready":
                return
            if image.state == "failed":
                operation = self.client.retry_image(image.id)
            else:
                self._image_of_an_earlier_run(image.id)
                return
        self.say(f"Building the guest image {RECIPE}; this is done once.")
        said = -1

        def tell(now: Operation) -> None:
            nonlocal said
            bar.tell(step=now.step or "Building the guest image", fraction=now.fraction, left_s=now.eta_s)
            quarter = int((now.fraction or 0) * 4)
            if bar.silent and quarter > said:
                said = quarter
                left = f", about {output.duration(now.eta_s)} left" if now.eta_s else ""
                self.say(f"Guest image: {(now.fraction or 0):.0%} {now.step}{left}")

        with output.progress("Building the guest image") as bar:
            self.client.wait_for_operation(
                operation, clock=self.clock, pause=self.pause, timeout_s=IMAGE_TIMEOUT_S, tell=tell
            )
        self.phase("guest image", self.clock.monotonic_s() - began)

    def _image_of_an_earlier_run(self, image_id: str) -> None:
        with output.progress("Building the guest image") as bar:

            def made() -> bool:
                now = self.client.image(image_id)
                bar.tell(step=now.step or "Building the guest image", fraction=now.fraction, left_s=now.eta_s)
                if now.state == "failed":
                    raise HostError(
                        now.failure.text if now.failure else "The image could not be built.",
                        remedy=now.failure.remedy if now.failure else "",
                    )
                return now.state == "ready"

            self._until(made, timeout_s=IMAGE_TIMEOUT_S, what="The guest image is not ready after half an hour.")

    def _pool(self) -> None:
        began = self.clock.monotonic_s()
        pool = self.client.make_pool(PoolRequest(name=POOL, image=RECIPE, spares=1))
        with output.progress("Starting the first desktop") as bar:

            def ready() -> bool:
                now: Pool = self.client.pool(pool.id)
                for desktop in self.client.desktops(pool=pool.id):
                    bar.tell(step=desktop.step or "Starting the first desktop", fraction=None, left_s=None)
                    if desktop.failure is not None:
                        raise HostError(desktop.failure.text, remedy=desktop.failure.remedy)
                return now.counts.ready + now.counts.assigned > 0

            self._until(ready, timeout_s=DESKTOP_TIMEOUT_S, what="The first desktop is not ready after ten minutes.")
        self.phase("first desktop", self.clock.monotonic_s() - began)
        self.say(f'The first desktop is ready, in the pool "{POOL}".')

    def _until(self, done: Callable[[], bool], *, timeout_s: float, what: str) -> None:
        deadline = self.clock.monotonic_s() + timeout_s
        while not done():
            if self.clock.monotonic_s() >= deadline:
                raise HostError(what, remedy="See why: frazil desktop list; frazil image list; frazil doctor")
            self.pause(0.5)
