"""Has the images on this host that are wanted here: builds, imports, removes; one at a time.

A recipe is built into the cache, under a key that is a hash of the recipe, and taken into the store from there by
hard links: the second image of one recipe, or a retry after a crash, costs a second. At the start, and after an image
was removed, the cache loses what neither an image nor a recipe as it is now needs. What has come from another host of
an image that is there no more goes when this host is told which images there are.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import structlog

from frazil.model.clock import Clock
from frazil.model.errors import Conflict, FrazilError, HostError, InvalidInput, NotFound, Unavailable
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.desktops.starter import BootImage
from frazil.server.hypervisor.port import KernelBoot
from frazil.server.images import cache
from frazil.server.images.build import build_image, cache_key
from frazil.server.images.fetching import Fetching
from frazil.server.images.files import ImageFiles, file_sha256
from frazil.server.images.importing import import_image
from frazil.server.images.progress import BuildProgress
from frazil.server.images.recipe import Recipe, find_recipes, load_recipe, parse_reference
from frazil.server.images.store import ImageStore, StoredImage, disk_trouble_said
from frazil.server.templates.templates import BaseImage
from frazil.settings import Settings
from frazil.wire.hostlink import FailureField, ImageObservation, ImageSpec, Stray

log = structlog.get_logger(__name__)

RETRY_S = 60.0
PROGRESS_EVERY_S = 0.5
LOOK_IN_LOG = "The server's log on this host says where it failed."


class ImageKeeper:
    """This host's images. Called in the event loop's thread; the work is done in threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        installation_id: str,
        clock: Clock,
        directory: DesktopDirectory,
        report: Callable[[ImageObservation], None],
        release: Callable[[str], Awaitable[None]],
        fetching: Fetching | None = None,
    ) -> None:
        """fetching: how it gets images from other hosts; None where there are none."""
        self._settings = settings
        self._clock = clock
        self._directory = directory
        self._report = report
        self._release = release
        self._fetching = fetching
        self._cache = settings.cache_dir / "images"
        self._cache_is_due = True
        self._arriving_is_due = False  # not before it was told which images there are
        self._store = ImageStore(settings.images_dir, installation_id=installation_id)
        self._specs: dict[str, ImageSpec] = {}
        self._seen: dict[str, ImageObservation] = {}
        self._stored = {image.manifest.id: image for image in self._store.list().images}
        self._wake = asyncio.Event()
        self._cancel = threading.Event()

    def want(self, specs: Iterable[ImageSpec]) -> None:
        """Take in all images that are wanted here. What is no longer named stays, as a stray."""
        self._specs = {spec.image_id: spec for spec in specs}
        self._arriving_is_due = self._fetching is not None
        self._wake.set()

    def base_image(self, image_id: str) -> BaseImage | None:
        """What a template is made from; None while the image is not here."""
        image = self._stored.get(image_id)
        if image is None:
            return None
        boot = _boot_image(image)
        return BaseImage(
            disk=boot.disk,
            virtual_size_bytes=boot.virtual_size_bytes,
            boot=boot.boot,
            sha256=image.manifest.disk_sha256,
            name=image.manifest.name,
        )

    def stored(self, image_id: str) -> StoredImage | None:
        """The image as it lies here; None while it does not."""
        return self._stored.get(image_id)

    def wake(self) -> None:
        """Look again soon."""
        self._wake.set()

    def boot_image(self, image_id: str) -> BootImage | None:
        """What a desktop boots from; None while the image is not here."""
        image = self._stored.get(image_id)
        return _boot_image(image) if image is not None else None

    def seen(self) -> list[ImageObservation]:
        """What is known of each wanted image."""
        return [self._seen[image_id] for image_id in self._specs if image_id in self._seen]

    def strays(self) -> list[Stray]:
        """Images of ours in the store that nobody wants here."""
        return [
            Stray(kind="image", name=str(image.directory), detail=f"{image.manifest.name} {image.manifest.version}")
            for image_id, image in self._stored.items()
            if image_id not in self._specs
        ]

    async def run(self) -> None:
        """Bring about what is wanted, until cancelled; a build under way is then stopped and leaves nothing."""
        try:
            while True:
                self._wake.clear()
                for spec in list(self._specs.values()):
                    await self._keep(spec)
                if self._arriving_is_due:
                    self._arriving_is_due = False
                    await asyncio.to_thread(self._tidy_arriving, frozenset(self._specs))
                if self._cache_is_due:
                    self._cache_is_due = not await asyncio.to_thread(self._tidied_cache)
                try:
                    async with asyncio.timeout(RETRY_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._cancel.set()

    def _tidied_cache(self) -> bool:
        """What no image of this host and no recipe needs any more leaves the cache; False: not now. In a thread."""
        try:
            keep = cache.current_keys(self._settings.recipes_dir)
            gone = cache.tidy(self._cache, keep=keep, now_s=self._clock.now().timestamp())
        except (FrazilError, OSError) as exc:
            log.warning("image-cache-not-tidied", why=str(exc))
            return True
        if gone:
            log.info("image-cache-tidied", gone=gone)
        return gone is not None

    def _tidy_arriving(self, image_ids: frozenset[str]) -> None:
        """What had come of an image that was deleted meanwhile goes. In a thread."""
        assert self._fetching is not None
        try:
            gone = self._fetching.keep_only(image_ids)
        except OSError as exc:
            log.warning("arriving-not-tidied", why=str(exc))
            return
        if gone:
            log.info("arriving-tidied", gone=gone)

    async def _keep(self, spec: ImageSpec) -> None:
        seen = self._seen.get(spec.image_id)
        if spec.wanted == "absent":
            if seen is None or seen.state != "absent":
                await self._remove(spec)
        elif spec.image_id in self._stored:
            if seen is None or seen.state != "ready":
                self._say_ready(spec, self._stored[spec.image_id])
        elif self._waits(spec):
            self._say_waiting(spec)
        elif seen is None or seen.state != "failed" or seen.attempt != spec.attempt:
            await self._make(spec)

    def _waits(self, spec: ImageSpec) -> bool:
        """Whether a file is on another host, which does not have the image yet."""
        if self._fetching is None or spec.upload is None or spec.sources:
            return False
        return not self._incoming(spec.upload).exists()

    def _say_waiting(self, spec: ImageSpec) -> None:
        seen = self._seen.get(spec.image_id)
        if seen is None or seen.attempt != spec.attempt or seen.state != "absent":
            text = "It waits until another host gives it"
            self._say(ImageObservation(image_id=spec.image_id, attempt=spec.attempt, state="absent", step=text))

    async def _make(self, spec: ImageSpec) -> None:
        loop = asyncio.get_running_loop()

        last = ("", -math.inf)

        def progress(made: BuildProgress) -> None:
            nonlocal last
            now_s = self._clock.monotonic_s()
            if made.phase != last[0] or now_s - last[1] >= PROGRESS_EVERY_S:
                last = (made.phase, now_s)
                loop.call_soon_threadsafe(self._say_progress, spec, made)

        self._say_progress(spec, BuildProgress(phase="Starting", fraction=0.0, eta_s=None))
        try:
            stored = await asyncio.to_thread(self._make_blocking, spec, progress)
        except Unavailable as exc:  # no host gives it now: it is asked for again after RETRY_S
            log.warning("image-not-had", image=spec.image_id, name=spec.name, why=str(exc))
            self._say_waiting(spec)
            return
        except FrazilError as exc:
            log.warning("image-failed", image=spec.image_id, name=spec.name, error=exc.code, why=str(exc))
            self._say_failed(spec, exc)
            return
        except Exception as exc:  # whatever it was, one image is lost, not the server that keeps all desktops
            log.exception("image-failed-unforeseen", image=spec.image_id, name=spec.name)
            self._say_failed(spec, HostError(f"The image could not be made: {exc!r}.", remedy=LOOK_IN_LOG))
            return
        self._stored[spec.image_id] = stored
        self._say_ready(spec, stored)

    def _make_blocking(self, spec: ImageSpec, progress: Callable[[BuildProgress], None]) -> StoredImage:
        """Make and store the image; nothing half made stays. In a thread. Raises a FrazilError."""
        with disk_trouble_said(self._settings.images_dir, what="made"), self._store.staging(spec.image_id) as place:
            if spec.sources and self._fetching is not None:
                fetched = self._fetching.fetch(
                    spec.image_id, spec.sources, place, progress=progress, cancel=self._cancel
                )
                files, os_id, source = fetched.files, fetched.os, "host"
            elif spec.recipe is not None:
                recipe = self._recipe(spec.recipe)
                files = self._from_cache(recipe, place, spec=spec, progress=progress)
                source, os_id = f"recipe:{spec.recipe}", recipe.os.id
            elif spec.upload is not None and spec.upload_format is not None:
                files = import_image(
                    source=self._incoming(spec.upload),
                    disk_format=spec.upload_format,
                    into=place,
                    progress=progress,
                    cancel=self._cancel,
                    log=self._store.log_path(spec.image_id),
                )
                source, os_id = f"import:{spec.upload}", spec.os
            else:
                raise InvalidInput("The image has no source.", remedy="Name a recipe, or a file and its format.")
            stored = self._store.add(
                image_id=spec.image_id,
                files=files,
                name=spec.name,
                version=str(spec.version),
                os_id=os_id,
                source=source,
                created_at=self._clock.now().isoformat(),
            )
        if spec.upload is not None:
            try:
                self._incoming(spec.upload).unlink(missing_ok=True)
            except OSError as exc:  # the image is there all the same
                log.warning("upload-not-removed", image=spec.image_id, upload=spec.upload, why=str(exc))
        return stored

    def _recipe(self, reference: str) -> Recipe:
        name, options = parse_reference(reference)
        recipes = {recipe.name: recipe for recipe in find_recipes(self._settings.recipes_dir)}
        if name not in recipes:
            raise NotFound(f"There is no recipe called {name}.", remedy=f"There are: {', '.join(sorted(recipes))}.")
        return load_recipe(recipes[name].directory, options=options) if options else recipes[name]

    def _from_cache(
        self, recipe: Recipe, place: Path, *, spec: ImageSpec, progress: Callable[[BuildProgress], None]
    ) -> ImageFiles:
        """The recipe's image in `place`, built first when the cache does not have it."""
        with cache.held(self._cache):
            return self._linked(self._cache / cache_key(recipe), recipe, place, spec=spec, progress=progress)

    def _linked(
        self,
        cached: Path,
        recipe: Recipe,
        place: Path,
        *,
        spec: ImageSpec,
        progress: Callable[[BuildProgress], None],
    ) -> ImageFiles:
        """`cached` in `place`, built first when it is not there. The cache is held."""
        if not cached.exists():
            try:
                build_image(
                    recipe=recipe,
                    into=cached,
                    progress=progress,
                    cancel=self._cancel,
                    log=self._store.log_path(spec.image_id),
                )
            except Conflict:
                if not cached.exists():  # else another installation on this host was faster
                    raise
        place.mkdir(mode=0o755)
        for path in cached.iterdir():
            try:
                os.link(path, place / path.name)
            except OSError:  # another file system
                shutil.copyfile(path, place / path.name)
        return ImageFiles(
            directory=place,
            disk=place / "disk.qcow2",
            virtual_size_bytes=recipe.disk_virtual_size_mib << 20,
            disk_sha256=file_sha256(place / "disk.qcow2", cancel=self._cancel),
            kernel=place / "kernel",
            initrd=place / "initrd",
            cmdline=(place / "cmdline").read_text(encoding="utf-8").strip(),
        )

    def _incoming(self, name: str) -> Path:
        """A file in the incoming directory. Raises InvalidInput for anything that would lead elsewhere."""
        if not name or "/" in name or name.startswith("."):
            raise InvalidInput(f"{name!r} is not the name of a file in {self._settings.incoming_dir}.")
        return self._settings.incoming_dir / name

    async def _remove(self, spec: ImageSpec) -> None:
        users = [record.name for _, record in self._directory.list() if record and record.image_id == spec.image_id]
        try:
            if users:
                raise Conflict(f"Desktops on this host still use the image: {', '.join(sorted(users)[:5])}.")
            await self._release(spec.image_id)  # what was made from it here
            if self._fetching is not None:
                await asyncio.to_thread(self._fetching.forget, spec.image_id)
            await asyncio.to_thread(self._store.delete, spec.image_id)
        except NotFound:
            pass
        except FrazilError as exc:
            log.warning("image-not-removed", image=spec.image_id, why=str(exc))
            return  # looked at again with the next change, or after RETRY_S
        except Exception:  # whatever it was, one image stays a while longer; the server keeps all desktops
            log.exception("image-not-removed-unforeseen", image=spec.image_id)
            return
        self._stored.pop(spec.image_id, None)
        self._cache_is_due = True
        self._say(ImageObservation(image_id=spec.image_id, attempt=spec.attempt, state="absent"))

    def _say_progress(self, spec: ImageSpec, made: BuildProgress) -> None:
        if spec.image_id in self._stored:
            return  # a late word from the thread
        self._say(
            ImageObservation(
                image_id=spec.image_id,
                attempt=spec.attempt,
                state="making",
                step=made.phase,
                fraction=made.fraction,
                eta_s=made.eta_s,
            )
        )

    def _say_failed(self, spec: ImageSpec, why: FrazilError) -> None:
        failure = FailureField(code=why.code, text=why.what, remedy=why.remedy or "Retry the image.")
        self._say(ImageObservation(image_id=spec.image_id, attempt=spec.attempt, state="failed", failure=failure))

    def _say_ready(self, spec: ImageSpec, image: StoredImage) -> None:
        try:
            size_bytes = image.disk.stat().st_blocks * 512
        except OSError as exc:
            log.warning("image-damaged", image=spec.image_id, why=str(exc))
            self._say_failed(spec, HostError(f"The image's disk is gone: {exc}.", remedy="Delete it and make it anew."))
            return
        self._say(
            ImageObservation(
                image_id=spec.image_id,
                attempt=spec.attempt,
                state="ready",
                fraction=1.0,
                sha256=image.manifest.disk_sha256,
                virtual_size_bytes=image.manifest.virtual_size_bytes,
                size_bytes=size_bytes,
                os=image.manifest.os,
            )
        )

    def _say(self, seen: ImageObservation) -> None:
        self._seen[seen.image_id] = seen
        self._report(seen)


def _boot_image(image: StoredImage) -> BootImage:
    boot = None
    if image.kernel is not None and image.initrd is not None and image.cmdline is not None:
        boot = KernelBoot(image.kernel, image.initrd, image.cmdline)
    return BootImage(disk=image.disk, virtual_size_bytes=image.manifest.virtual_size_bytes, boot=boot)
