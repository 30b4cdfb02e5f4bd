"""The one connection between a Virtual Desktop Server and the controller.

The server dials (a WebSocket of JSON texts, one message each, over a UNIX socket or mutual TLS), says `Hello`, and is
answered `Welcome` and the whole `Desired` state of its host. Each later change of what is wanted is a new, whole
`Desired` with a higher `generation`. The server makes it so, and says what it sees: `Observed` (all of the host) after
each hello and every `resync_s`, `DesktopSeen` and `ImageSeen` at once when one thing changes. Questions (`Ask`) are
answered (`Answer`) under the same id. Applying the same `Desired` twice is the same as once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from frazil.model.desktop import Guest, Power, State
from frazil.model.room import Bound
from frazil.wire.base import Message

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1


class EpochField(Message):
    """(restore generation, counter); see `model.desktop.Epoch`."""

    generation: int
    counter: int


class FailureField(Message):
    """See `model.desktop.Failure`."""

    code: str
    text: str
    remedy: str = ""


ReadyWhen = Literal["service", "agent", "running"]
"""When a desktop counts as ready: Frazil's guest service said so, or the QEMU guest agent answered, or it runs."""


Start = Literal["fork", "cold"]
"""How a pool's desktops come up: forked from a frozen template, or booted."""


class Profile(Message):
    """A desktop's hardware. The guest sees these devices; a change makes another template."""

    vcpus: int = Field(1, ge=1, le=64)
    memory_mib: int = Field(768, ge=256, le=1 << 20)
    disk_gib: int = Field(8, ge=1, le=16384, description="Virtual size; at least the image's own")
    sound: bool = True
    network: Literal["isolated", "none"] = "isolated"
    usb_channels: int = Field(2, ge=0, le=8)


class Person(Message):
    """Who is to be signed on in a desktop: the user's name and full name, and a token that the guest takes once."""

    name: str
    full_name: str
    token: str = Field(repr=False)


class DesktopSpec(Message):
    """What one host shall make of one desktop."""

    desktop_id: str
    epoch: EpochField
    attempt: int = Field(description="Raised by a retry: what an older attempt left is thrown away first")
    name: str = Field(description="A label for people; never an identity")
    pool_id: str
    image_id: str
    profile: Profile
    power: Power
    graceful: bool = Field(False, description="To stop: ask the guest to shut down; without, cut its power")
    start_deadline_s: float
    keep_disk: bool = Field(False, description="Persistent: the disk outlives the domain")
    ready_when: ReadyWhen = "service"
    start: Start = Field("cold", description="Fork it from a frozen template where that is possible")
    person: Person | None = Field(None, description="Signed on as soon as the desktop waits for a person")
    share_memory: bool = Field(True, description="Its memory may be merged with equal pages of other guests (KSM)")


class TemplateSpec(Message):
    """A frozen template that a host shall have ready, so that desktops of this image and hardware are forked."""

    image_id: str
    profile: Profile


class ImageSource(Message):
    """A host that has an image, and hands it to other hosts by TLS.

    `address`: empty for the machine that the controller is on. `sha256` is the disk's.
    """

    host_id: str
    address: str
    port: int
    sha256: str


class ImageSpec(Message):
    """One image that a host shall have. Exactly one of `recipe` and `upload` is its source.

    `sources`: other hosts that have it already; it is the same there, which another build of a recipe would not be.
    """

    image_id: str
    name: str
    version: int
    recipe: str | None = None
    upload: str | None = Field(None, description="A file's name in the host's incoming directory")
    upload_format: Literal["qcow2", "raw"] | None = None
    os: str = ""
    wanted: Literal["present", "absent"] = "present"
    attempt: int = 1
    sources: list[ImageSource] = []


class Capabilities(Message):
    """What a host can do, found by trying."""

    kvm: bool
    spice: bool
    vcpus: int
    memory_mib: int
    qemu: str
    libvirt: str


class KindFits(Message):
    """How many more desktops of one image and hardware fit, as if only such were made (see `model.room`).

    `start`: how they come up here. `memory_mib`, `disk_mib`: what one is reckoned to take for itself, from `measured`
    desktops of the kind; with none, from its template's trial fork, or for one that boots all of its memory.
    """

    image_id: str
    profile: Profile
    start: Start
    memory_mib: int
    disk_mib: int
    measured: int = 0
    more: int
    bound: Bound


class Headroom(Message):
    """What a host has left for desktops, after those that are here have all that they are reckoned to need.

    `memory_bound`: "limit" when `memory_for_desktops_mib` is what makes `memory_mib` small. `desktops`: how many more
    its processors are reckoned to bear. `pressure`: why nothing is started now, in words; empty when it may be.
    `counted`: the desktops that this takes into account, so that none is counted twice. `used_mib`: what desktops and
    templates take now; `merged_mib`: what merging equal pages (KSM) saves.
    """

    memory_mib: int
    memory_bound: Literal["memory", "limit"] = "memory"
    disk_mib: int
    desktops: int
    pressure: str = ""
    used_mib: int = 0
    merged_mib: int = 0
    merging: str = Field("", description="Whether equal pages are merged, in words")
    counted: list[str] = []
    kinds: list[KindFits] = []


class HostLoad(Message):
    """A host's load now; `headroom` is null until the host has looked once."""

    memory_available_mib: int
    disk_free_mib: int
    load1: float
    headroom: Headroom | None = None


