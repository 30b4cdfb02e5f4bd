"""An image travels from one host to another over mutual TLS: whole, or not at all, however often the line is cut."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from frazil.model.errors import FrazilError, HostError, Unavailable
from frazil.runtime import SystemClock
from frazil.server import image_keeper, remote_displays
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.host_identity import Identity
from frazil.server.image_keeper import ImageKeeper
from frazil.server.images import fetching
from frazil.server.images.fetching import Fetched, Fetching
from frazil.server.images.files import ImageFiles
from frazil.server.images.handing import Handing
from frazil.server.images.progress import BuildProgress
from frazil.server.images.store import ImageStore, StoredImage
from frazil.server.joining import Joined
from frazil.settings import Settings
from frazil.trust import contexts
from frazil.trust.authority import Pair
from frazil.trust.peers import Peer, certify, key_sha256, make_key, make_peers_authority
from frazil.wire.hostlink import ImageObservation, ImageSource, ImageSpec
from tests.harness.ports import free_port
from tests.harness.waiting import eventually

IMAGE = "01900000-0000-7000-8000-00000000cccc"
INSTALLATION = "01900000-0000-7000-8000-00000000aaaa"
OTHER_INSTALLATION = "01900000-0000-7000-8000-00000000bbbb"
DELETED = "01900000-0000-7000-8000-00000000dddd"
HERE = Identity(INSTALLATION, "here")
DISK = bytes(range(256)) * (5 << 12)  # 5 MiB
NOW = datetime.now(UTC)


def trusted(place: Path, authority: Pair, peer: Peer, *, pair: str = "host.pem") -> Path:
    """A trust directory of one machine. pair: what its certificate and key are called there."""
    place.mkdir(parents=True)
    key = make_key()
    made = Pair(certify(authority, key.public_key(), peer, now=NOW), key)
    (place / pair).write_bytes(made.certificate_pem + made.key_pem)
    (place / "authority.pem").write_bytes(authority.certificate_pem)
    return place


def stored(place: Path) -> StoredImage:
    """An image as a host has it."""
    store = ImageStore(place, installation_id=INSTALLATION)
    with store.staging(IMAGE) as at:
        at.mkdir()
        (at / "disk.qcow2").write_bytes(DISK)
        (at / "kernel").write_bytes(b"kernel")
        (at / "initrd").write_bytes(b"initrd" * 1000)
        (at / "cmdline").write_text("quiet\n")
        files = ImageFiles(
            directory=at,
            disk=at / "disk.qcow2",
            virtual_size_bytes=1 << 30,
            disk_sha256=hashlib.sha256(DISK).hexdigest(),
            kernel=at / "kernel",
            initrd=at / "initrd",
            cmdline="quiet",
        )
        return store.add(
            image_id=IMAGE, files=files, name="x", version="1", os_id="debian12", source="t", created_at=NOW.isoformat()
        )


class Line:
    """A TCP relay that is cut after so many bytes towards who dials, connection after connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts: list[int] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.connections += 1
        left = self.cuts.pop(0) if self.cuts else 1 << 60
        there, to_there = await asyncio.open_connection("127.0.0.1", self._port)

        async def up() -> None:
            while data := await reader.read(1 << 16):
                to_there.write(data)
                await to_there.drain()

        async def down() -> None:
            nonlocal left
            while left > 0 and (data := await there.read(min(1 << 14, left))):
                left -= len(data)
                writer.write(data)
                await writer.drain()

        ways = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, to_there):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()


@dataclass
class Bench:
    line: Line
    source: ImageSource
    image: StoredImage
    fetch: Callable[..., Fetched]
    revoked: set[str]
    arriving: Path
    place: Path
    said: list[BuildProgress]


