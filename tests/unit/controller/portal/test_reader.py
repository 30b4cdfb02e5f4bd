"""Language, zone, numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from frazil.controller.portal.reader import Languages, Reader, accepted, load_languages, zone_of

LANGUAGES: Languages = load_languages()
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def reader(code: str, zone: str = "Europe/Budapest") -> Reader:
    return Reader(LANGUAGES.by_code[code], zone_of(zone), NOW)


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("hu-HU,hu;q=0.9,en;q=0.5", ["hu", "hu", "en"]),
        ("de, en;q=0.2, hu;q=0.7", ["de", "hu", "en"]),
        ("hu;q=0", []),
        ("hu;q=much, en", ["en"]),
        ("", []),
        ("*", ["*"]),
    ],
)
def test_accepted_languages(header: str, codes: list[str]) -> None:
    assert accepted(header) == codes


def test_the_cookie_comes_before_the_browser_and_english_is_last() -> None:
    assert LANGUAGES.choose(cookie="en", accept="hu").code == "en"
    assert LANGUAGES.choose(cookie=None, accept="de, hu;q=0.3").code == "hu"
    assert LANGUAGES.choose(cookie="xx", accept="de").code == "en"
    assert LANGUAGES.choose(cookie="../../etc", accept=None).code == "en"


@pytest.mark.parametrize("name", ["../../etc/passwd", "No/Such", "", None, "a" * 5000, "\0"])
def test_a_zone_that_nobody_knows_is_utc(name: str | None) -> None:
    assert zone_of(name).utcoffset(NOW) == timedelta(0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", ["1,234,567", "43%", "42 seconds", "3 minutes"]),
        ("hu", ["1\xa0234\xa0567", "43%", "42 másodperc", "3 perc"]),
    ],
)
def test_numbers_follow_the_language(code: str, expected: list[str]) -> None:
    who = reader(code)
    assert [who.number(1234567), who.percent(0.43), who.duration(42.4), who.duration(170)] == expected


def test_sizes_are_counted_by_1024() -> None:
    who = reader("en")
    assert [who.size(700 << 20), who.mib(65536), who.mib(1536)] == ["700 MB", "64 GB", "1.5 GB"]


def test_times_are_the_reader_s() -> None:
    assert reader("hu").when(NOW - timedelta(minutes=5)) == "10:25:00"
    assert reader("en", "America/New_York").when(NOW) == "04:30:00"
    assert reader("hu").when(NOW - timedelta(days=40)).startswith("2026. 01. 21.")
    assert reader("en").ago(NOW - timedelta(seconds=3)) == "just now"
    assert reader("hu").ago(NOW - timedelta(hours=5)) == "5 órával ezelőtt"
    assert reader("hu").exactly(NOW).startswith("2026. március 2. 10:30:00")


def test_plurals() -> None:
    who = reader("en")
    assert who.ngettext("one", "many", 1) == "one"
    assert who.ngettext("one", "many", 2) == "many"
