"""The surfaces of a display channel, and what its messages make of them.

    canvas = Canvas(SessionPictures.of_sizes(cache_pixels=…, window_pixels=…))
    canvas.handle(message.type, message.body)
    canvas.primary.rgb()

Results are those of spice-common's software canvas (`sw_canvas.c`, `canvas_base.c`), which spice-server itself renders
with, bit by bit but for the alpha of surfaces that have none. No message may make more than `SURFACES_MAX_PIXELS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from frazil.model.errors import RemoteProtocolError
from frazil.spice.base_messages import Empty, WaitForChannels
from frazil.spice.canvas import glyphs, strokes
from frazil.spice.canvas.area import Area, clipped
from frazil.spice.canvas.blending import Operator, operator
from frazil.spice.canvas.layers import blend_onto, layer
from frazil.spice.canvas.placing import placed, same_size, scaled_for_rop3
from frazil.spice.canvas.rops import Raw, combine, combine3, puts, reads_dest
from frazil.spice.canvas.sampling import tiled
from frazil.spice.canvas.streams import Streams
from frazil.spice.canvas.surface import Surface, argb, opaque, without_alpha
from frazil.spice.display_channel import (
    DISPLAY_FROM_SERVER,
    DisplayServer,
    InvalList,
    InvalPalette,
    StreamData,
    StreamDataSized,
    SurfaceCreate,
    SurfaceDestroy,
    VideoCodec,
)
from frazil.spice.draw_records import (
    AlphaFlags,
    Brush,
    CompositeFlags,
    CopyBits,
    DisplayBase,
    DrawAlphaBlend,
    DrawBlackness,
    DrawBlend,
    DrawComposite,
    DrawCopy,
    DrawFill,
    DrawInvers,
    DrawOpaque,
    DrawRop3,
    DrawStroke,
    DrawText,
    DrawTransparent,
    DrawWhiteness,
    Mask,
    MaskFlags,
    Pattern,
    Rop,
    ScaleMode,
)
from frazil.spice.fields import Buffer
from frazil.spice.geometry_records import Rect
from frazil.spice.image_records import Image, SurfaceImage
from frazil.spice.pictures.decoder import PictureDecoder, SessionPictures
from frazil.spice.pictures.picture import Picture, Pixels

SURFACES_MAX_PIXELS = 1 << 26
"""All surfaces of a channel together; a QXL card's memory holds fewer."""
_NO_INVERSION = Rop(0)