@asynccontextmanager
async def two_hosts(
    tmp_path: Path, *, asking: Peer | None = None, authority: Pair | None = None
) -> AsyncIterator[Bench]:
    ours = make_peers_authority(now=NOW)
    there = trusted(tmp_path / "there", ours, Peer(INSTALLATION, "host", "there"))
    asks = asking or Peer(INSTALLATION, "host", "here")
    here = trusted(tmp_path / "here", authority or ours, asks)
    (here / "authority.pem").write_bytes(ours.certificate_pem)
    image = stored(tmp_path / "images")
    port = free_port()

    async def no_display(desktop_id: str, epoch: object) -> int:
        raise AssertionError("nobody asks for one")

    context = contexts.listening(there / "host.pem", there / "authority.pem")
    handing = Handing(lambda image_id: image if image_id == IMAGE else None)
    serving = asyncio.create_task(
        remote_displays.serve(
            f"127.0.0.1:{port}",
            context,
            open_display=no_display,
            handing=handing,
            is_revoked=lambda known_key: known_key in revoked,
        )
    )
    revoked: set[str] = set()
    line = Line(port)
    relay = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    source = ImageSource(
        host_id="there",
        address="127.0.0.1",
        port=relay.sockets[0].getsockname()[1],
        sha256=image.manifest.disk_sha256,
    )
    said: list[BuildProgress] = []
    arriving, place = tmp_path / "arriving", tmp_path / "place"

    def fetch(stop_at: float = 2.0) -> Fetched:
        """A new object each time, as in another life of the process, which is stopped at so much of the image."""
        stop = threading.Event()

        def progress(one: BuildProgress) -> None:
            said.append(one)
            if one.fraction >= stop_at:
                stop.set()

        asker = Fetching(Joined("127.0.0.1", 1, 1, here), identity=HERE, arriving=arriving)
        return asker.fetch(IMAGE, [source], place, progress=progress, cancel=stop)

    async with relay:
        try:
            yield Bench(line, source, image, fetch, revoked, arriving, place, said)
        finally:
            serving.cancel()
            await asyncio.wait({serving, *line.tasks})


def same(bench: Bench, fetched: Fetched) -> bool:
    there = bench.image.directory
    names = ["disk.qcow2", "kernel", "initrd", "cmdline"]
    return all((bench.place / name).read_bytes() == (there / name).read_bytes() for name in names)


