"""Which keys make which text, on a keyboard of the United States; the desktop must have that layout. Pure.

Codes are PC/AT set 1, those with 0xE0 before them as 0x100 and more (as in spice-gtk's tables).
"""

from __future__ import annotations

from frazil.model.errors import InvalidInput

SHIFT = 0x2A
_ROWS = {
    0x02: ("1234567890-=", "!@#$%^&*()_+"),
    0x10: ("qwertyuiop[]", "QWERTYUIOP{}"),
    0x1E: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    0x2B: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
}
CHARACTERS: dict[str, tuple[int, bool]] = {
    **{
        character: (first + index, characters is row[1])
        for first, row in _ROWS.items()
        for characters in row
        for index, character in enumerate(characters)
    },
    " ": (0x39, False),
    "\n": (0x1C, False),
    "\t": (0x0F, False),
}
"""The key that makes a character, and whether shift is held."""
NAMED: dict[str, int] = {
    "esc": 0x01,
    "backspace": 0x0E,
    "tab": 0x0F,
    "enter": 0x1C,
    "ctrl": 0x1D,
    "shift": SHIFT,
    "alt": 0x38,
    "space": 0x39,
    "capslock": 0x3A,
    **{f"f{number}": 0x3A + number for number in range(1, 11)},
    "f11": 0x57,
    "f12": 0x58,
    "numlock": 0x45,
    "scrolllock": 0x46,
    "altgr": 0x138,
    "printscreen": 0x137,
    "home": 0x147,
    "up": 0x148,
    "pageup": 0x149,
    "left": 0x14B,
    "right": 0x14D,
    "end": 0x14F,
    "down": 0x150,
    "pagedown": 0x151,
    "insert": 0x152,
    "delete": 0x153,
    "super": 0x15B,
    "menu": 0x15D,
}
"""Keys that make no character."""


def stroke(character: str) -> tuple[int, bool]:
    """The key that makes a character, and whether shift is held. Raises InvalidInput for one that no key makes."""
    try:
        return CHARACTERS[character]
    except KeyError as exc:
        raise InvalidInput(
            f"No key of this keyboard makes {character!r}.",
            remedy="Put it on the clipboard and paste it.",
            field="text",
        ) from exc


def chord(keys: str) -> list[int]:
    """The codes of keys that are held together, such as ``ctrl+alt+delete`` or ``a``. Raises InvalidInput."""
    names = keys.split("+")
    if names[-2:] == ["", ""]:  # the plus itself is the last one
        names[-2:] = ["+"]
    return [_key(name) for name in names]


def _key(name: str) -> int:
    if len(name) == 1 and name in CHARACTERS:
        return CHARACTERS[name][0]
    try:
        return NAMED[name.lower()]
    except KeyError as exc:
        raise InvalidInput(
            f"There is no key {name!r}.", remedy=f"Keys are single characters and {', '.join(NAMED)}.", field="keys"
        ) from exc


def down(code: int) -> int:
    """What `KEY_DOWN` carries."""
    return code if code < 0x100 else 0xE0 | (code & 0xFF) << 8


def up(code: int) -> int:
    """What `KEY_UP` carries."""
    return code | 0x80 if code < 0x100 else 0xE0 | (code & 0xFF | 0x80) << 8
