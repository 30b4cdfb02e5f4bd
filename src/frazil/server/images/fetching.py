"""Gets an image from another host (`wire.transfer`). Blocking: it runs in the image keeper's thread.

What has come of a file is kept in a directory of its own until all of it is there, so that a cut connection, or another
life of this process, goes on where the last one ended::

    arriving/ID/    the files as far as they have come; `installation` says whose it is
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import structlog
from pydantic import ValidationError

from frazil.model.errors import FrazilError, HostError, OutOfSpace, Refused, Unavailable
from frazil.server.host_identity import Identity
from frazil.server.images.files import ImageFiles, file_sha256
from frazil.server.images.progress import BuildProgress
from frazil.server.joining import Joined
from frazil.trust import contexts
from frazil.wire import transfer
from frazil.wire.hostlink import ImageSource
from frazil.wire.transfer import FileFollows, FileName, GetFile, ImageFile, ListImage

log = structlog.get_logger(__name__)

DEADLINE_S = 20.0
"""For a connection, and for each piece of a file."""
PIECE_BYTES = 1 << 20
TRIES = 5
"""In a row without a byte, at one source."""
RESERVE_BYTES = 256 << 20
_OWNER = "installation"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image's files in a directory, as `store.add` takes them, and its osinfo-db id."""

    files: ImageFiles
    os: str


class Fetching:
    """One host's. joined: by what other hosts know this one. arriving: a directory that installations may share."""

    def __init__(self, joined: Joined, *, identity: Identity, arriving: Path) -> None:
        self._joined = joined
        self._identity = identity
        self._arriving = arriving

    def forget(self, image_id: str) -> None:
        """What has come of an image so far goes."""
        shutil.rmtree(self._arriving / image_id, ignore_errors=True)

    def keep_only(self, image_ids: Collection[str]) -> list[str]:
        """What has come of other images of this installation goes: the ids of those. Raises OSError."""
        if not self._arriving.exists():
            return []
        gone = []
        for place in sorted(self._arriving.iterdir()):
            if place.name not in image_ids and _owner(place) == self._identity.installation_id:
                shutil.rmtree(place)
                gone.append(place.name)
        return gone

    def fetch(
        self,
        image_id: str,
        sources: list[ImageSource],
        place: Path,
        *,
        progress: Callable[[BuildProgress], None],
        cancel: threading.Event,
    ) -> Fetched:
        """Have the image's files in `place`, which does not exist yet.

        Raises Unavailable when no source gives it, HostError when none gives what it should, OutOfSpace.
        """
        failures: list[FrazilError] = []
        for source in sources:
            if source.host_id == self._identity.host_id:
                continue
            part = self._arriving / image_id
            try:
                return _From(
                    self._joined, source, image_id, part, self._identity.installation_id, progress, cancel
                ).fetch(place)
            except OutOfSpace:
                raise
            except HostError as exc:
                log.warning("image-not-fetched", image=image_id, source=source.host_id, why=exc.what)
                failures.append(exc)
        raise failures[-1] if failures else Unavailable("No other host has this image.")


