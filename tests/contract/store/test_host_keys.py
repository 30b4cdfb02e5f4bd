"""Tokens for new hosts are good once, and keys until they are revoked or over, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from frazil.controller.store import Store, host_keys, hosts
from frazil.wire.hostlink import Capabilities

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAPABILITIES = Capabilities(kvm=True, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt="")


def _joined(tx: sa.Connection) -> None:
    hosts.hello(tx, id="h1", name="there", version="1", capabilities=CAPABILITIES, now=NOW, address="10.0.0.7")
    host_keys.add(tx, "old", host_id="h1", now=NOW, expires_at=NOW + HOUR)
    host_keys.add(tx, "new", host_id="h1", now=NOW, expires_at=NOW + 3 * HOUR)


def test_a_token_is_used_up_by_one_key_and_answers_it_again(store: Store) -> None:
    def take(key: str, host_id: str, *, after: timedelta = timedelta()) -> str | None:
        return store.write_now(lambda tx: host_keys.take_invitation(tx, "s", key, host_id=host_id, now=NOW + after))

    store.write_now(lambda tx: host_keys.invite(tx, "s", by="root", now=NOW, expires_at=NOW + HOUR))
    assert take("k1", "h1") == "h1"
    assert take("k1", "h2") == "h1"
    assert take("k2", "h2") is None
    assert take("k1", "h1", after=2 * HOUR) is None


def test_a_key_is_good_until_it_is_over_or_revoked(store: Store) -> None:
    def good(after: timedelta) -> frozenset[str]:
        return store.read_now(lambda tx: host_keys.good(tx, now=NOW + after))

    store.write_now(_joined)
    assert good(timedelta()) == {"old", "new"}
    assert good(2 * HOUR) == {"new"}, "whose link is of the old one dials again"
    store.write_now(lambda tx: host_keys.revoke(tx, "h1", now=NOW))
    assert good(timedelta()) == frozenset()
    assert store.read_now(host_keys.revoked) == {"old", "new"}


def test_a_host_has_lost_trust_when_no_key_is_good(store: Store) -> None:
    def lost(after: timedelta) -> bool:
        return store.read_now(lambda tx: host_keys.has_lost_trust(tx, "h1", now=NOW + after))

    assert not lost(timedelta()), "one that nobody knows has none to lose"
    store.write_now(_joined)
    assert not lost(2 * HOUR)
    assert lost(4 * HOUR)
    store.write_now(lambda tx: host_keys.revoke(tx, "h1", now=NOW))
    assert lost(timedelta())


def test_a_host_that_was_revoked_is_told_of_until_it_has_joined_again(store: Store) -> None:
    def revoked_since(since: datetime) -> list[str]:
        return store.read_now(lambda tx: host_keys.revoked_since(tx, since))

    def trusted(host_id: str) -> bool:
        return store.read_now(lambda tx: host_keys.is_trusted(tx, host_id))

    def own(tx: sa.Connection) -> None:
        hosts.hello(tx, id="h0", name="here", version="1", capabilities=CAPABILITIES, now=NOW)

    store.write_now(_joined)
    store.write_now(own)
    assert (trusted("h0"), trusted("h1"), trusted("h2")) == (True, True, False)
    assert revoked_since(NOW) == []
    store.write_now(lambda tx: host_keys.revoke(tx, "h1", now=NOW))
    assert (trusted("h0"), trusted("h1")) == (True, False)
    assert revoked_since(NOW) == ["h1"], "once, whatever number of keys it had"
    assert revoked_since(NOW + HOUR) == []
    store.write_now(lambda tx: host_keys.add(tx, "next", host_id="h1", now=NOW, expires_at=NOW + HOUR))
    assert trusted("h1")
    assert revoked_since(NOW) == []
