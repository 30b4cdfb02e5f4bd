"""Look at a desktop, type and click on it from a program, without a screen.

    from frazil import viewer

    async with viewer.connect("office.vv") as desktop:
        await desktop.wait_for_picture()
        await desktop.click(120, 40)
        await desktop.type("hello\\n")
        (await desktop.wait_still()).save("hello.png")

`connect` takes a viewer's file, an address or sockets; `Desktop` is what it gives, `Screenshot` what is seen. It is
made for one event loop, and decodes all pictures in it. USB devices and shared folders are not followed.
"""

from frazil.spice.display_channel import VideoCodec
from frazil.spice.image_records import ImageCompression
from frazil.spice.inputs_channel import MouseButton
from frazil.spice.sound_blocks import SoundBlock, SoundFormat
from frazil.viewer.address import Address, Proxy
from frazil.viewer.connecting import connect
from frazil.viewer.desktop import Desktop, Info
from frazil.viewer.display import Display
from frazil.viewer.outline import Outline
from frazil.viewer.recorder import Recorded, record_sound
from frazil.viewer.screenshot import Box, Screenshot

__all__ = [
    "Address",
    "Box",
    "Desktop",
    "Display",
    "ImageCompression",
    "Info",
    "MouseButton",
    "Outline",
    "Proxy",
    "Recorded",
    "Screenshot",
    "SoundBlock",
    "SoundFormat",
    "VideoCodec",
    "connect",
    "record_sound",
]