@dataclass(frozen=True, slots=True)
class _From:
    """One image, from one source."""

    joined: Joined
    source: ImageSource
    image_id: str
    arriving: Path
    installation_id: str
    progress: Callable[[BuildProgress], None]
    cancel: threading.Event

    def fetch(self, place: Path) -> Fetched:
        listed = self._list()
        disk = next((file for file in listed.files if file.name == "disk.qcow2"), None)
        if disk is None or disk.sha256 != self.source.sha256:
            raise HostError("The other host has another image under this name.", remedy="Delete it, and make it anew.")
        self.arriving.mkdir(mode=0o700, parents=True, exist_ok=True)  # an uploaded image is nobody's to read here
        (self.arriving / _OWNER).write_text(self.installation_id, encoding="utf-8")
        total = sum(file.size_bytes for file in listed.files)
        free = shutil.disk_usage(self.arriving).free
        if free < total + RESERVE_BYTES:
            raise OutOfSpace(
                f"The image takes {total >> 20} MiB, and {self.arriving} has {free >> 20} MiB left.",
                remedy="Make room there, or delete images that no pool uses.",
            )
        before = 0
        for file in listed.files:
            self._whole(file, before=before, total=total)
            before += file.size_bytes
        place.mkdir(mode=0o755)
        for file in listed.files:
            shutil.move(self.arriving / file.name, place / file.name)
        shutil.rmtree(self.arriving)
        names = {file.name for file in listed.files}
        boots = {"kernel", "initrd", "cmdline"} <= names
        files = ImageFiles(
            directory=place,
            disk=place / "disk.qcow2",
            virtual_size_bytes=listed.virtual_size_bytes,
            disk_sha256=disk.sha256,
            kernel=place / "kernel" if boots else None,
            initrd=place / "initrd" if boots else None,
            cmdline=(place / "cmdline").read_text(encoding="utf-8").strip() if boots else None,
        )
        return Fetched(files, listed.os)

    def _list(self) -> transfer.ImageFiles:
        with self._asked(ListImage(image_id=self.image_id).model_dump_json()) as answer:
            listed = transfer.ImageFiles.model_validate_json(_line(answer))
        if listed.failure is not None:
            raise HostError(listed.failure.text, remedy=listed.failure.remedy)
        return listed

    def _whole(self, file: ImageFile, *, before: int, total: int) -> None:
        """All of one file, and nothing else than it should be."""
        path = self.arriving / file.name
        tries = 0
        while (have := path.stat().st_size if path.exists() else 0) < file.size_bytes:
            try:
                self._more(file.name, path, have, size=file.size_bytes, before=before, total=total)
            except Unavailable:
                if self.cancel.is_set():
                    raise
                if path.exists() and path.stat().st_size > have:
                    tries = 0
                    continue
                tries += 1
                if tries >= TRIES or self.cancel.wait(min(2.0**tries, 10.0)):
                    raise
        if file_sha256(path, cancel=self.cancel) != file.sha256:
            path.unlink()
            raise HostError(f"The image's {file.name} came damaged from the other host.", remedy="Retry the image.")

    def _more(self, name: FileName, path: Path, have: int, *, size: int, before: int, total: int) -> None:
        question = GetFile(image_id=self.image_id, name=name, offset=have)
        with self._asked(question.model_dump_json()) as answer, path.open("ab") as out:
            follows = FileFollows.model_validate_json(_line(answer))
            if follows.failure is not None:
                raise HostError(follows.failure.text, remedy=follows.failure.remedy)
            if follows.size_bytes != size - have:
                raise HostError(f"The image's {name} has changed on the other host.", remedy="Retry the image.")
            while have < size:
                piece = answer.read1(min(PIECE_BYTES, size - have))
                if not piece:
                    raise Unavailable("The other host ended the transfer early.")
                out.write(piece)
                have += len(piece)
                if self.cancel.is_set():
                    raise Unavailable("The server is stopping.")
                said = BuildProgress(phase="Copying it from another host", fraction=(before + have) / total, eta_s=None)
                self.progress(said)
            out.flush()
            os.fsync(out.fileno())

    @contextmanager
    def _asked(self, question: str) -> Iterator[BufferedReader]:
        """The answer to one question. What goes wrong with the connection is Unavailable."""
        host = self.source.address or self.joined.host
        try:
            context = contexts.dialing(self.joined.pair, self.joined.authority)
            with (
                socket.create_connection((host, self.source.port), timeout=DEADLINE_S) as plain,
                context.wrap_socket(plain) as connection,
            ):
                self._check(connection)
                connection.sendall(question.encode() + b"\n")
                with connection.makefile("rb") as answer:
                    yield answer
        except ValidationError as exc:
            raise HostError("The other host's answer can't be read.") from exc
        except OSError as exc:  # ssl.SSLError and TimeoutError are such
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Unavailable(f"The host at {host} can't be reached: {exc}.") from exc

    def _check(self, connection: ssl.SSLSocket) -> None:
        try:
            peer = contexts.known_peer(connection)[0]
        except Refused as exc:
            raise HostError(str(exc)) from exc
        if peer.role != "host" or peer.host_id != self.source.host_id:
            raise HostError("Another machine answers at the other host's address.")


def _owner(place: Path) -> str:
    """The installation that an image is on its way to; empty where that is not known."""
    try:
        return (place / _OWNER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _line(answer: BufferedReader) -> bytes:
    line = answer.readline(transfer.LINE_MAX_BYTES)
    if not line.endswith(b"\n"):
        raise Unavailable("The other host ended the connection without an answer.")
    return line