class Canvas:
    """One display channel. `drawn` counts the messages that were handled.

    `frames_shown` counts pictures of streams by their codecs, and `frames_not_shown` those that can't be decoded here,
    or of which no picture comes out.
    """

    def __init__(self, session: SessionPictures, *, surfaces_max_pixels: int = SURFACES_MAX_PIXELS) -> None:
        self.surfaces: dict[int, Surface] = {}
        self.pictures = PictureDecoder(session)
        self.streams = Streams()
        self.drawn: Counter[DisplayServer] = Counter()
        self.frames_shown: Counter[VideoCodec] = Counter()
        self.frames_not_shown = 0
        self._session = session
        self._surfaces_max_pixels = surfaces_max_pixels
        self._handlers: dict[int, Callable[[Any], None]] = {
            DisplayServer.RESET: self._reset,
            DisplayServer.COPY_BITS: self._copy_bits,
            DisplayServer.INVAL_LIST: self._forget,
            DisplayServer.INVAL_ALL_PIXMAPS: self._forget_all,
            DisplayServer.INVAL_PALETTE: self._forget_palette,
            DisplayServer.INVAL_ALL_PALETTES: self._forget_palettes,
            DisplayServer.SURFACE_CREATE: self._create,
            DisplayServer.SURFACE_DESTROY: self._destroy,
            DisplayServer.STREAM_CREATE: self.streams.create,
            DisplayServer.STREAM_DATA: self._frame,
            DisplayServer.STREAM_DATA_SIZED: self._frame,
            DisplayServer.STREAM_CLIP: self.streams.clip,
            DisplayServer.STREAM_DESTROY: self.streams.destroy,
            DisplayServer.STREAM_DESTROY_ALL: lambda _: self.streams.clear(),
            DisplayServer.DRAW_FILL: self._fill,
            DisplayServer.DRAW_OPAQUE: self._opaque,
            DisplayServer.DRAW_COPY: self._copy,
            DisplayServer.DRAW_BLEND: self._copy,
            DisplayServer.DRAW_BLACKNESS: lambda draw: self._plain(draw, Rop.OP_BLACKNESS),
            DisplayServer.DRAW_WHITENESS: lambda draw: self._plain(draw, Rop.OP_WHITENESS),
            DisplayServer.DRAW_INVERS: lambda draw: self._plain(draw, Rop.OP_INVERS),
            DisplayServer.DRAW_ROP3: self._rop3,
            DisplayServer.DRAW_STROKE: self._stroke,
            DisplayServer.DRAW_TEXT: self._text,
            DisplayServer.DRAW_TRANSPARENT: self._transparent,
            DisplayServer.DRAW_ALPHA_BLEND: self._alpha_blend,
            DisplayServer.DRAW_COMPOSITE: self._composite,
        }

    @property
    def primary(self) -> Surface | None:
        """The surface that is shown, while there is one."""
        return next((surface for surface in self.surfaces.values() if surface.primary), None)

    def handle(self, number: int, body: Buffer) -> bool:
        """Do what a message of the display channel says; False for one that is not about surfaces and pictures.

        Raises RemoteProtocolError. After MissingPicture or NotInCache the same message can be given again. An
        `INVAL_ALL_PIXMAPS` is given when the other channels have come as far as it says.
        """
        handler = self._handlers.get(number)
        if handler is None:
            return False
        handler(DISPLAY_FROM_SERVER.decode(number, body))
        self.drawn[DisplayServer(number)] += 1
        return True

    def _reset(self, _message: Empty) -> None:
        self.surfaces.clear()
        self.streams.clear()

    def _frame(self, message: StreamData | StreamDataSized) -> None:
        frame = self.streams.frame(message)
        if frame.show(self.surfaces):
            self.frames_shown[VideoCodec(frame.stream.message.codec)] += 1
        else:
            self.frames_not_shown += 1

    def _surface(self, number: int) -> Surface:
        try:
            return self.surfaces[number]
        except KeyError as exc:
            raise RemoteProtocolError(f"A message names surface {number}, which is not there.") from exc

    def _create(self, message: SurfaceCreate) -> None:
        if message.surface_id in self.surfaces:
            raise RemoteProtocolError(f"Surface {message.surface_id} is made a second time.")
        there = sum(surface.raw.size for surface in self.surfaces.values())
        if there + message.width * message.height > self._surfaces_max_pixels:
            raise RemoteProtocolError(f"Surfaces have more than {self._surfaces_max_pixels} pixels.")
        self.surfaces[message.surface_id] = Surface(message)

    def _destroy(self, message: SurfaceDestroy) -> None:
        self._surface(message.surface_id)
        del self.surfaces[message.surface_id]

    def _forget(self, message: InvalList) -> None:
        self._session.cache.forget(resource.id for resource in message.resources)

    def _forget_all(self, _message: WaitForChannels) -> None:
        self._session.cache.clear()

    def _forget_palette(self, message: InvalPalette) -> None:
        self.pictures.palettes.forget(message.id)

    def _forget_palettes(self, _message: Empty) -> None:
        self.pictures.palettes.clear()

    # What drawings have in common

    def _area(self, base: DisplayBase, mask: Mask | None = None) -> tuple[Surface, Area]:
        surface = self._surface(base.surface_id)
        area = clipped(base.box, base.clip, surface.width, surface.height)
        return surface, area if mask is None else self._masked(base.box, area, mask)

    def _masked(self, box: Rect, area: Area, mask: Mask) -> Area:
        """What of the area the mask lets through; nothing beside the mask's own pixels."""
        if mask.bitmap is None:
            return area
        content = mask.bitmap.content
        if isinstance(content, SurfaceImage):
            bits = self._surface(content.surface_id).raw != 0
        else:
            bits = self.pictures.mask(mask.bitmap)
        if mask.flags & MaskFlags.INVERS:
            bits = ~bits
        left, top = box.left - mask.position.x, box.top - mask.position.y
        height, width = bits.shape
        seen = area.cut(left, top, left + width, top + height)
        if seen.empty:
            return seen
        return seen.only(bits[seen.top - top : seen.bottom - top, seen.left - left : seen.right - left])

    def _picture(self, image: Image | None) -> Picture:
        """The image's pixels as they are now: a surface's are a view."""
        if image is None:
            raise RemoteProtocolError("A message has no picture where one is due.")
        if isinstance(image.content, SurfaceImage):
            surface = self._surface(image.content.surface_id)
            return Picture(surface.pixels(), alpha=surface.has_alpha)
        return self.pictures.picture(image)

    def _touch(self, *images: Image | None) -> None:
        """Decode what is not seen, since it may have to be kept."""
        for image in images:
            if image is not None and not isinstance(image.content, SurfaceImage):
                self.pictures.picture(image)

    def _combine(
        self, surface: Surface, area: Area, source: Raw, rop: int, *, invert_source: Rop, invert_dest: Rop
    ) -> None:
        if area.empty:
            return
        dest = surface.read(area)
        if puts(rop, invert_source):
            surface.write(area, source)
        else:
            surface.write(area, combine(rop, source, dest, invert_source=invert_source, invert_dest=invert_dest))

    def _brush(self, surface: Surface, brush: Brush, area: Area) -> Raw:
        """What the brush has at each pixel of the area's box, in the surface's format; one number for a colour."""
        if isinstance(brush.content, Pattern):
            tile = self._picture(brush.content.image).pixels
            place = brush.content.position
            return surface.native(tiled(tile, area.left - place.x, area.top - place.y, area.width, area.height))
        return surface.color(brush.content or 0)

    @staticmethod
    def _brush_image(brush: Brush) -> Image | None:
        return brush.content.image if isinstance(brush.content, Pattern) else None

    # The drawings

    def _copy_bits(self, draw: CopyBits) -> None:
        surface, area = self._area(draw.base)
        dx, dy = draw.base.box.left - draw.source.x, draw.base.box.top - draw.source.y
        area = area.cut(dx, dy, dx + surface.width, dy + surface.height)
        if not area.empty:
            source = surface.raw[area.top - dy : area.bottom - dy, area.left - dx : area.right - dx].copy()
            surface.write(area, source)

    def _plain(self, draw: DrawBlackness | DrawWhiteness | DrawInvers, rop: Rop) -> None:
        surface, area = self._area(draw.base, draw.mask)
        self._combine(surface, area, surface.color(0), rop, invert_source=_NO_INVERSION, invert_dest=_NO_INVERSION)

    def _fill(self, draw: DrawFill) -> None:
        surface, area = self._area(draw.base, draw.mask)
        if area.empty:
            self._touch(self._brush_image(draw.brush))
            return
        source = self._brush(surface, draw.brush, area)
        self._combine(surface, area, source, draw.rop, invert_source=Rop.INVERS_BRUSH, invert_dest=Rop.INVERS_DEST)

    def _copy(self, draw: DrawCopy | DrawBlend) -> None:
        surface, area = self._area(draw.base, draw.mask)
        picture = self._picture(draw.source)
        pixels, area = placed(surface, picture, draw.source_area, draw.base.box, area, draw.scale_mode)
        if area.empty:
            return
        scaled = not same_size(draw.source_area, draw.base.box)
        if scaled and not picture.alpha and not puts(draw.rop, Rop.INVERS_SRC):
            pixels = without_alpha(pixels)
        source = surface.native(pixels)
        if np.shares_memory(source, surface.raw):
            source = source.copy()
        self._combine(surface, area, source, draw.rop, invert_source=Rop.INVERS_SRC, invert_dest=Rop.INVERS_DEST)

    def _opaque(self, draw: DrawOpaque) -> None:
        surface, area = self._area(draw.base, draw.mask)
        picture = self._picture(draw.source)
        self._touch(self._brush_image(draw.brush))  # if it is missing, nothing may be drawn yet
        if area.empty:
            return
        pixels, seen = placed(surface, picture, draw.source_area, draw.base.box, area, draw.scale_mode)
        if not seen.empty:
            surface.write(seen, surface.native(pixels.copy()))
        brush = self._brush(surface, draw.brush, area)
        self._combine(surface, area, brush, draw.rop, invert_source=Rop.INVERS_BRUSH, invert_dest=Rop.INVERS_SRC)

    def _rop3(self, draw: DrawRop3) -> None:
        surface, area = self._area(draw.base, draw.mask)
        picture = self._picture(draw.source)
        if same_size(draw.source_area, draw.base.box) or area.empty:
            pixels, area = placed(surface, picture, draw.source_area, draw.base.box, area, draw.scale_mode)
        else:
            pixels = scaled_for_rop3(picture, draw, area)
        if area.empty:
            self._touch(self._brush_image(draw.brush))
            return
        brush = self._brush(surface, draw.brush, area)
        source = surface.native(pixels)
        surface.write(area, combine3(draw.rop3, brush, source, surface.read(area)))

    def _transparent(self, draw: DrawTransparent) -> None:
        surface, area = self._area(draw.base)
        picture = self._picture(draw.source)
        pixels, area = placed(surface, picture, draw.source_area, draw.base.box, area, ScaleMode.NEAREST)
        if area.empty:
            return
        if not same_size(draw.source_area, draw.base.box) and not picture.alpha:
            pixels = without_alpha(pixels)
        source = surface.native(pixels.copy())
        if surface.raw.dtype == np.uint32:
            shown = without_alpha(source) != np.uint32(draw.true_color & 0xFFFFFF)
        else:
            key = surface.native(np.array(draw.true_color, np.uint32))
            shown = source != key
        surface.write(area.only(shown), source)

    def _alpha_blend(self, draw: DrawAlphaBlend) -> None:
        surface, area = self._area(draw.base)
        picture = self._picture(draw.source)
        if not draw.alpha or draw.source is None:
            return
        of_surface = isinstance(draw.source.content, SurfaceImage)
        if not picture.alpha and not (of_surface and draw.alpha_flags & AlphaFlags.SRC_SURFACE_HAS_ALPHA):
            picture = Picture(opaque(picture.pixels))
        picture = replace(picture, alpha=True)
        pixels, area = placed(surface, picture, draw.source_area, draw.base.box, area, ScaleMode.NEAREST)
        if area.empty:
            return
        keeps = surface.has_alpha or bool(draw.alpha_flags & AlphaFlags.DEST_HAS_ALPHA)
        mask = None if draw.alpha == 255 else np.full(pixels.shape, draw.alpha << 24, np.uint32)
        blend_onto(surface, area, Operator.OVER, pixels, mask=mask, keeps_alpha=keeps)

    def _text(self, draw: DrawText) -> None:
        surface, area = self._area(draw.base)
        self._touch(self._brush_image(draw.fore_brush), self._brush_image(draw.back_brush))  # before anything is drawn
        if area.empty:
            return
        back = draw.back_area
        if back.left < back.right and back.top < back.bottom:
            if draw.fore_rop != Rop.OP_PUT:
                return  # as spice-server: over a background nothing else makes sense
            behind = area.cut(back.left, back.top, back.right, back.bottom)
            if not behind.empty:
                surface.write(behind, self._brush(surface, draw.back_brush, behind))
        if draw.fore_brush.content is None:
            return
        covered = glyphs.coverage(draw.string, area)
        mask = covered.astype(np.uint32) << np.uint32(24)
        source = self._text_brush(surface, draw, area)
        blend_onto(surface, area, Operator.OVER, source, mask=mask, keeps_alpha=surface.has_alpha)

    def _text_brush(self, surface: Surface, draw: DrawText, area: Area) -> Pixels:
        """A pattern begins at the string's corner, not at the surface's."""
        content = draw.fore_brush.content
        if isinstance(content, Pattern):
            picture = self._picture(content.image)
            left, top = glyphs.corner(draw.string)
            x, y = area.left - left - content.position.x, area.top - top - content.position.y
            pixels = tiled(picture.pixels, x, y, area.width, area.height)
            return pixels if picture.alpha else opaque(pixels)
        color = np.full((area.height, area.width), surface.color(content or 0))
        if surface.raw.dtype == np.uint32:
            return opaque(color)
        return opaque(argb(color, surface.format))

    def _stroke(self, draw: DrawStroke) -> None:
        surface, area = self._area(draw.base)
        if area.empty:
            self._touch(self._brush_image(draw.brush))
            return
        brush = np.broadcast_to(self._brush(surface, draw.brush, area), (area.height, area.width))
        dest = surface.read(area)
        lines = strokes.follow(strokes.figures(draw.path), draw.line, area)
        again = reads_dest(draw.fore_rop)
        seen = np.zeros((area.height, area.width), np.bool_)
        for columns, rows in lines:
            places = rows - area.top, columns - area.left
            if area.mask is not None:
                shown = area.mask[places]
                places = places[0][shown], places[1][shown]
            if again:  # a pixel that two lines share is drawn twice
                dest[places] = combine(
                    draw.fore_rop,
                    brush[places],
                    dest[places],
                    invert_source=Rop.INVERS_BRUSH,
                    invert_dest=Rop.INVERS_DEST,
                )
            else:
                seen[places] = True
        if not again:
            self._combine(
                surface,
                area.only(seen),
                brush,
                draw.fore_rop,
                invert_source=Rop.INVERS_BRUSH,
                invert_dest=Rop.INVERS_DEST,
            )

    def _composite(self, draw: DrawComposite) -> None:
        surface, area = self._area(draw.base)
        chosen = operator(draw.flags & 0xFF)
        source = self._layer(draw.source)
        mask = self._layer(draw.mask) if draw.mask is not None else None
        if area.empty:
            return
        if draw.flags & CompositeFlags.SOURCE_OPAQUE and isinstance(draw.source.content, SurfaceImage):
            source = opaque(source)
        if np.shares_memory(source, surface.raw):
            source = source.copy()
        if mask is not None and np.shares_memory(mask, surface.raw):
            mask = mask.copy()
        flags = draw.flags
        for band in area.bands():
            x, y = band.left - draw.base.box.left, band.top - draw.base.box.top
            coverage = None
            if mask is not None:
                coverage = layer(
                    mask,
                    draw.mask_transform,
                    left=draw.mask_origin.x + x,
                    top=draw.mask_origin.y + y,
                    area=band,
                    kind=flags >> 11,
                    repeat=flags >> 16,
                )
            above = layer(
                source,
                draw.source_transform,
                left=draw.source_origin.x + x,
                top=draw.source_origin.y + y,
                area=band,
                kind=flags >> 8,
                repeat=flags >> 14,
            )
            blend_onto(
                surface,
                band,
                chosen,
                above,
                mask=coverage,
                by_channel=bool(flags & CompositeFlags.COMPONENT_ALPHA),
                keeps_alpha=surface.has_alpha,
            )

    def _layer(self, image: Image) -> Pixels:
        """Pixels with an alpha that counts. A picture that is only alpha comes as opaque black, unless it is a surface.

        So spice-common's canvas has it: it makes the surface's format of all pictures first.
        """
        picture = self._picture(image)
        if picture.only_alpha and not isinstance(image.content, SurfaceImage):
            return np.full_like(picture.pixels, 0xFF000000)
        return picture.pixels if picture.alpha else opaque(picture.pixels)
