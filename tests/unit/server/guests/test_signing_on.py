"""What is asked of a guest, and what it says, when a person is signed on."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.server.guests import signing_on
from frazil.wire.hostlink import Person

TOKEN = "k" * 43


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("anna", "anna"),
        ("Anna.Kiss@example.org", "anna.kiss"),
        ("N\u00e9meth \u00c1gnes", "nemeth-agnes"),
        ("007", "user-007"),
        ("\u5c71\u7530", "user"),
        ("-root-", "root"),
        ("x" * 80, "x" * 24),
    ],
)
def test_an_account_is_named_after_the_user(name: str, account: str) -> None:
    assert signing_on.account_name(name) == account


@given(st.text())
def test_any_name_makes_an_account(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_.-]{0,23}", signing_on.account_name(name))


def test_a_token_is_in_the_call_and_in_no_text_about_it() -> None:
    person = Person(name="anna", full_name="Anna", token=TOKEN)
    assert signing_on.arguments(person) == {"user": "anna", "full_name": "Anna", "token": TOKEN}
    assert TOKEN not in repr(person)
    assert TOKEN not in str(person)


def test_what_a_guest_says_is_read_and_nonsense_is_none() -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    said = {"sign_on": {"user": "anna", "token_sha256": digest, "is": "on"}, "ready": True}
    found = signing_on.last_sign_on(said)
    assert found is not None
    assert (found.user, found.token_sha256, found.state, found.panel) == (
        "anna", signing_on.token_sha256(TOKEN), "on", True,
    )  # fmt: skip
    assert signing_on.last_sign_on({}) is None
    nonsense: tuple[object, ...] = (None, [], {"is": "root"})
    for told in nonsense:
        assert signing_on.last_sign_on({"sign_on": told}) is None
