"""A guest's packages come from the archives that the host itself uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.errors import InvalidInput
from frazil.server.images.sources import (
    Source,
    carried_settings,
    guest_sources,
    host_sources,
    parse_deb822,
    parse_one_line,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = """\
Types: deb
# a comment between
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.test/
Suites: bookworm
Components: main

Types: deb
URIs: http://other.test/apt
Suites: cloud-bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 aaaa
"""


def test_both_forms_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://no.test x main\ndeb [arch=amd64 signed-by=/k] http://a.test bookworm main\n"
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    found = host_sources(tmp_path)
    assert [(source.uri, source.suite) for source in found] == [
        ("http://a.test", "bookworm"),
        ("http://mirror.test/debian", "bookworm"),
        ("http://mirror.test/debian", "bookworm-updates"),
        ("http://other.test/apt", "cloud-bookworm"),
    ]
    assert [source.signed_by for source in found][0::3] == ["/k", ""]


def test_only_the_suites_of_the_guest_are_taken() -> None:
    host = tuple(parse_deb822(DEB822))
    taken = guest_sources(suite="bookworm", components=["main"], host=host)
    assert [source.line() for source in taken] == [
        f"deb [signed-by={KEYRING}] http://mirror.test/debian bookworm main",
        f"deb [signed-by={KEYRING}] http://mirror.test/debian bookworm-updates main",
    ]


def test_a_host_without_the_suite_is_told_what_to_do() -> None:
    host = tuple(parse_one_line("deb http://a.test noble main"))
    with pytest.raises(InvalidInput, match="--mirror"):
        guest_sources(suite="bookworm", components=["main"], host=host)
    assert guest_sources(suite="bookworm", components=["main"], host=host, mirror="http://m.test") == (
        Source(uri="http://m.test", suite="bookworm", components=("main",), signed_by=""),
    )


def test_what_reaches_the_mirror_is_carried_over() -> None:
    lines = (
        'APT ""',
        'Acquire::http::Proxy "http://p.test:3128"',
        'Acquire::Check-Date "false"',
        'Acquire::https::Proxy ""',
    )
    dump = "".join(f"{line};\n" for line in lines)
    assert carried_settings(dump) == ('Acquire::http::Proxy "http://p.test:3128"', 'Acquire::Check-Date "false"')
