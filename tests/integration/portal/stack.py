"""A whole installation for page tests: the real controller behind the real gateway, and a host that obeys at once.

What a desktop or an image becomes goes by its name: ``slow…`` stays on its way, ``broken…`` fails, all else is ready.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Literal

import httpx
import websockets
from PIL import Image as Picture
from PIL import ImageDraw

from frazil.controller import app as controller
from frazil.gateway import app as gateway
from frazil.gateway.tls import ensure_certificates
from frazil.model.desktop import Guest, Power, State
from frazil.model.room import Cost
from frazil.runtime import SystemClock, SystemIds
from frazil.server.density.reckoning import Here, Host, Kind, reckon
from frazil.settings import Settings
from frazil.wire.hostlink import (
    Answer,
    Ask,
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSpec,
    FailureField,
    Heartbeat,
    Hello,
    HostLoad,
    ImageObservation,
    ImageSpec,
    Observed,
    Stray,
    ToController,
    to_controller,
    to_server,
)

INSTALLATION_ID = "0195a3c1-7c2e-7000-8000-0000000000aa"
HOST_ID = "0195a3c1-7c2e-7000-8000-0000000000bb"
DEADLINE_S = 60.0
HEARTBEAT_S = 3.0
LOAD = HostLoad(memory_available_mib=18_500, disk_free_mib=310_000, load1=1.7)
FORK = Cost(memory_mib=112, disk_mib=128)
PASSWORD = "a long enough password"


def picture() -> bytes:
    """A PNG that looks enough like a desktop to judge a page by."""
    made = Picture.new("RGB", (1024, 768), "#2b5876")
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, 738, 1024, 768), fill="#1d2b36")
    draw.rectangle((120, 90, 720, 520), fill="#f4f4f0", outline="#1d2b36", width=3)
    draw.rectangle((120, 90, 720, 118), fill="#3c7a9e")
    draw.rectangle((420, 260, 930, 650), fill="#101418", outline="#1d2b36", width=3)
    draw.text((440, 280), "user@desktop:~$ echo frazil-42\nfrazil-42\nuser@desktop:~$ _", fill="#c8e6c9")
    out = BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def load_with(desired: Desired) -> HostLoad:
    """What a host of 8 GiB for desktops says of itself, reckoned as a server does."""
    host = Host(
        total_mib=32768, available_mib=LOAD.memory_available_mib, for_desktops_mib=8192, templates_mib=340,
        others_mib=0, disk_free_mib=LOAD.disk_free_mib, desktops_max=512,
    )  # fmt: skip
    here = [
        Here(desktop_id=spec.desktop_id, memory_mib=90, memory_in_the_end_mib=112, disk_mib=20, disk_in_the_end_mib=128)
        for spec in desired.desktops
        if spec.power in (Power.RUNNING, Power.PAUSED)
    ]
    kinds = [
        Kind(image_id=template.image_id, profile=template.profile, start="fork", cost=FORK, measured=6)
        for template in desired.templates
    ]
    merging = "Equal memory of desktops is merged; it is looked for again when they have written more."
    return LOAD.model_copy(update={"headroom": reckon(host, here, kinds, merged_mib=420, merging=merging)})


async def beat(send: Callable[[ToController], Awaitable[None]], load: Callable[[], HostLoad]) -> None:
    """Until cancelled."""
    while True:
        await send(Heartbeat(load=load()))
        await asyncio.sleep(HEARTBEAT_S)


class ObedientHost:
    """Speaks the host link for one host. `listening` is done when the controller has its first report."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.listening = asyncio.Event()
        self._load = LOAD

    async def run(self) -> None:
        """Until cancelled."""
        path = str(self._settings.hosts_socket)
        async with websockets.unix_connect(path, "ws://localhost/hosts/v1", max_size=None) as link:

            async def send(message: ToController) -> None:
                await link.send(to_controller.dump_json(message).decode())

            await send(
                Hello(
                    installation_id=INSTALLATION_ID,
                    host_id=HOST_ID,
                    host_name="host-a",
                    version="0.1.0",
                    capabilities=Capabilities(
                        kvm=False, spice=True, vcpus=8, memory_mib=32768, qemu="7.2.17", libvirt="9.0.0"
                    ),
                )
            )
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(beat(send, lambda: self._load))
                async for text in link:
                    message = to_server.validate_json(text)
                    if isinstance(message, Desired):
                        self._load = load_with(message)
                        await send(self._observed(message))
                        self.listening.set()
                    elif isinstance(message, Ask):
                        await send(Answer(id=message.id, png_base64=base64.b64encode(picture()).decode()))
                beating.cancel()

    def _observed(self, desired: Desired) -> Observed:
        return Observed(
            generation=desired.generation,
            complete=True,
            desktops=[_desktop(spec) for spec in desired.desktops],
            images=[_image(spec) for spec in desired.images if spec.wanted == "present"],
            strays=[Stray(kind="domain", name="frazil-forgotten", desktop_id=None, detail="It runs since yesterday.")],
            load=self._load,
        )