class SignOn(Message):
    """The last sign-on that a guest took: its account there, the SHA-256 of the token, and how it stands.

    `on`: the session comes up or is there; `left`: it has ended; `failed`: it ended before it was there.
    `panel`: its desktop is on the screen.
    """

    user: str
    token_sha256: str
    state: Literal["on", "left", "failed"]
    panel: bool = False


class DesktopObservation(Message):
    """What a host sees of one desktop."""

    desktop_id: str
    epoch: EpochField
    attempt: int
    state: State
    guest: Guest
    sign_on: SignOn | None = None
    failure: FailureField | None = None
    step: str = Field("", description="What is happening now, for people; empty when nothing is")
    started_at: datetime | None = None
    observed_at: datetime


class ImageObservation(Message):
    """What a host sees of one image."""

    image_id: str
    attempt: int
    state: Literal["absent", "making", "ready", "failed"]
    step: str = ""
    fraction: float = 0.0
    eta_s: float | None = None
    failure: FailureField | None = None
    sha256: str | None = None
    virtual_size_bytes: int | None = None
    size_bytes: int | None = None
    os: str = ""


class TemplateObservation(Message):
    """What a host sees of one template. `ram_mib`: the memory that its forks share; `probe_mib`: what its trial fork
    took for itself when it answered."""

    image_id: str
    profile: Profile
    state: Literal["making", "ready", "failed"]
    step: str = ""
    ram_mib: int = 0
    probe_mib: int = 0


class StrayDesktop(Message):
    """What a host has of a desktop that nobody wants there: enough to take it back as it lies.

    epoch, attempt: the newest that there is something of. state: running, paused or stopped. disk: "own" is an overlay
    of the image that was made to be kept; "passing", one of a desktop that is made anew, as forks are.
    """

    name: str
    image_id: str
    epoch: EpochField
    attempt: int
    state: State
    disk: Literal["own", "passing", "missing"]


class Stray(Message):
    """A thing with our label that the controller's desired state does not name: quarantined, never destroyed.

    desktop: of a disk that lies where this host looks for it; null from a host that does not tell yet.
    """

    kind: Literal["domain", "disk", "image"]
    name: str
    desktop_id: str | None = None
    detail: str = ""
    desktop: StrayDesktop | None = None


class Hello(Message):
    type: Literal["hello"] = "hello"
    installation_id: str
    host_id: str
    host_name: str
    version: str
    protocol_min: int = PROTOCOL_MIN
    protocol_max: int = PROTOCOL_MAX
    features: list[str] = []
    capabilities: Capabilities
    displays_port: int = Field(0, description="Where it hands out displays and images by TLS; 0: nowhere")


class Welcome(Message):
    """`controllers`: so many there are, each with a port of its own (`wire.joining`); 0: it is not said."""

    type: Literal["welcome"] = "welcome"
    protocol: int
    features: list[str] = []
    heartbeat_s: float = 5.0
    resync_s: float = 60.0
    controllers: int = 0


class Rejected(Message):
    """The controller will not talk to this server; `failure` says why. The connection closes."""

    type: Literal["rejected"] = "rejected"
    failure: FailureField


class Desired(Message):
    type: Literal["desired"] = "desired"
    generation: int
    term: int = Field(default=0, description="Grows from one leading controller to the next; 0: it is not said")
    desktops: list[DesktopSpec]
    images: list[ImageSpec]
    templates: list[TemplateSpec] = []
    revoked: list[str] = Field([], description="SHA-256 of keys: of hosts that are trusted no more")


class Observed(Message):
    """Everything that the host sees. What is not named here is absent, unless `complete` is false (libvirt down)."""

    type: Literal["observed"] = "observed"
    generation: int = Field(description="The newest Desired that was taken in")
    complete: bool
    desktops: list[DesktopObservation]
    images: list[ImageObservation]
    templates: list[TemplateObservation] = []
    strays: list[Stray]
    load: HostLoad


class DesktopSeen(Message):
    type: Literal["desktop"] = "desktop"
    desktop: DesktopObservation


class ImageSeen(Message):
    type: Literal["image"] = "image"
    image: ImageObservation


class TemplateSeen(Message):
    type: Literal["template"] = "template"
    template: TemplateObservation


class Heartbeat(Message):
    type: Literal["heartbeat"] = "heartbeat"
    load: HostLoad


class HostEvent(Message):
    """Something worth keeping in a desktop's history."""

    type: Literal["event"] = "event"
    desktop_id: str | None
    kind: str
    text: str
    at: datetime


class Ask(Message):
    """A question to the host. `screenshot` is answered with a PNG in base64."""

    type: Literal["ask"] = "ask"
    id: str
    method: Literal["screenshot"]
    desktop_id: str
    deadline_s: float = 10.0


class Answer(Message):
    type: Literal["answer"] = "answer"
    id: str
    failure: FailureField | None = None
    png_base64: str | None = None


ToController = Annotated[
    Hello | Observed | DesktopSeen | ImageSeen | TemplateSeen | Heartbeat | HostEvent | Answer,
    Field(discriminator="type"),
]
ToServer = Annotated[Welcome | Rejected | Desired | Ask, Field(discriminator="type")]

to_controller: TypeAdapter[ToController] = TypeAdapter(ToController)
to_server: TypeAdapter[ToServer] = TypeAdapter(ToServer)
