"""Images: build, import, watch, retry, delete."""

from __future__ import annotations

from starlette.responses import Response

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.forms import WrongForm, read
from frazil.controller.portal.paging import every
from frazil.controller.portal.views import Form, ImagesView, ImageView
from frazil.model.errors import FrazilError
from frazil.wire.rest import ImageRequest


class Images:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", "/console/images", Right.SEE_IMAGES, self.index),
            Entry("POST", "/console/images/build", Right.CHANGE_IMAGES, self.build),
            Entry("POST", "/console/images/import", Right.CHANGE_IMAGES, self.bring_in),
            Entry("GET", "/console/images/{image}", Right.SEE_IMAGES, self.show),
            Entry("POST", "/console/images/{image}/retry", Right.CHANGE_IMAGES, self.retry),
            Entry("POST", "/console/images/{image}/delete", Right.CHANGE_IMAGES, self.delete),
        ]

    async def index(self, call: Call) -> Response:
        return await self._index(call)

    async def _index(
        self, call: Call, *, build: Form | None = None, upload: Form | None = None, error: FrazilError | None = None
    ) -> Response:
        images = await every(lambda cursor: self._services.images.list_for(call.identity, cursor=cursor))
        images.sort(key=lambda image: (image.name, -image.version))
        sources = {image.source.removeprefix("recipe ") for image in images if image.source.startswith("recipe ")}
        view = ImagesView(
            images=images,
            build=build or Form(),
            upload=upload or Form(),
            incoming_dir=str(self._portal.settings.incoming_dir),
            recipes=sorted(sources | {"debian-icewm", "debian-xfce", "debian-xfce+browser+office"}),
        )
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = status_of(error) if error is not None else 422 if build or upload else 200
        return self._portal.page(call, "console/images", view, trouble=trouble, status=status, has_live=True)

    async def build(self, call: Call) -> Response:
        try:
            values = {"name": call.form.get("build_name", ""), "recipe": call.form.get("recipe", "")}
            if not values["recipe"]:
                raise WrongForm({"recipe": call.reader.gettext("This is needed.")})
            request = read(ImageRequest, values, call.reader, names={"name": "build_name"})
            await self._services.images.create(call.identity, request)
        except WrongForm as exc:
            return await self._index(call, build=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._index(call, build=call.typed(), error=exc)
        return self._portal.see("/console/images", did="image-building")

    async def bring_in(self, call: Call) -> Response:
        try:
            form = call.form
            values = {name: form.get(name, "") for name in ("upload", "format")} | {"name": form.get("import_name", "")}
            if not values["upload"]:
                raise WrongForm({"upload": call.reader.gettext("This is needed.")})
            request = read(ImageRequest, values, call.reader, names={"name": "import_name"})
            await self._services.images.create(call.identity, request)
        except WrongForm as exc:
            return await self._index(call, upload=call.typed(exc.wrong))
        except FrazilError as exc:
            return await self._index(call, upload=call.typed(), error=exc)
        return self._portal.see("/console/images", did="image-importing")

    async def show(self, call: Call) -> Response:
        return await self._show(call)

    async def _show(self, call: Call, error: FrazilError | None = None) -> Response:
        image = await self._services.images.show(call.identity, call.ref("image"))
        pools = await every(lambda cursor: self._services.pools.list_for(call.identity, cursor=cursor))
        view = ImageView(image=image, pools=[pool for pool in pools if pool.image_id == image.id])
        trouble = self._portal.trouble(call, error) if error is not None else None
        status = 200 if error is None else status_of(error)
        return self._portal.page(call, "console/image", view, trouble=trouble, status=status, has_live=True)

    async def retry(self, call: Call) -> Response:
        try:
            await self._services.images.retry(call.identity, call.ref("image"))
        except FrazilError as exc:
            return await self._show(call, exc)
        return self._portal.see(f"/console/images/{call.ref('image')}", did="image-retry")

    async def delete(self, call: Call) -> Response:
        try:
            await self._services.images.delete(call.identity, call.ref("image"))
        except FrazilError as exc:
            return await self._show(call, exc)
        return self._portal.see("/console/images", did="image-deleted")
