"""Hands images to other hosts (`wire.transfer`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from frazil.model.errors import FrazilError, HostError, InvalidInput, NotFound
from frazil.server.images.files import file_sha256
from frazil.server.images.store import StoredImage
from frazil.trust.carry import End
from frazil.wire.base import Message
from frazil.wire.hostlink import FailureField
from frazil.wire.transfer import FileFollows, GetFile, ImageFile, ImageFiles, ListImage, question

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""So many files are handed out at a time: the rest of the network is for displays."""
STALLED_S = 60.0


class Handing:
    """One host's. find: an image that is here, or None. Used in the event loop's thread."""

    def __init__(self, find: Callable[[str], StoredImage | None]) -> None:
        self._find = find
        self._places = asyncio.Semaphore(AT_ONCE)
        self._sums: dict[Path, str] = {}
        """SHA-256 of files, which never change."""

    async def answer(self, line: bytes, host: End) -> None:
        """One question, to its end. Raises OSError, TimeoutError when the other host goes or takes nothing."""
        try:
            asked = question.validate_json(line)
        except ValidationError as exc:
            raise InvalidInput("The other host asks what this one does not understand.") from exc
        match asked:
            case ListImage():
                await _say(host, await self._listed(asked.image_id))
            case GetFile():
                async with self._places:
                    await self._hand(asked, host)

    async def _listed(self, image_id: str) -> ImageFiles:
        try:
            image = self._image(image_id)
            return await asyncio.to_thread(self._files, image)
        except (FrazilError, OSError) as exc:
            return ImageFiles(failure=_failure(exc))

    def _files(self, image: StoredImage) -> ImageFiles:
        names = ["disk.qcow2", *(["kernel", "initrd", "cmdline"] if image.kernel is not None else [])]
        self._sums[image.disk] = image.manifest.disk_sha256
        files = []
        for name in names:
            path = image.directory / name
            if path not in self._sums:
                self._sums[path] = file_sha256(path, cancel=threading.Event())
            given = {"name": name, "size_bytes": path.stat().st_size, "sha256": self._sums[path]}
            files.append(ImageFile.model_validate(given))
        return ImageFiles(files=files, virtual_size_bytes=image.manifest.virtual_size_bytes, os=image.manifest.os)

    def _image(self, image_id: str) -> StoredImage:
        image = self._find(image_id)
        if image is None:
            raise NotFound("The image is not on this host.")
        return image

    async def _hand(self, asked: GetFile, host: End) -> None:
        try:
            file = (self._image(asked.image_id).directory / asked.name).open("rb")
        except (FrazilError, OSError) as exc:
            await _say(host, FileFollows(failure=_failure(exc)))
            return
        with file:
            size = file.seek(0, 2) - asked.offset
            if size < 0:
                beyond = InvalidInput("The other host asks for what is beyond the file's end.")
                await _say(host, FileFollows(failure=_failure(beyond)))
                return
            await _say(host, FileFollows(size_bytes=size))
            file.seek(asked.offset)
            while piece := await asyncio.to_thread(file.read, 1 << 20):
                host.writer.write(piece)
                async with asyncio.timeout(STALLED_S):
                    await host.writer.drain()


def _failure(why: FrazilError | OSError) -> FailureField:
    error = why if isinstance(why, FrazilError) else HostError(f"The other host can't read the image: {why}.")
    return FailureField(code=error.code, text=error.what, remedy=error.remedy)


async def _say(host: End, message: Message) -> None:
    host.writer.write(message.model_dump_json().encode() + b"\n")
    async with asyncio.timeout(STALLED_S):
        await host.writer.drain()
