"""What the desktops' network lets through, read from the rules; tests/e2e/test_isolation tries it from a guest."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time

import pytest

from frazil.model.errors import Conflict, HostError, InvalidInput
from frazil.server.hypervisor import guest_network
from frazil.server.hypervisor.guest_network import (
    CANDIDATES,
    GuestNetwork,
    choose_subnet,
    network_name,
    network_xml,
    shape_of,
)
from frazil.server.hypervisor.guest_network_rules import MARK, all_there, rules, table_name
from frazil.server.hypervisor.guest_network_seats import SEATS_MAX, Seats

NAME = network_name("01900000-0000-7000-8000-0000000000aa")
SUBNET = ipaddress.IPv4Network("10.77.0.0/24")
SEATS = Seats(NAME, SUBNET)
SMALL = Seats(NAME, ipaddress.IPv4Network("10.9.0.0/29"))
UUID = "01900000-0000-7000-8000-0000000000bb"


def chain(name: str, *, closed: bool = True, seats: Seats = SEATS) -> list[str]:
    """The rules of a chain."""
    body = rules(seats, closed=closed).partition(f"chain {name} {{")[2].partition("\n  }\n")[0]
    return [line.strip() for line in body.splitlines() if line.strip() and not line.strip().startswith("type filter")]


def test_a_closed_network_is_answered_by_dhcp_alone() -> None:
    assert [rule for rule in chain("input") if rule.endswith("accept")] == [
        f'iifname "{NAME}" ip daddr {{ 10.77.0.1, 255.255.255.255 }} udp dport 67 accept',
        f'iifname "{NAME}" ct state established,related accept',
    ]
    assert chain("input")[-1] == chain("forward")[-1] == f'iifname "{NAME}" drop'
    assert f'iifname "{NAME}" drop' not in chain("forward", closed=False)


def test_names_are_resolved_at_the_networks_own_address_only() -> None:
    (dns,) = [rule for rule in chain("input", closed=False) if " 53 " in rule]
    assert "ip daddr 10.77.0.1 " in dns


@pytest.mark.parametrize("closed", [True, False])
def test_neither_neighbours_nor_link_local_addresses_are_routed_to(closed: bool) -> None:
    forward = chain("forward", closed=closed)
    assert f'iifname "{NAME}" oifname "{NAME}" drop' in forward
    assert f'iifname "{NAME}" ip daddr 169.254.0.0/16 drop' in forward


def test_what_is_not_let_in_at_a_tap_is_dropped_there_and_at_the_host() -> None:
    first, *between, last = chain("from_desktops")
    assert first == f'iifname != "{SEATS.tap_prefix}*" accept'
    assert last == "drop"
    let_in = [rule for rule in between if rule.endswith("accept")]
    assert all(rule.endswith(f"meta mark set {MARK:#x} accept") for rule in let_in)
    assert all("@seats" in rule or "@ports" in rule for rule in let_in)
    assert chain("marked") == [f'iifname "{NAME}" meta mark != {MARK:#x} drop', f'iifname "{NAME}" meta mark set 0']
    assert chain("between") == [f'iifname "{SEATS.tap_prefix}*" drop', f'oifname "{SEATS.tap_prefix}*" drop']


def test_every_seat_is_in_the_rules_and_in_dhcp() -> None:
    script = rules(SMALL, closed=True)
    assert len(SMALL) == 5
    for seat in SMALL:
        assert f'"{seat.tap}" . {seat.mac} . {seat.address}' in script
        assert f'"{seat.tap}" . 0x{seat.mac.replace(":", "")}' in script
    shape = shape_of(network_xml(SMALL, network_uuid=UUID, closed=True))
    assert shape.reserved == {(seat.mac, seat.address) for seat in SMALL}


@pytest.mark.parametrize("subnet", ["10.77.0.0/29", "10.77.0.0/24", "10.77.0.0/20", "10.0.0.0/8"])
def test_seats_differ_and_are_valid(subnet: str) -> None:
    network = ipaddress.IPv4Network(subnet)
    seats = list(Seats(NAME, network))
    assert len(seats) == min(SEATS_MAX, network.num_addresses - 3)
    assert len({seat.tap for seat in seats}) == len({seat.mac for seat in seats}) == len(seats)
    assert len({seat.address for seat in seats}) == len(seats)
    assert all(len(seat.tap) <= 15 for seat in seats)
    usable = [ipaddress.IPv4Address(seat.address) for seat in (seats[0], seats[-1])]
    assert all(address in network for address in usable)
    assert not {network[0], network[1], network[-1]} & set(usable)
    for outside in (0, len(seats) + 1):
        with pytest.raises(IndexError):
            Seats(NAME, network)[outside]


def test_a_desktop_gets_its_seat_again_and_never_anothers() -> None:
    taken: set[str] = set()
    for number in range(len(SMALL)):
        seat = SMALL.choose(f"desktop-{number}", taken=taken)
        assert seat.tap not in taken
        taken.add(seat.tap)
        assert SMALL.choose(f"desktop-{number}", taken=taken - {seat.tap}) == seat
    with pytest.raises(Conflict, match="All 5 places"):
        SMALL.choose("one more", taken=taken)
    assert len({SEATS.choose(f"desktop-{number}", taken=()) for number in range(100)}) > 50, "they are spread"


def test_a_definition_is_read_as_it_was_written() -> None:
    closed, nat = (shape_of(network_xml(SEATS, network_uuid=UUID, closed=closed)) for closed in (True, False))
    assert closed.subnet == nat.subnet == SUBNET
    assert (closed.forwarded, closed.resolves, closed.users) == (False, False, 0)
    assert (nat.forwarded, nat.resolves) == (True, True)
    assert closed.seats_as(nat)
    assert not closed.works_as(nat)
    old = shape_of(
        "<network connections='2'><forward mode='nat'/><ip address='10.77.0.1' netmask='255.255.255.0'>"
        "<dhcp><range start='10.77.0.2' end='10.77.0.254'/></dhcp></ip></network>"
    )
    assert (old.subnet, old.users) == (SUBNET, 2)
    assert not old.seats_as(nat)
    with pytest.raises(HostError):
        shape_of("<network><name>bare</name></network>")


def test_both_tables_must_be_there() -> None:
    def listing(*families: str) -> str:
        rows = [{"table": {"family": family, "name": table_name(NAME), "handle": 1}} for family in families]
        return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *rows]})

    assert all_there(NAME, listing("inet", "bridge", "ip"))
    assert not all_there(NAME, listing("inet"))
    assert not all_there(NAME, listing("bridge"))
    assert not all_there("frazil-another", listing("inet", "bridge"))


def test_the_subnet_is_the_given_one_or_a_free_one() -> None:
    assert choose_subnet("10.1.0.0/24", []) == ipaddress.IPv4Network("10.1.0.0/24")
    first, second = map(ipaddress.IPv4Network, CANDIDATES[:2])
    assert choose_subnet("", [ipaddress.IPv4Network("10.77.3.0/24")]) == second
    assert choose_subnet("", []) == first
    with pytest.raises(Conflict):
        choose_subnet("", [ipaddress.IPv4Network("0.0.0.0/1"), ipaddress.IPv4Network("128.0.0.0/1")])
    for wrong in ("10.77.0.0/30", "10.77.0.1/20", "desktops"):
        with pytest.raises(InvalidInput) as refused:
            choose_subnet(wrong, [])
        assert refused.value.remedy


async def test_a_command_that_is_missing_or_does_not_end_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="/nowhere/nft can't be run") as missing:
        await guest_network._command("/nowhere/nft")
    assert missing.value.remedy
    monkeypatch.setattr(guest_network, "COMMAND_DEADLINE_S", 0.1)
    began_s = time.monotonic()
    with pytest.raises(HostError, match="sleep did not end"):
        await guest_network._command("sleep", "60")
    assert time.monotonic() - began_s < 10


async def test_the_firewall_is_looked_at_again_whatever_a_look_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_network, "GUARD_EVERY_S", 0.01)
    network = GuestNetwork("test:///default", installation_id=UUID, mode="closed", subnet="")
    looks, looked_again = [HostError("nft failed."), RuntimeError("a bug")], asyncio.Event()

    async def look() -> None:
        if looks:
            raise looks.pop()
        looked_again.set()

    monkeypatch.setattr(network, "_look", look)
    watching = asyncio.create_task(network.watch())
    async with asyncio.timeout(30):
        await looked_again.wait()
    watching.cancel()
    await asyncio.wait({watching})
    assert watching.cancelled()
    network.close()
