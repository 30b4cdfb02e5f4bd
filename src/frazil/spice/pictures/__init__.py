"""Pictures of the display channel: from a message's bytes to pixels.

`decoder` takes an image of a message, whatever coder (`bitmap`, `lz`, `glz`, `quic`, `jpeg`, `lz4`) and cache
(`caches`) it takes, and makes a `Picture` of it.
"""

from frazil.spice.pictures.caches import NotInCache
from frazil.spice.pictures.decoder import PictureDecoder, SessionPictures
from frazil.spice.pictures.glz import MissingPicture
from frazil.spice.pictures.picture import Picture

__all__ = ["MissingPicture", "NotInCache", "Picture", "PictureDecoder", "SessionPictures"]
