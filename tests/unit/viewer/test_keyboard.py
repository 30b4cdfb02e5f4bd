"""Keys of texts and chords (codes of PC/AT set 1)."""

from __future__ import annotations

import string

import pytest

from frazil.model.errors import InvalidInput
from frazil.viewer.keyboard import CHARACTERS, NAMED, chord, down, stroke, up


def test_every_character_of_ascii_has_a_key_of_its_own() -> None:
    printable = string.digits + string.ascii_letters + string.punctuation + " \n\t"
    assert set(CHARACTERS) == set(printable)
    assert len(set(CHARACTERS.values())) == len(printable)


@pytest.mark.parametrize(
    ("character", "key"),
    [("q", (0x10, False)), ("Q", (0x10, True)), (")", (0x0B, True)), ("\\", (0x2B, False)), ("?", (0x35, True))],
)
def test_some_keys_are_where_they_are(character: str, key: tuple[int, bool]) -> None:
    assert stroke(character) == key


@pytest.mark.parametrize(
    ("keys", "codes"),
    [("a", [0x1E]), ("Ctrl+Alt+Delete", [0x1D, 0x38, 0x153]), ("ctrl++", [0x1D, 0x0D]), ("+", [0x0D]), ("f12", [0x58])],
)
def test_a_chord_is_its_keys(keys: str, codes: list[int]) -> None:
    assert chord(keys) == codes


@pytest.mark.parametrize("keys", ["", "hyper+a", "ctrl+", "ab", "ő"])
def test_what_is_no_key_is_refused(keys: str) -> None:
    with pytest.raises(InvalidInput, match="no key"):
        chord(keys)


def test_a_key_goes_down_and_up() -> None:
    assert (down(0x1E), up(0x1E)) == (0x1E, 0x9E)
    assert (down(NAMED["delete"]), up(NAMED["delete"])) == (0x53E0, 0xD3E0)
