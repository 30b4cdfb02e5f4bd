"""Settings are read from TOML; what makes no sense is named, with the file and an example."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.errors import InvalidInput
from frazil.settings import Settings, load


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "frazil.toml") == Settings()


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "frazil.toml"
    file.write_text(
        "state_dir = '/srv/frazil'\nlisten = '[::]:443'\nguest_network = 'closed'\nguest_subnet = '10.9.0.0/24'\n"
        "public_url = 'https://desktops.example.org'\nheartbeat_s = 2\ntls_key = '/etc/ssl/k.pem'\n"
    )
    assert load(file) == Settings(
        state_dir=Path("/srv/frazil"), listen="[::]:443", guest_network="closed", guest_subnet="10.9.0.0/24",
        public_url="https://desktops.example.org", heartbeat_s=2.0, tls_key=Path("/etc/ssl/k.pem"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen = ", "is not a TOML file"),
        ("listn = '0.0.0.0:8443'", "there is no setting called listn"),
        ("listen = 8443", "listen is 8443; it must be a text in quotes"),
        ("listen = 'everywhere'", "listen is 'everywhere'; it must be an address and a port"),
        ("listen = '0.0.0.0:99999'", "it must be an address and a port"),
        ("heartbeat_s = 'often'", "heartbeat_s is 'often'; it must be a number"),
        ("heartbeat_s = 0", "heartbeat_s is 0.0; it must be between 0.1 and 60 seconds"),
        ("history_days = 0", "history_days is 0; it must be between 1 and 36500 days"),
        ("history_days = 1000000000", "it must be between 1 and 36500 days"),
        ("heartbeat_s = true", "heartbeat_s is True; it must be a number"),
        ("state_dir = 5", "state_dir is 5; it must be a text in quotes"),
        ("guest_network = 'open'", 'it can be "nat" or "closed"'),
        ("guest_subnet = '10.77.0.0/33'", "it must be an IPv4 network"),
        ("guest_subnet = '10.77.0.0/30'", "it is too small"),
        ("public_url = 'desktops.example.org'", "it must begin with https://"),
    ],
)
def test_what_makes_no_sense_is_named_with_file_and_example(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "frazil.toml"
    file.write_text(f"{text}\n")
    with pytest.raises(InvalidInput) as refused:
        load(file)
    assert words in refused.value.what
    assert str(file) in refused.value.what
    assert refused.value.remedy
