"""Images: immutable, versioned, deleted only when nobody uses them."""

from __future__ import annotations

import pytest

from frazil.model.errors import Conflict, InvalidInput
from frazil.wire.hostlink import Desired, FailureField, ImageObservation
from frazil.wire.rest import ImageRequest
from tests.unit.controller.world import World


async def test_an_image_is_built_with_progress_and_is_ready(world: World) -> None:
    host = await world.host()
    operation = await world.services.images.create(world.root, ImageRequest(name="debian", recipe="debian-icewm"))
    assert (operation.kind, operation.state, operation.step) == (
        "image.build",
        "running",
        "Waiting for a host to begin",
    )
    host.images_ready = False
    await world.settle()
    shown = await world.services.operations.show(world.root, operation.id)
    assert (shown.step, shown.fraction) == ("Installing packages", 0.25)
    assert (await world.services.images.show(world.root, "debian")).state == "making"
    host.images_ready = True
    await world.settle()
    shown = await world.services.operations.show(world.root, operation.id)
    assert (shown.state, shown.fraction) == ("done", 1.0)
    image = await world.services.images.show(world.root, "debian")
    assert (image.state, image.version, image.source) == ("ready", 1, "recipe debian-icewm")


async def test_the_same_name_makes_a_further_version(world: World) -> None:
    first = await world.image()
    second = await world.image()
    assert first != second
    assert (await world.services.images.show(world.root, "debian")).version == 2
    assert (await world.services.images.show(world.root, first)).version == 1


async def test_a_failed_image_can_be_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = await world.host()
    image_id = await world.image()
    broken = FailureField(code="out-of-space", text="The disk is full.", remedy="Free 3 GiB.")

    def fail(desired: Desired) -> list[ImageObservation]:
        return [
            ImageObservation(image_id=one.image_id, attempt=one.attempt, state="failed", failure=broken)
            for one in desired.images
        ]

    with monkeypatch.context() as patched:
        patched.setattr(host, "see_images", fail)
        await world.settle()
    image = await world.services.images.show(world.root, image_id)
    assert image.state == "failed"
    assert image.failure == broken
    operation = await world.services.images.retry(world.root, image_id)
    assert operation.state == "running"
    assert (await world.services.images.show(world.root, image_id)).state == "waiting"
    await world.settle()
    assert (await world.services.operations.show(world.root, operation.id)).state == "done"
    with pytest.raises(Conflict, match="debian is ready"):
        await world.services.images.retry(world.root, image_id)


async def test_an_image_in_use_stays_and_another_goes_when_every_host_says_so(world: World) -> None:
    await world.ready_pool()
    with pytest.raises(Conflict, match="used by the pool desk"):
        await world.services.images.delete(world.root, "debian")
    image_id = await world.image("spare")
    await world.settle()
    operation = await world.services.images.delete(world.root, image_id)
    assert (await world.services.images.delete(world.root, image_id)).id == operation.id
    await world.look()
    assert (await world.services.images.show(world.root, image_id)).state == "deleting"
    with pytest.raises(Conflict, match="is being deleted"):
        await world.pool("late", image=image_id)
    await world.settle()
    assert (await world.services.operations.show(world.root, operation.id)).state == "done"
    assert [image.name for image in (await world.services.images.list_for(world.root)).items] == ["debian"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ImageRequest(name="x"), "recipe"),
        (ImageRequest(name="x", recipe="a", upload="b"), "recipe"),
        (ImageRequest(name="x", recipe="../../etc/passwd"), "recipe"),
        (ImageRequest(name="x", upload="../secret", format="raw"), "upload"),
        (ImageRequest(name="x", upload="/etc/passwd", format="raw"), "upload"),
        (ImageRequest(name="x", upload="disk.img"), "format"),
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, request_: ImageRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.services.images.create(world.root, request_)
    assert caught.value.field == field
    assert (await world.services.images.list_for(world.root)).items == []


async def test_options_of_a_recipe_are_in_its_reference_in_one_order(world: World) -> None:
    wanted = ImageRequest(name="debian-xfce", recipe="debian-xfce", options=["office", "browser", "office"])
    await world.services.images.create(world.root, wanted)
    image = await world.services.images.show(world.root, "debian-xfce")
    assert image.source == "recipe debian-xfce+browser+office"


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest(name="a", recipe="debian-xfce", options=["../x"]),
        ImageRequest(name="a", recipe="debian-xfce", options=["a+b"]),
        ImageRequest(name="a", upload="disk.raw", format="raw", options=["browser"]),
    ],
)
async def test_options_that_make_no_sense_are_refused(world: World, request_: ImageRequest) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.services.images.create(world.root, request_)
    assert caught.value.field == "options"
