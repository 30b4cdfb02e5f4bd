"""Images: what desktops boot from. Immutable; the same name again makes a further version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.services import finding, journal, paging, views
from frazil.controller.services import operations as operations_service
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, images, operations, pools
from frazil.controller.store.rows import ImageRow, ImageSeenRow
from frazil.model.errors import Conflict, InvalidInput
from frazil.wire.rest import Image, ImageRequest, Operation, Page

_FILE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
_RECIPE = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_OPTION = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")

_State = Literal["waiting", "making", "ready", "failed", "deleting"]


def overall(row: ImageRow, seen: Sequence[ImageSeenRow]) -> tuple[_State, ImageSeenRow | None]:
    """The one word for an image over all hosts, and the host's observation that it comes from."""
    if row.wanted == "absent":
        return "deleting", next(iter(seen), None)
    newest = [one for one in seen if one.attempt == row.attempt]
    # An image that was ready stays usable where it is, whatever a later attempt does elsewhere.
    states: tuple[tuple[str, _State], ...] = (("ready", "ready"), ("making", "making"), ("failed", "failed"))
    for state, word in states:
        for one in newest:
            if one.state == state:
                return word, one
    return "waiting", None


def _model(row: ImageRow, seen: Sequence[ImageSeenRow]) -> Image:
    state, of = overall(row, seen)
    return Image(
        id=row.id,
        name=row.name,
        version=row.version,
        state=state,
        step=of.step if of is not None else "",
        fraction=1.0 if state == "ready" else of.fraction if of is not None else 0.0,
        eta_s=of.eta_s if of is not None else None,
        failure=views.failure_field(of.failure if of is not None else None),
        sha256=of.sha256 if of is not None else None,
        size_bytes=of.size_bytes if of is not None else None,
        virtual_size_bytes=of.virtual_size_bytes if of is not None else None,
        os=(of.os if of is not None else "") or row.os,
        ready_when=row.ready_when,
        source=f"recipe {row.recipe}" if row.recipe is not None else f"file {row.upload}",
        created_at=row.created_at,
    )


class Images:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self, identity: Identity, *, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[Image]:
        identity.require(Right.SEE_IMAGES)
        after = paging.decode(cursor)
        paging.check(limit)

        def work(tx: sa.Connection) -> list[Image]:
            seen = images.seen(tx)
            return [_model(row, seen.get(row.id, [])) for row in images.listed(tx, after=after, limit=limit + 1)]

        models = await self._ctx.store.read(work)
        return paging.page(models, limit=limit, key=lambda image: image.id, model=lambda image: image)

    async def show(self, identity: Identity, ref: str) -> Image:
        identity.require(Right.SEE_IMAGES)

        def work(tx: sa.Connection) -> Image:
            row = finding.image(tx, ref)
            return _model(row, images.seen(tx, row.id).get(row.id, []))

        return await self._ctx.store.read(work)

    async def create(self, identity: Identity, request: ImageRequest) -> Operation:
        identity.require(Right.CHANGE_IMAGES)
        _check(request)

        def work(tx: sa.Connection) -> Operation:
            now = self._ctx.clock.now()
            row = ImageRow(
                id=self._ctx.ids.new_id(),
                name=request.name,
                version=images.next_version(tx, request.name),
                recipe=_reference(request),
                upload=request.upload,
                upload_format=request.format,
                os=request.os,
                ready_when=request.ready_when or ("service" if request.recipe is not None else "agent"),
                wanted="present",
                attempt=1,
                created_at=now,
            )
            images.insert(tx, row)
            text = f"Version {row.version} of the image {row.name} was asked for."
            journal.note(self._ctx, tx, "image.created", text, by=identity)
            return self._operation(tx, "image.build" if row.recipe else "image.import", row)

        operation = await self._ctx.store.write(work)
        self._ctx.wake()
        return operation

    async def retry(self, identity: Identity, ref: str) -> Operation:
        identity.require(Right.CHANGE_IMAGES)

        def work(tx: sa.Connection) -> Operation:
            row = finding.image(tx, ref)
            state, _ = overall(row, images.seen(tx, row.id).get(row.id, []))
            if state != "failed":
                raise Conflict(f"Only a failed image can be tried again; {row.name} is {state}.")
            images.retry(tx, row.id)
            journal.note(self._ctx, tx, "image.retried", f"The image {row.name} is tried again.", by=identity)
            return self._operation(tx, "image.build" if row.recipe else "image.import", finding.image(tx, row.id))

        operation = await self._ctx.store.write(work)
        self._ctx.wake()
        return operation

    async def delete(self, identity: Identity, ref: str) -> Operation:
        identity.require(Right.CHANGE_IMAGES)

        def work(tx: sa.Connection) -> Operation:
            row = finding.image(tx, ref)
            used_by = pools.using_image(tx, row.id)
            if used_by:
                raise Conflict(
                    f"The image {row.name} is used by the pool {', '.join(used_by)}.",
                    remedy="Delete the pool first, or keep the image.",
                )
            if desktops.using_image(tx, row.id):
                raise Conflict(f"Desktops still boot from the image {row.name}.", remedy="Delete them first.")
            images.want_absent(tx, row.id)
            for operation in operations.running(tx, target_id=row.id):
                if operation.kind == "image.delete":
                    return operations_service.model(tx, operation)
            text = f"Version {row.version} of the image {row.name} is being deleted."
            journal.note(self._ctx, tx, "image.deleted", text, by=identity)
            return self._operation(tx, "image.delete", finding.image(tx, row.id))

        operation = await self._ctx.store.write(work)
        self._ctx.wake()
        return operation

    def _operation(self, tx: sa.Connection, kind: str, row: ImageRow) -> Operation:
        made = operations.insert(
            tx,
            id=self._ctx.ids.new_id(),
            kind=kind,
            target_id=row.id,
            attempt=row.attempt,
            now=self._ctx.clock.now(),
        )
        return operations_service.model(tx, made)


def _reference(request: ImageRequest) -> str | None:
    """The recipe and its options in one word, in one order: `debian-xfce+browser+office`."""
    if request.recipe is None:
        return None
    name, *options = request.recipe.split("+")
    return "+".join((name, *sorted({*options, *request.options})))


def _check(request: ImageRequest) -> None:
    if (request.recipe is None) == (request.upload is None):
        raise InvalidInput(
            "An image comes from a recipe or from a file: give exactly one of `recipe` and `upload`.", field="recipe"
        )
    if request.recipe is not None and not _RECIPE.fullmatch(request.recipe.split("+")[0]):
        raise InvalidInput("A recipe's name has lower-case letters, digits, dots and dashes.", field="recipe")
    if request.options and request.recipe is None:
        raise InvalidInput("Options are a recipe's; a file has none.", field="options")
    for option in (*(request.recipe or "").split("+")[1:], *request.options):
        if not _OPTION.fullmatch(option):
            raise InvalidInput("An option's name has lower-case letters, digits and dashes.", field="options")
    if request.upload is None:
        return
    if not _FILE_NAME.match(request.upload):
        raise InvalidInput(
            "`upload` is the plain name of a file in the host's incoming directory, with no path.", field="upload"
        )
    if request.format is None:
        raise InvalidInput(
            "The format of a file must be said: it is never guessed, since a crafted file could lie.",
            remedy="Give `format`: qcow2 or raw.",
            field="format",
        )
