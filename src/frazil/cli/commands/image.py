"""`frazil image …`."""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import connection, output
from frazil.cli.connection import connect, pause
from frazil.cli.incoming import take_in
from frazil.cli.options import Json, Timeout, Wait, group
from frazil.cli.validated import valid
from frazil.client import Client
from frazil.model.errors import FrazilError, InvalidInput, NotFound, Refused
from frazil.runtime import SystemClock, SystemIds
from frazil.wire.rest import Image, ImageRequest, Operation

app = group("Images: disks that desktops start from.")


class ReadyWhen(StrEnum):
    """When a desktop of an image counts as ready."""

    SERVICE = "service"
    AGENT = "agent"
    RUNNING = "running"


class Format(StrEnum):
    """What an image file is. It is never guessed: a raw disk can be made to look like anything."""

    QCOW2 = "qcow2"
    RAW = "raw"


@app.command()
def build(
    recipe: Annotated[str, typer.Argument(help="The recipe's name, such as debian-icewm.")],
    name: Annotated[str | None, typer.Option("--name", help="The image's name; the recipe's when not given.")] = None,
    with_: Annotated[
        list[str], typer.Option("--with", help="An option of the recipe, such as browser; may be given again.")
    ] = [],  # noqa: B006 - typer reads it and hands a list of its own
    wait: Wait = True,
    timeout: Timeout = 1800,
    as_json: Json = False,
) -> None:
    """Build an image from a recipe.

    \b
    Examples:
      frazil image build debian-icewm
      frazil image build debian-xfce --with browser --with office
      frazil image build debian-icewm --name debian-next --no-wait
    """
    request = valid(ImageRequest, name=name or recipe, recipe=recipe, options=with_)
    with connect() as client:
        operation = client.make_image(request)
        if wait:
            try:
                _wait(client, operation, title=f"Building {request.name}", timeout=timeout, as_json=as_json)
            except (InvalidInput, NotFound):  # a recipe that is not there, or is wrong: trying again can't help
                _forget(client, operation.target_id)
                raise
        image = client.image(operation.target_id)
    output.answer(image, as_json=as_json, people=lambda: _show(image))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A disk image on this machine.")],
    format_: Annotated[Format, typer.Option("--format", help="What the file is; it is not guessed.")],
    name: Annotated[str, typer.Option("--name", help="The image's name.")],
    os_: Annotated[str, typer.Option("--os", help="What is inside, in osinfo's short form: debian12, win11.")] = "",
    ready_when: Annotated[
        ReadyWhen,
        typer.Option(
            "--ready-when",
            help="A desktop of it is ready when Frazil's guest service says so, when the QEMU guest agent answers, "
            "or as soon as it runs.",
        ),
    ] = ReadyWhen.AGENT,
    wait: Wait = True,
    timeout: Timeout = 1800,
    as_json: Json = False,
) -> None:
    """Take a qcow2 or raw file as an image. It is copied and checked; the file itself stays as it is.

    Only root of the host can.

    \b
    Examples:
      frazil image import fedora.qcow2 --format qcow2 --name fedora --os fedora41
      frazil image import disk.img --format raw --name old-desktop
    """
    settings = connection.settings()
    if os.geteuid() != 0 or not os.access(settings.local_socket, os.W_OK):
        raise Refused(
            "A file is imported on the host itself, by root, with Frazil up.", remedy="There: sudo frazil image import"
        )
    request = valid(ImageRequest, name=name, upload="later", format=format_.value, os=os_, ready_when=ready_when.value)
    with Client.local(settings.local_socket) as client:
        with output.progress(f"Copying {file.name}", quiet=as_json) as bar:
            copy = take_in(
                file,
                settings.incoming_dir,
                ids=SystemIds(),
                tell=lambda done: bar.tell(step="", fraction=done, left_s=None),
            )
        try:
            operation = client.make_image(request.model_copy(update={"upload": copy}))
            if wait:
                _wait(client, operation, title=f"Importing {name}", timeout=timeout, as_json=as_json)
        except FrazilError:
            if not _is_awaited(client, name):
                (settings.incoming_dir / copy).unlink(missing_ok=True)
                _forget(client, name, source=f"file {copy}")
            raise
        image = client.image(operation.target_id)
    output.answer(image, as_json=as_json, people=lambda: _show(image))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All images.

    \b
    Examples:
      frazil image list
    """
    with connect() as client:
        images = client.images()
    rows = [
        (image.name, str(image.version), _state(image), output.size(image.size_bytes), image.os or "–", image.source)
        for image in images
    ]
    output.answer(
        images,
        as_json=as_json,
        people=lambda: output.table(
            ("NAME", "VERSION", "STATE", "SIZE", "SYSTEM", "SOURCE"),
            rows,
            empty="No images. Build one: frazil image build debian-icewm",
        ),
    )


@app.command()
def delete(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Its name or id.")],
    wait: Wait = True,
    timeout: Timeout = 300,
    as_json: Json = False,
) -> None:
    """Delete an image that no pool uses.

    \b
    Examples:
      frazil image delete old-desktop
    """
    with connect() as client:
        operation = client.delete_image(image)
        if wait:
            operation = _wait(client, operation, title=f"Deleting {image}", timeout=timeout, as_json=as_json)
    done = "is deleted" if operation.state == "done" else "is being deleted"
    output.answer(operation, as_json=as_json, people=lambda: output.say(f"Image {image} {done}."))


def _wait(client: Client, operation: Operation, *, title: str, timeout: float, as_json: bool) -> Operation:
    with output.progress(title, quiet=as_json) as bar:
        return client.wait_for_operation(
            operation,
            clock=SystemClock(),
            pause=pause,
            timeout_s=timeout,
            tell=lambda now: bar.tell(step=now.step, fraction=now.fraction, left_s=now.eta_s),
        )


def _is_awaited(client: Client, name: str) -> bool:
    """Whether the server is still to take the copy: then it stays."""
    try:
        return client.image(name).state in ("waiting", "making")
    except FrazilError:
        return False


def _forget(client: Client, ref: str, *, source: str | None = None) -> None:
    """Delete an image that failed and can't be tried again; `source`: only when it was to come from there."""
    with contextlib.suppress(FrazilError):  # why it failed is what is to be said
        image = client.image(ref)
        if image.state == "failed" and source in (None, image.source):
            client.delete_image(image.id)


def _state(image: Image) -> str:
    if image.state == "failed" and image.failure is not None:
        return f"failed: {image.failure.text}"
    return f"{image.state} {image.fraction:.0%}" if image.state == "making" else image.state


def _show(image: Image) -> None:
    output.pairs(
        [
            ("Name", image.name),
            ("Version", str(image.version)),
            ("Id", image.id),
            ("State", _state(image)),
            ("Size", output.size(image.size_bytes)),
            ("Virtual size", output.size(image.virtual_size_bytes)),
            ("SHA-256", image.sha256 or ""),
            ("System", image.os),
            ("Source", image.source),
        ]
    )
