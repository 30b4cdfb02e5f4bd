"""The catalogues are whole: no message without a translation, no plural missing, no gap lost."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from frazil.controller import portal
from frazil.controller.portal.reader import LOCALE_DIR, SOURCE_LANGUAGE
from frazil.controller.portal.said import SAYINGS
from frazil.controller.portal.viewer_words import VIEWER_WORDS

PORTAL = Path(portal.__file__).parent
ROOT = PORTAL.parents[3]
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2), "n_": (1, 2)}
OPTIONS = {"**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
GAP = re.compile(r"%\((\w+)\)s|\{(\w+)\}")

Key = str | tuple[str, ...]


def messages() -> set[Key]:
    """Everything in the code and the templates that is marked for translation."""
    found = extract_from_dir(
        str(PORTAL), method_map=METHODS, options_map={"templates/**.html": OPTIONS["**.html"]}, keywords=KEYWORDS
    )
    return {message if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found}


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def faults(marked: set[Key], translated: Catalog) -> list[str]:
    """What is wrong with a catalogue."""
    entries = {entry.id if isinstance(entry.id, str) else tuple(entry.id): entry for entry in translated if entry.id}
    wrong = [f"no translation: {key!r}" for key in marked - set(entries)]
    wrong += [f"not used any more: {key!r}" for key in set(entries) - marked]
    for key, entry in entries.items():
        texts = entry.string if isinstance(entry.string, list | tuple) else (entry.string,)
        if isinstance(key, tuple) and len(texts) != translated.num_plurals:
            wrong.append(f"plurals missing: {key!r}")
        gaps = {gap for part in ([key] if isinstance(key, str) else key) for gap in GAP.findall(part)}
        for text in texts:
            if not text:
                wrong.append(f"empty: {key!r}")
            elif not set(GAP.findall(text)) <= gaps or (isinstance(key, str) and set(GAP.findall(text)) != gaps):
                wrong.append(f"other gaps: {key!r}")
        if entry.fuzzy:
            wrong.append(f"not sure: {key!r}")
    return sorted(wrong)


def languages() -> list[str]:
    return sorted(path.parent.name for path in LOCALE_DIR.glob("*/portal.po"))


def test_hungarian_ships() -> None:
    assert "hu" in languages()
    assert SOURCE_LANGUAGE == "en"


@pytest.mark.parametrize("code", languages())
def test_the_catalogue_is_whole(code: str) -> None:
    marked = messages()
    assert len(marked) > 300, "the extraction does not see the templates"
    assert faults(marked, catalogue(LOCALE_DIR / code / "portal.po")) == []


@pytest.mark.parametrize("code", languages())
def test_its_plurals_follow_the_language(code: str) -> None:
    found = catalogue(LOCALE_DIR / code / "portal.po")
    assert found.num_plurals == {"hu": 2}[code]


def test_a_missing_translation_and_a_missing_plural_would_be_found() -> None:
    small = Catalog(locale="hu")
    small.add("Open", "")
    small.add(("%(num)s thing", "%(num)s things"), ("",))
    small.add("Hello %(name)s", "Szia %(nme)s")
    marked: set[Key] = {"Open", ("%(num)s thing", "%(num)s things"), "Hello %(name)s", "Close"}
    text = "\n".join(faults(marked, small))
    assert "no translation: 'Close'" in text
    assert "empty: 'Open'" in text
    assert "empty: ('%(num)s thing'" in text
    assert "other gaps: 'Hello %(name)s'" in text


def test_the_viewer_s_words_are_those_that_the_viewer_asks_for() -> None:
    source = (ROOT / "web/src/strings.ts").read_text(encoding="utf-8")
    body = source.split("ENGLISH = {", 1)[1].split("} as const", 1)[0]
    asked = dict(re.findall(r'^\s+(\w+):\s*"(.*)",$', body, re.MULTILINE))
    assert asked == VIEWER_WORDS


def test_what_is_known_of_other_parts_is_still_said_by_them() -> None:
    """A sentence that a part words anew must be worded anew here as well, or it is no longer translated."""
    whole: set[str] = set()
    made: list[re.Pattern[str]] = []
    for path in (ROOT / "src/frazil").rglob("*.py"):
        if PORTAL in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else None for v in node.values]
                if sum(len(str(part)) for part in parts if part is not None) >= 4:
                    made.append(re.compile("".join(".*" if part is None else re.escape(str(part)) for part in parts)))
    lost = [
        saying
        for saying in SAYINGS
        if saying not in whole and not any(pattern.fullmatch(GAP.sub("X", saying)) for pattern in made)
    ]
    assert lost == []