def _desktop(spec: DesktopSpec) -> DesktopObservation:
    failure = None
    state, guest, step = State.RUNNING, Guest.READY, ""
    if spec.power is Power.ABSENT:
        state, guest = State.ABSENT, Guest.SILENT
    elif spec.power is Power.STOPPED:
        state, guest = State.STOPPED, Guest.SILENT
    elif spec.power is Power.PAUSED:
        state = State.PAUSED
    elif spec.name.startswith("broken") and spec.attempt == 1:
        state, guest = State.STOPPED, Guest.SILENT
        failure = FailureField(
            code="guest-silent",
            text="The desktop was started 300 s ago and its guest agent never answered.",
            remedy="Retry it.",
        )
    elif spec.name.startswith("slow"):
        guest, step = Guest.SILENT, "Booting"
    return DesktopObservation(
        desktop_id=spec.desktop_id,
        epoch=spec.epoch,
        attempt=spec.attempt,
        state=state,
        guest=guest,
        failure=failure,
        step=step,
        started_at=datetime.now(UTC) if state is State.RUNNING else None,
        observed_at=datetime.now(UTC),
    )


def _image(spec: ImageSpec) -> ImageObservation:
    state: Literal["ready", "making", "failed"] = "ready"
    failure = None
    if spec.name.startswith("slow"):
        state = "making"
    elif spec.name.startswith("broken") and spec.attempt == 1:
        state, failure = "failed", FailureField(code="image-failed", text="mmdebstrap ended with code 1.")
    ready = state == "ready"
    return ImageObservation(
        image_id=spec.image_id,
        attempt=spec.attempt,
        state=state,
        step="Unpacking packages" if state == "making" else "",
        fraction=0.43 if state == "making" else 0.0,
        eta_s=95.0 if state == "making" else None,
        failure=failure,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" if ready else None,
        virtual_size_bytes=8 << 30 if ready else None,
        size_bytes=734_003_200 if ready else None,
        os="Debian GNU/Linux 12",
    )


@asynccontextmanager
async def installation(settings: Settings, *, with_host: bool = True) -> AsyncIterator[str]:
    """The installation's public address; the processes run inside the block."""
    for path in (
        settings.public_socket,
        settings.internal_socket,
        settings.hosts_socket,
        settings.local_socket,
        settings.display_socket,
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    settings.installation_file.write_text(json.dumps({"installation_id": INSTALLATION_ID, "host_id": HOST_ID}))
    clock = SystemClock()
    ensure_certificates(settings, clock=clock, owner_gid=None)
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        async def up(serve: Callable[[asyncio.Event], asyncio.Task[None]], ready: asyncio.Event) -> None:
            running.append(serve(ready))
            async with asyncio.timeout(DEADLINE_S):
                await ready.wait()

        try:
            await up(
                lambda ready: tasks.create_task(
                    controller.serve(settings, clock=clock, ids=SystemIds(), ready=ready.set)
                ),
                asyncio.Event(),
            )
            await up(
                lambda ready: tasks.create_task(gateway.serve(settings, clock=clock, ready=ready.set)),
                asyncio.Event(),
            )
            if with_host:
                host = ObedientHost(settings)
                await up(lambda _: tasks.create_task(host.run()), host.listening)
            yield f"https://{settings.listen}"
        finally:
            for task in reversed(running):
                task.cancel()


async def setup_path(settings: Settings) -> str:
    """The one-time link's path, as root gets it on the machine."""
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(settings.local_socket))) as root:
        answer = await root.post("http://localhost/api/v1/setup/link")
    answer.raise_for_status()
    return str(answer.json()["path"])


async def until(condition: Callable[[], object]) -> None:
    """Until the awaitable that `condition` makes is true; asked again at once, with a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            outcome = condition()
            if asyncio.iscoroutine(outcome):
                outcome = await outcome
            if outcome:
                return
            await asyncio.sleep(0.05)
