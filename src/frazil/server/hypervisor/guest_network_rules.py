"""The firewall in front of the desktops' network, as one nftables script.

The table of the bridge family stands at the taps. It lets in what a seat may say (its own MAC address and IPv4
address, ARP for these, and the question for an address), drops everything else (IPv6, VLANs, other protocols, an offer
of addresses), and hands nothing from one port to another. What it let in bears a mark. The table of the inet family
stands at the host: it takes from the bridge only what bears the mark, so a port that is no seat gets nowhere, and of
that only DHCP and, where desktops may reach the world, DNS at the network's own address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from frazil.server.hypervisor.guest_network_seats import Seats

MARK = 0x667A3031
"""Put on at the tap and taken off when the host has looked, before anything is routed by it."""
FAMILIES = ("bridge", "inet")

RULES = """\
table bridge {table}
delete table bridge {table}
table bridge {table} {{
  set seats {{
    typeof iifname . ether saddr . ip saddr
    elements = {{ {seats} }}
  }}
  set ports {{
    typeof iifname . ether saddr
    elements = {{ {ports} }}
  }}
  set askers {{
    typeof iifname . @th,288,48
    elements = {{ {askers} }}
  }}
  chain from_desktops {{
    type filter hook prerouting priority -300; policy accept;
    iifname != "{taps}" accept
    ether type arp iifname . ether saddr @ports iifname . arp saddr ether . arp saddr ip @seats {let_in}
    ether type != ip drop
    udp sport 67 drop
    udp dport 67 iifname . @th,288,48 != @askers drop
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 iifname . ether saddr @ports {let_in}
    iifname . ether saddr . ip saddr @seats {let_in}
    drop
  }}
  chain between {{
    type filter hook forward priority 0; policy accept;
    iifname "{taps}" drop
    oifname "{taps}" drop
  }}
  chain to_desktops {{
    type filter hook postrouting priority 300; policy accept;
    oifname != "{taps}" accept
    ether type != {{ ip, arp }} drop
    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept
    oifname . ether daddr @ports accept
    drop
  }}
}}
table inet {table}
delete table inet {table}
table inet {table} {{
  chain marked {{
    type filter hook prerouting priority -450; policy accept;
    iifname "{bridge}" meta mark != {mark:#x} drop
    iifname "{bridge}" meta mark set 0
  }}
  chain input {{
    type filter hook input priority -5; policy accept;
    iifname "{bridge}" ip daddr {{ {address}, 255.255.255.255 }} udp dport 67 accept
    {dns}
    iifname "{bridge}" ct state established,related accept
    iifname "{bridge}" drop
  }}
  chain forward {{
    type filter hook forward priority -5; policy accept;
    iifname "{bridge}" oifname "{bridge}" drop
    iifname "{bridge}" ip daddr 169.254.0.0/16 drop
    {closed}
  }}
}}
"""
"""Declared, deleted and declared again in one transaction: applying it twice is the same as once.

`@th,288,48` is the client's MAC address inside a DHCP message (RFC 2131, `chaddr`: 8 bytes of UDP and 28 of the
message before it): nobody gives back or declines another's address.
"""


def table_name(network: str) -> str:
    """What our tables are called, in each family."""
    return network.replace("-", "_")


def rules(seats: Seats, *, closed: bool) -> str:
    """The nftables script; `closed` keeps desktops from leaving the host at all.

    Only at the bridge's own address is a resolver of ours: one at another address of this host is another network's,
    and would be a way out.
    """
    bridge, address = seats.name, seats.subnet[1]
    dns = f'iifname "{bridge}" ip daddr {address} meta l4proto {{ tcp, udp }} th dport 53 accept'
    return RULES.format(
        table=table_name(bridge),
        bridge=bridge,
        taps=f"{seats.tap_prefix}*",
        seats=", ".join(f'"{seat.tap}" . {seat.mac} . {seat.address}' for seat in seats),
        ports=", ".join(f'"{seat.tap}" . {seat.mac}' for seat in seats),
        askers=", ".join(f'"{seat.tap}" . 0x{seat.mac.replace(":", "")}' for seat in seats),
        mark=MARK,
        let_in=f"meta mark set {MARK:#x} accept",
        address=address,
        dns="" if closed else dns,
        closed=f'iifname "{bridge}" drop' if closed else "",
    )


def all_there(network: str, listing: str) -> bool:
    """Whether our tables are in the JSON that `nft -j list tables` printed."""
    tables: Iterable[dict[str, dict[str, str]]] = json.loads(listing)["nftables"]
    there = {(row["table"]["family"], row["table"]["name"]) for row in tables if "table" in row}
    return {(family, table_name(network)) for family in FAMILIES} <= there
