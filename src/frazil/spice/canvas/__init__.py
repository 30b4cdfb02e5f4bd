"""Surfaces, and all that the display channel draws on them; the pointer.

`Canvas` takes a display channel's messages, `Pointer` a cursor channel's. What they draw with is in `area` (clips and
masks), `rops`, `placing` and `sampling` (scaled, repeated and transformed pictures), `layers`, `blending` and
`blend_modes`, `strokes`, `glyphs` and `streams` (video).
"""

from frazil.spice.canvas.canvas import Canvas
from frazil.spice.canvas.pointer import Pointer
from frazil.spice.canvas.surface import Surface

__all__ = ["Canvas", "Pointer", "Surface"]
