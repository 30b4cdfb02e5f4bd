"""The gateway's small pure parts."""

import json
import random

import pytest

from frazil.gateway import words
from frazil.gateway.backoff import Backoff
from frazil.gateway.headers import to_client, to_controller
from frazil.gateway.links import session_of
from frazil.gateway.websocket import same_origin, wants_websocket

ID = "01900000-0000-7000-8000-0123456789ab"


def test_waits_double_up_to_a_bound_and_begin_anew() -> None:
    backoff = Backoff(first_s=1, most_s=5, dice=random.Random(1))
    waits = [backoff.next_s() for _ in range(5)]
    for wait, full in zip(waits, (1, 2, 4, 5, 5), strict=True):
        assert full / 2 <= wait <= full
    backoff.reset()
    assert backoff.next_s() <= 1


@pytest.mark.parametrize(
    ("path", "session"),
    [
        (f"/spice/{ID}", ID),
        (f"/spice/{ID}/", None),
        (f"/spice/{ID.upper()}", None),
        ("/spice/", None),
        (f"/spice/../{ID}", None),
        (f"/spice/{ID}\n", None),
    ],
)
def test_only_a_session_id_is_a_links_path(path: str, session: str | None) -> None:
    assert session_of(path) == session


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (b"https://desk.example:8443", b"desk.example:8443", True),
        (b"https://DESK.example:8443", b"desk.EXAMPLE:8443", True),
        (b"https://desk.example", b"desk.example:443", True),
        (b"https://desk.example", b"desk.example", True),
        (b"http://desk.example", b"desk.example", False),
        (b"https://desk.example.evil.example", b"desk.example", False),
        (b"https://desk.example:8443", b"desk.example", False),
        (b"null", b"desk.example", False),
        (b"", b"desk.example", False),
        (None, b"desk.example", True),
    ],
)
def test_pages_of_other_sites_are_told_apart(origin: bytes | None, host: bytes, same: bool) -> None:
    headers = [(b"host", host)] + ([(b"origin", origin)] if origin is not None else [])
    assert same_origin(headers) is same


def test_an_unclear_origin_is_none() -> None:
    assert not same_origin([(b"origin", b"https://a"), (b"origin", b"https://a"), (b"host", b"a")])
    assert not same_origin([(b"origin", b"https://a"), (b"host", b"a"), (b"host", b"b")])
    assert not same_origin([])


def test_an_upgrade_is_seen() -> None:
    assert wants_websocket([(b"upgrade", b"WebSocket")])
    assert not wants_websocket([(b"upgrade", b"h2c")])
    assert not wants_websocket([])


def test_requests_pass_with_our_word_for_where_they_come_from() -> None:
    given = [
        (b"host", b"desk.example"),
        (b"cookie", b"a=b"),
        (b"forwarded", b"for=1.1.1.1"),
        (b"x-forwarded-for", b"1.1.1.1"),
        (b"connection", b"upgrade, x-hop"),
        (b"x-hop", b"1"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers"),
        (b"expect", b"100-continue"),
    ]
    passed = to_controller(given, remote_address="192.0.2.1", chunked=True)
    assert passed == [
        (b"host", b"desk.example"),
        (b"cookie", b"a=b"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"desk.example"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
    ]


def test_answers_pass_without_what_was_for_one_hop() -> None:
    given = [(b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"connection", b"close"), (b"keep-alive", b"5")]
    assert to_client(given, close=False) == [(b"set-cookie", b"a"), (b"set-cookie", b"b")]
    assert to_client(given, close=True)[-1] == (b"connection", b"close")


@pytest.mark.parametrize(
    ("accepts", "language"),
    [("hu-HU,hu;q=0.9,en;q=0.8", "hu"), ("de,en-GB;q=0.5", "en"), ("", "en"), ("fr", "en"), ("*", "en")],
)
def test_people_are_spoken_to_in_their_language(accepts: str, language: str) -> None:
    assert words.language_of(accepts) == language


@pytest.mark.parametrize("of", [words.away, words.slow])
@pytest.mark.parametrize("language", words.LANGUAGES)
def test_our_own_words_are_there_in_every_language(of: object, language: str) -> None:
    said = words.away(language) if of is words.away else words.slow(language)
    assert said.title
    assert said.detail
    page = words.page(said).decode()
    assert f'<html lang="{language}">' in page
    assert "<script" not in page
    problem = json.loads(words.problem(said, status=502, code="unavailable", reference="r"))
    assert problem["status"] == 502
    assert problem["reference"] == "r"
    assert problem["detail"] == said.detail
