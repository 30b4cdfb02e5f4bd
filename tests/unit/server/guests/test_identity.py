"""What a fork is told it is."""

from __future__ import annotations

import os
import re

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from hypothesis import given
from hypothesis import strategies as st

from frazil.runtime import SystemClock
from frazil.server.guests.identity import host_name, identity


def made(name: str = "class-1") -> dict[str, object]:
    return identity(name=name, clock=SystemClock(), random_bytes=os.urandom)


def test_two_identities_share_nothing_but_the_form() -> None:
    first, second = made(), made()
    for part in ("machine_id", "entropy", "ssh_ed25519"):
        assert first[part] != second[part]
    assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", str(first["machine_id"]))


def test_the_ssh_key_is_a_pair() -> None:
    keys = made()["ssh_ed25519"]
    assert isinstance(keys, dict)
    private = load_ssh_private_key(keys["private"].encode(), password=None)
    public = load_ssh_public_key(keys["public"].encode())
    assert private.public_key() == public


def test_the_clock_is_now() -> None:
    time_ns = made()["time_ns"]
    assert isinstance(time_ns, int)
    assert abs(time_ns / 1e9 - SystemClock().now().timestamp()) < 5


@pytest.mark.parametrize(
    ("label", "name"), [("class-1", "class-1"), ("Éva's PC", "va-s-pc"), ("---", "desktop"), ("a" * 90, "a" * 63)]
)
def test_host_names(label: str, name: str) -> None:
    assert host_name(label) == name


@given(st.text(max_size=120))
def test_every_label_makes_a_host_name(label: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", host_name(label))
