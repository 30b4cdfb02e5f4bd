"""The inputs channel (spice-common `spice.proto`, `InputsChannel`)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from frazil.spice.base_messages import BASE_FROM_CLIENT, BASE_FROM_SERVER, Data, Empty
from frazil.spice.fields import I32, U8, U16, U32
from frazil.spice.records import record
from frazil.spice.tables import MessageTable

MOTION_ACK_BUNCH = 4
"""The server says `MOUSE_MOTION_ACK` once for so many motions and positions (`SPICE_INPUT_MOTION_ACK_BUNCH`)."""


class InputsServer(IntEnum):
    """Server to client."""

    INIT = 101
    KEY_MODIFIERS = 102
    MOUSE_MOTION_ACK = 111


class InputsClient(IntEnum):
    """Client to server."""

    KEY_DOWN = 101
    KEY_UP = 102
    KEY_MODIFIERS = 103
    KEY_SCANCODE = 104
    MOUSE_MOTION = 111
    MOUSE_POSITION = 112
    MOUSE_PRESS = 113
    MOUSE_RELEASE = 114


class KeyModifiers(IntFlag):
    """The locks that shine on a keyboard."""

    SCROLL_LOCK = 1
    NUM_LOCK = 2
    CAPS_LOCK = 4


class MouseButton(IntEnum):
    """UP and DOWN are the wheel."""

    LEFT = 1
    MIDDLE = 2
    RIGHT = 3
    UP = 4
    DOWN = 5
    SIDE = 6
    EXTRA = 7


class MouseButtons(IntFlag):
    """Which buttons are held."""

    LEFT = 1
    MIDDLE = 2
    RIGHT = 4
    UP = 8
    DOWN = 16
    SIDE = 32
    EXTRA = 64


@record
class Modifiers:
    """`KeyModifiers` of the guest, or those that the client wants there."""

    modifiers: U16


@record
class Key:
    """A PC/AT set 1 scan code, up to four bytes in the order in which they are sent, the first one lowest."""

    code: U32


@record
class MouseMotion:
    """How far the mouse went, in the guest's pixels."""

    dx: I32
    dy: I32
    buttons: U16


@record
class MousePosition:
    """Where the pointer is on a display."""

    x: U32
    y: U32
    buttons: U16
    display_id: U8


@record
class MousePress:
    """A button went down or up; `buttons` are those held now."""

    button: U8
    buttons: U16


INPUTS_FROM_SERVER = BASE_FROM_SERVER | MessageTable(
    {
        InputsServer.INIT: Modifiers,
        InputsServer.KEY_MODIFIERS: Modifiers,
        InputsServer.MOUSE_MOTION_ACK: Empty,
    }
)
INPUTS_FROM_CLIENT = BASE_FROM_CLIENT | MessageTable(
    {
        InputsClient.KEY_DOWN: Key,
        InputsClient.KEY_UP: Key,
        InputsClient.KEY_MODIFIERS: Modifiers,
        InputsClient.KEY_SCANCODE: Data,
        InputsClient.MOUSE_MOTION: MouseMotion,
        InputsClient.MOUSE_POSITION: MousePosition,
        InputsClient.MOUSE_PRESS: MousePress,
        InputsClient.MOUSE_RELEASE: MousePress,
    }
)
