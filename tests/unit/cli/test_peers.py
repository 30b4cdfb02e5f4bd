"""What root sees to so that other machines' servers can join."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from frazil.cli.supervisor.accounts import Account, Accounts
from frazil.cli.supervisor.peers import ensure_peers
from frazil.model.errors import InvalidInput
from frazil.settings import Settings
from frazil.trust.peers import PEER_DAYS, Peer, peer_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
ACCOUNTS = Accounts(Account("daemon", 1, 1), Account("nobody", 65534, 65534))
INSTALLATION = "01900000-0000-7000-8000-00000000aaaa"
HOST = "01900000-0000-7000-8000-00000000bbbb"


@dataclass(frozen=True)
class At:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
def settings(make_settings: Callable[[], Settings]) -> Settings:
    made = replace(make_settings(), hosts_listen="127.0.0.1:8444")
    made.trust_dir.mkdir(parents=True)
    made.installation_file.write_text(f'{{"installation_id": "{INSTALLATION}", "host_id": "{HOST}"}}')
    return made


def ensure(settings: Settings, *, later: timedelta = timedelta()) -> dict[str, bytes]:
    """What is there afterwards."""

    ensure_peers(settings, ACCOUNTS, INSTALLATION, clock=At(datetime.now(UTC) + later))
    return {path.name: path.read_bytes() for path in settings.trust_dir.iterdir()}


def test_without_an_address_for_hosts_nothing_is_made(settings: Settings) -> None:
    assert ensure(replace(settings, hosts_listen="")) == {}


@needs_root
def test_each_part_reads_its_own_and_no_other(settings: Settings) -> None:
    ensure(settings)
    found = {}
    for path in settings.trust_dir.iterdir():
        about = path.stat()
        found[path.name] = (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid)
    assert found == {
        "authority.pem": (0o644, 0, 0),
        "authority.key": (0o600, 1, 0),
        "controller.pem": (0o600, 1, 1),
        "gateway.pem": (0o640, 0, 65534),
        "host.pem": (0o600, 0, 0),
    }


@needs_root
def test_each_certificate_says_what_it_is_of(settings: Settings) -> None:
    made = ensure(settings)
    said = {
        name: peer_of(x509.load_pem_x509_certificate(made[f"{name}.pem"])) for name in ("controller", "gateway", "host")
    }
    assert said == {
        "controller": Peer(INSTALLATION, "controller"),
        "gateway": Peer(INSTALLATION, "gateway"),
        "host": Peer(INSTALLATION, "host", HOST),
    }


@needs_root
def test_a_second_look_changes_nothing_and_a_late_one_renews(settings: Settings) -> None:
    first = ensure(settings)
    assert ensure(settings) == first
    late = ensure(settings, later=timedelta(days=PEER_DAYS - 20))
    assert {name for name in late if late[name] != first[name]} == {"controller.pem", "gateway.pem", "host.pem"}


@needs_root
def test_what_is_damaged_is_made_anew_and_a_lost_key_of_the_authority_is_told(settings: Settings) -> None:
    first = ensure(settings)
    (settings.trust_dir / "gateway.pem").write_bytes(b"nonsense")
    again = ensure(settings)
    assert {name for name in again if again[name] != first[name]} == {"gateway.pem"}
    (settings.trust_dir / "authority.key").unlink()
    with pytest.raises(InvalidInput, match="join again"):
        ensure(settings)


@needs_root
def test_an_authority_that_was_restored_is_the_controllers_again(settings: Settings, tmp_path: Path) -> None:
    ensure(settings)
    os.chown(settings.trust_dir / "authority.key", 0, 0)
    ensure(settings)
    assert (settings.trust_dir / "authority.key").stat().st_uid == 1
