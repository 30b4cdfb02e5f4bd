"""What the gateway itself says to people: only when the part behind it can't. In the two languages of the portal."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One answer, in one language."""

    language: str
    title: str
    detail: str
    remedy: str


_AWAY = {
    "en": Words(
        "en",
        "Frazil is not answering just now",
        "The part that keeps your desktops in order is starting or has stopped. Running desktops go on running.",
        "This page tries again by itself every few seconds. If it does not come back, tell your administrator.",
    ),
    "hu": Words(
        "hu",
        "A Frazil most nem válaszol",
        "Az asztalokat kezelő rész épp indul, vagy leállt. A futó asztalok tovább futnak.",
        "Az oldal néhány másodpercenként magától újra próbálkozik. Ha nem tér vissza, szóljon a rendszergazdának.",
    ),
}
_SLOW = {
    "en": Words(
        "en",
        "Frazil is taking too long",
        "The answer did not come in time.",
        "Try again. If it keeps happening, tell your administrator.",
    ),
    "hu": Words(
        "hu",
        "A Frazil túl lassan válaszol",
        "A válasz nem érkezett meg időben.",
        "Próbálja újra. Ha továbbra is előfordul, szóljon a rendszergazdának.",
    ),
}
LANGUAGES = tuple(_AWAY)


def away(language: str) -> Words:
    return _AWAY[language]


def slow(language: str) -> Words:
    return _SLOW[language]


def language_of(accept_language: str) -> str:
    """The reader's first language that we have; English when there is none.

    Weights are not looked at: browsers send the list in order.
    """
    for part in accept_language.split(","):
        primary = part.split(";")[0].strip().split("-")[0].lower()
        if primary in LANGUAGES:
            return primary
    return "en"


def page(words: Words) -> bytes:
    """A whole page that stands alone and asks again by itself."""
    title, detail, remedy = (html.escape(text) for text in (words.title, words.detail, words.remedy))
    return f"""<!doctype html>
<html lang="{words.language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-content: center; }}
main {{ max-width: 34rem; padding: 2rem; }}
h1 {{ font-size: 1.5rem; line-height: 1.3; }}
</style>
<main><h1>{title}</h1><p>{detail}</p><p>{remedy}</p></main>
</html>
""".encode()


def problem(words: Words, *, status: int, code: str, reference: str) -> bytes:
    """An RFC 9457 problem document, as the controller's own are (`frazil.wire.rest.Problem`)."""
    return json.dumps(
        {
            "type": f"urn:frazil:problem:{code}",
            "title": words.title,
            "status": status,
            "detail": words.detail,
            "remedy": "Try again in a moment.",
            "field": None,
            "reference": reference,
        },
        ensure_ascii=False,
    ).encode()
