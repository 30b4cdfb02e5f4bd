"""The person who reads a page: language, time zone, and how numbers, sizes and times look to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

LANGUAGE_COOKIE = "frazil-language"
ZONE_COOKIE = "frazil-zone"
LOCALE_DIR = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"

_GIB = 1 << 30
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Language:
    """One language that the pages speak. `own_name` is what its readers call it."""

    code: str
    own_name: str
    locale: Locale
    words: NullTranslations


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader, as of one request. `now` is the request's time."""

    language: Language
    zone: tzinfo
    now: datetime

    def gettext(self, message: str) -> str:
        return self.language.words.gettext(message)

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.language.words.ngettext(one, many, n)

    def number(self, value: float, digits: int = 0) -> str:
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.language.locale)

    def percent(self, fraction: float) -> str:
        return format_percent(fraction, locale=self.language.locale)

    def size(self, n_bytes: float) -> str:
        """A size in MB or GB, by 1024 as memory and disks of guests are counted."""
        unit, value = ("digital-gigabyte", n_bytes / _GIB) if n_bytes >= _GIB else ("digital-megabyte", n_bytes / _MIB)
        pattern = "#,##0.0" if unit == "digital-gigabyte" and value < 100 and round(value, 1) % 1 else "#,##0"
        return format_unit(value, unit, length="short", format=pattern, locale=self.language.locale)

    def mib(self, value: float) -> str:
        return self.size(value * _MIB)

    def duration(self, seconds: float) -> str:
        """A length of time in words, as exact as one cares: 42 seconds, 3 minutes, 2 hours, 7 days."""
        if 0 < seconds < 1:
            return format_unit(1, "duration-second", length="long", locale=self.language.locale)
        for unit, length_s in (("duration-day", 86400), ("duration-hour", 3600), ("duration-minute", 60)):
            if seconds >= 2 * length_s:
                return format_unit(round(seconds / length_s), unit, length="long", locale=self.language.locale)
        return format_unit(round(seconds), "duration-second", length="long", locale=self.language.locale)

    def ago(self, at: datetime) -> str:
        """How long ago, in words."""
        passed = at - self.now
        if abs(passed.total_seconds()) < 10:
            return self.gettext("just now")
        return format_timedelta(passed, add_direction=True, locale=self.language.locale)

    def when(self, at: datetime) -> str:
        """Day and time in the reader's zone; only the time when it is today."""
        here, today = at.astimezone(self.zone), self.now.astimezone(self.zone)
        if here.date() == today.date():
            return format_datetime(here, "HH:mm:ss", tzinfo=self.zone, locale=self.language.locale)
        return format_datetime(here, "short", tzinfo=self.zone, locale=self.language.locale)

    def to_the_second(self, at: datetime) -> str:
        """Day and time in the reader's zone, for lists that are compared with others."""
        return format_datetime(at, "medium", tzinfo=self.zone, locale=self.language.locale)

    @property
    def zone_name(self) -> str:
        return str(self.zone)

    def exactly(self, at: datetime) -> str:
        """Day, time and zone, spelled out."""
        return format_datetime(at, "long", tzinfo=self.zone, locale=self.language.locale)


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages, the source language first."""

    by_code: Mapping[str, Language]

    def choose(self, *, cookie: str | None, accept: str | None) -> Language:
        """The reader's own choice, else the browser's best, else the source language."""
        if cookie is not None and cookie in self.by_code:
            return self.by_code[cookie]
        for code in accepted(accept or ""):
            if code in self.by_code:
                return self.by_code[code]
        return self.by_code[SOURCE_LANGUAGE]


def accepted(header: str) -> list[str]:
    """Language codes of an Accept-Language header (RFC 9110, 12.5.4), most wanted first, regions dropped."""
    weighed: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = 1.0
        name, _, value = parameter.strip().partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                continue
        code = tag.strip().split("-")[0].lower()
        if code and weight > 0:
            weighed.append((weight, code))
    return [code for _, code in sorted(weighed, key=lambda pair: -pair[0])]


def zone_of(name: str | None) -> tzinfo:
    """The zone that the browser named; UTC for none or one that nobody knows."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def load_languages(directory: Path = LOCALE_DIR) -> Languages:
    """English from the source, and one language for each ``DIRECTORY/CODE/portal.po``."""
    source = Locale(SOURCE_LANGUAGE)
    found = {SOURCE_LANGUAGE: Language(SOURCE_LANGUAGE, "English", source, NullTranslations())}
    for path in sorted(directory.glob("*/portal.po")):
        code = path.parent.name
        with path.open("rb") as file:
            catalogue = read_po(file, locale=code, abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        locale = Locale.parse(code)
        own_name = (locale.get_display_name(locale) or code).capitalize()
        found[code] = Language(code, own_name, locale, GNUTranslations(compiled))
    return Languages(found)
