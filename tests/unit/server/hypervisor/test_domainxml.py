"""Domain XML against golden files: `pytest --regenerate-output` writes them anew, to be read in the diff."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from frazil.model.desktop import Epoch
from frazil.server.hypervisor import domainxml
from frazil.server.hypervisor.domainxml import channels, metadata
from frazil.server.hypervisor.port import DomainPlan, GuestRam, KernelBoot, Labels, Seat
from frazil.wire.hostlink import Profile

GOLDEN = Path(__file__).parents[3] / "golden" / "domainxml"
DESKTOP = "01900000-0000-7000-8000-000000000001"
LABELS = Labels("01900000-0000-7000-8000-0000000000aa", DESKTOP, Epoch(1, 7), 2, "pool-1", 'class-<3>&"1"')
KERNEL = KernelBoot(Path("/images/i/kernel"), Path("/images/i/initrd"), "root=/dev/vda quiet")

SEAT = Seat(network="frazil", tap="fz0000aa-7", mac="52:54:00:01:00:07", address="10.77.0.8")


def plan(**changes: object) -> DomainPlan:
    values: dict[str, object] = {
        "labels": LABELS, "profile": Profile(), "disk": Path("/desktops/d/disk.qcow2"), "boot": KERNEL,
        "kvm": False, "network": SEAT,
    } | changes  # fmt: skip
    return DomainPlan(**values)  # type: ignore[arg-type]


CASES = {
    "emulated": plan(),
    "kvm": plan(kvm=True),
    "own-boot-loader": plan(boot=None),
    "bare": plan(profile=Profile(sound=False, network="none", usb_channels=0)),
    "keeps-its-disk": plan(keep_disk=True),
    "template": plan(ram=GuestRam(Path("/templates/t/ram"), private=False), network=None),
    "fork": plan(ram=GuestRam(Path("/templates/t/ram"), private=True), network=None),
    "fork-apart": plan(ram=GuestRam(Path("/templates/t/ram"), private=True), network=None, share_memory=False),
    "large": plan(profile=Profile(vcpus=4, memory_mib=8192, usb_channels=8)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    made = domainxml.domain(CASES[name])
    golden = GOLDEN / f"{name}.xml"
    if request.config.getoption("--regenerate-output"):
        golden.write_text(made)
    assert made == golden.read_text()


def test_every_golden_file_has_its_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(CASES)


def test_the_hosts_partition_is_named_and_changes_nothing_else() -> None:
    made = domainxml.domain(plan(), partition="/machine/frazil")
    root = ET.fromstring(made)
    assert root.findtext("resource/partition") == "/machine/frazil"
    named = ["<resource>", "<partition>/machine/frazil</partition>", "</resource>"]
    assert [line for line in made.splitlines() if line.strip() not in named] == domainxml.domain(plan()).splitlines()


def test_labels_come_back_from_the_xml_as_they_went_in() -> None:
    assert metadata.read(ET.fromstring(domainxml.domain(plan()))) == LABELS


@pytest.mark.parametrize("spoilt", ["installation", "epoch-counter", "attempt"])
def test_a_spoilt_label_is_no_label(spoilt: str) -> None:
    root = ET.fromstring(domainxml.domain(plan()))
    label = root.find(f"metadata/{{{metadata.NAMESPACE}}}desktop")
    assert label is not None
    del label.attrib[spoilt]
    assert metadata.read(root) is None


def test_no_port_is_open_and_no_balloon_is_there() -> None:
    root = ET.fromstring(domainxml.domain(plan()))
    assert [listen.get("type") for listen in root.iterfind("devices/graphics/listen")] == ["none"]
    assert [balloon.get("model") for balloon in root.iterfind("devices/memballoon")] == ["none"]


def test_pci_addresses_are_unique() -> None:
    for case in CASES.values():
        root = ET.fromstring(domainxml.domain(case))
        places = [
            (address.get("bus"), address.get("slot"), address.get("function"))
            for address in root.iterfind("devices//address[@type='pci']")
        ]
        assert len(places) == len(set(places))


def test_the_nic_is_isolated_and_on_the_seat_that_the_firewall_knows() -> None:
    nic = ET.fromstring(domainxml.domain(plan())).find("devices/interface")
    assert nic is not None
    said = {element.tag: element.attrib for element in nic}
    assert said["port"] == {"isolated": "yes"}
    assert (said["target"], said["mac"]) == ({"dev": SEAT.tap}, {"address": SEAT.mac})
    assert said["source"] == {"network": SEAT.network}


def test_guest_socket_is_found_only_on_its_own_channel() -> None:
    root = ET.fromstring(domainxml.domain(plan()))
    assert channels.guest_socket(root) is None
    for number, channel in enumerate(root.iterfind("devices/channel[@type='unix']")):
        ET.SubElement(channel, "source", {"mode": "bind", "path": f"/run/{number}"})
    assert channels.guest_socket(root) == "/run/1"


def test_a_fork_differs_from_its_template_only_in_memory_identity_and_reboot() -> None:
    def lines(name: str) -> set[str]:
        return set(domainxml.domain(CASES[name]).splitlines())

    differing = {line.strip().split()[0].split(">")[0] for line in lines("template") ^ lines("fork")}
    assert differing == {"<qemu:arg", "<on_reboot"}


def test_a_nic_can_be_plugged_alone() -> None:
    assert ET.fromstring(domainxml.nic(plan())).tag == "interface"