async def test_an_image_arrives_as_it_was(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        fetched = await asyncio.to_thread(bench.fetch)
        assert same(bench, fetched)
        assert fetched.os == "debian12"
        assert fetched.files.virtual_size_bytes == 1 << 30
        assert fetched.files.cmdline == "quiet"
        assert not (bench.arriving / IMAGE).exists()
        assert [one.fraction for one in bench.said] == sorted(one.fraction for one in bench.said)


async def test_a_line_that_is_cut_again_and_again_costs_no_byte_twice(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        bench.line.cuts = [100_000_000, *([600_000] * 20)]
        cuts = len(bench.line.cuts)
        fetched = await asyncio.to_thread(bench.fetch)
        assert same(bench, fetched)
        # What is cut has brought up to 600 kB less TLS's own; sent anew each time, 5 MiB would never come.
        assert bench.line.connections >= 9
        assert bench.line.connections <= cuts + 5


async def test_another_life_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(bench.fetch, 0.5)
        have = (bench.arriving / IMAGE / "disk.qcow2").stat().st_size
        assert len(DISK) / 4 < have < len(DISK)
        # The first connection after this has room for the rest of the disk, and not for all of it.
        bench.line.cuts = [100_000_000, len(DISK) - have + 300_000]
        before = bench.line.connections
        assert same(bench, await asyncio.to_thread(bench.fetch))
        assert bench.line.connections - before == 5, "the list and four files"


async def test_what_came_of_an_image_that_was_deleted_meanwhile_goes_and_nothing_else(
    tmp_path: Path, make_settings: Callable[[], Settings]
) -> None:
    async with two_hosts(tmp_path) as bench:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(bench.fetch, 0.5)
        arriving = bench.arriving
        shutil.copytree(arriving / IMAGE, arriving / DELETED)
        of_others, unknown = arriving / OTHER_INSTALLATION, arriving / "unknown"
        for place in (of_others, unknown):
            place.mkdir()
        (of_others / "installation").write_text(OTHER_INSTALLATION)
        (unknown / "disk.qcow2").touch()
        settings = replace(make_settings(), cache_dir=tmp_path / "cache")
        of_no_recipe = settings.cache_dir / "images" / ("0" * 32)
        of_no_recipe.mkdir(parents=True)
        (of_no_recipe / "disk.qcow2").touch()
        keeper = ImageKeeper(
            settings,
            installation_id=INSTALLATION,
            clock=SystemClock(),
            directory=DesktopDirectory(settings.desktops_dir, installation_id=INSTALLATION),
            report=lambda seen: None,
            release=_nothing,
            fetching=Fetching(Joined("127.0.0.1", 1, 1, tmp_path / "here"), identity=HERE, arriving=arriving),
        )
        before = {place.name for place in arriving.iterdir()}
        running = asyncio.create_task(keeper.run())
        try:
            await eventually(lambda: _are_there(of_no_recipe.parent, set()), "its first look is over")
            assert await _are_there(arriving, before), "it was not told yet which images there are"
            waits = ImageSpec(image_id=IMAGE, name="x", version=1, upload="x", upload_format="raw")
            keeper.want([waits])
            await eventually(lambda: _are_there(arriving, before - {DELETED}), "what was deleted goes")
        finally:
            running.cancel()
            await asyncio.wait({running})
        assert same(bench, await asyncio.to_thread(bench.fetch)), "what is wanted goes on where it was"


async def _are_there(arriving: Path, names: set[str]) -> bool:
    return {place.name for place in arriving.iterdir()} == names


async def test_what_came_damaged_is_not_taken(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(bench.fetch, 0.5)
        part = bench.arriving / IMAGE / "disk.qcow2"
        held = bytearray(part.read_bytes())
        held[1000] ^= 1
        part.write_bytes(held)
        with pytest.raises(HostError, match="damaged"):
            await asyncio.to_thread(bench.fetch)
        assert not bench.place.exists()
        assert same(bench, await asyncio.to_thread(bench.fetch))  # it begins anew


async def test_another_disk_under_the_same_name_is_not_taken(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        other = bench.source.model_copy(update={"sha256": "0" * 64})
        asker = Fetching(Joined("127.0.0.1", 1, 1, tmp_path / "here"), identity=HERE, arriving=bench.arriving)
        with pytest.raises(HostError, match="another image"):
            await asyncio.to_thread(
                lambda: asker.fetch(IMAGE, [other], bench.place, progress=bench.said.append, cancel=threading.Event())
            )


@pytest.mark.parametrize("role", ["controller", "gateway"])
async def test_only_a_host_is_given_images(tmp_path: Path, role: str) -> None:
    async with two_hosts(tmp_path, asking=Peer(INSTALLATION, role)) as bench:  # type: ignore[arg-type]
        with pytest.raises(FrazilError):
            await asyncio.to_thread(bench.fetch)
        assert not bench.place.exists()


async def test_a_forged_certificate_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    async with two_hosts(tmp_path, authority=make_peers_authority(now=NOW)) as bench:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(bench.fetch)


async def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with two_hosts(tmp_path) as bench:
        asker = Fetching(Joined("127.0.0.1", 1, 1, tmp_path / "here"), identity=HERE, arriving=bench.arriving)
        with pytest.raises(HostError, match="not on this host"):
            await asyncio.to_thread(
                lambda: asker.fetch(
                    INSTALLATION, [bench.source], bench.place, progress=bench.said.append, cancel=threading.Event()
                )
            )


async def test_an_image_that_no_host_gives_now_is_waited_for(
    tmp_path: Path, make_settings: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was failed for ever, until somebody had it tried again."""
    monkeypatch.setattr(fetching, "TRIES", 1)
    monkeypatch.setattr(image_keeper, "RETRY_S", 0.2)
    async with two_hosts(tmp_path) as bench:
        settings = make_settings()
        seen: asyncio.Queue[ImageObservation] = asyncio.Queue()
        keeper = ImageKeeper(
            settings,
            installation_id=INSTALLATION,
            clock=SystemClock(),
            directory=DesktopDirectory(settings.desktops_dir, installation_id=INSTALLATION),
            report=seen.put_nowait,
            release=_nothing,
            fetching=Fetching(Joined("127.0.0.1", 1, 1, tmp_path / "here"), identity=HERE, arriving=bench.arriving),
        )
        bench.line.cuts = [0] * 3  # at first it gives nothing
        spec = ImageSpec(image_id=IMAGE, name="x", version=1, upload="x", upload_format="raw", sources=[bench.source])
        keeper.want([spec])
        running = asyncio.create_task(keeper.run())
        try:
            async with asyncio.timeout(30):
                said: list[ImageObservation] = []
                while not said or said[-1].state != "ready":
                    said.append(await seen.get())
        finally:
            running.cancel()
            await asyncio.wait({running})
        assert "failed" not in [one.state for one in said]
        assert "It waits until another host gives it" in [one.step for one in said]
        assert (bench.arriving / IMAGE).exists() is False


async def _nothing(image_id: str) -> None:
    """No template is to be let go."""


async def test_a_revoked_host_is_given_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    async with two_hosts(tmp_path) as bench:
        certificate = x509.load_pem_x509_certificate((tmp_path / "here" / "host.pem").read_bytes())
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        bench.revoked.add(key_sha256(key))
        with pytest.raises(Unavailable):
            await asyncio.to_thread(bench.fetch)
        assert not bench.place.exists()
