"""What it takes to move a fork: its XML changed for where it goes, and a second host to go to."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import own_machine  # noqa: F401 - it makes `tests` importable

from frazil.server.hypervisor.domainxml.memory import QEMU
from tests.harness.machine import Machine


def _arguments(root: ET.Element) -> tuple[ET.Element, list[ET.Element]]:
    line = root.find(f"{{{QEMU}}}commandline")
    assert line is not None
    return line, list(line)


def without_incoming(xml: str) -> str:
    """The domain's XML without our `-incoming defer`, which comes after libvirt's own and would win."""
    root = ET.fromstring(xml)
    line, arguments = _arguments(root)
    for argument in arguments:
        if argument.get("value") in ("-incoming", "defer"):
            line.remove(argument)
    return ET.tostring(root, encoding="unicode")


def with_memory_of_its_own(xml: str) -> str:
    """The same RAM block, anonymous: what is in it comes over the wire."""
    root = ET.fromstring(xml)
    for argument in _arguments(root)[1]:
        value = argument.get("value", "")
        if value.startswith("memory-backend-file"):
            kept = [part for part in value.split(",")[1:] if part.startswith(("id=", "size="))]
            argument.set("value", ",".join(["memory-backend-ram", *kept]))
    return ET.tostring(root, encoding="unicode")


@contextmanager
def other_host(spare: Path) -> Iterator[str]:
    """A second libvirtd with another host's uuid; the address to reach it at."""
    with ExitStack() as undo:
        place = spare / "other"
        place.mkdir(mode=0o711)
        undo.callback(shutil.rmtree, place, ignore_errors=True)
        machine = Machine(place)
        undo.callback(machine.close)
        config = place / "machine" / "etc" / "libvirtd.conf"
        with config.open("a", encoding="utf-8") as file:
            file.write('\nhost_uuid = "11111111-2222-4333-8444-555555555555"\n')
        start = "from frazil.cli.libvirtd import ensure_running; ensure_running()"
        subprocess.run([*machine.enter, sys.executable, "-c", start], check=True, cwd="/", timeout=180)
        yield f"qemu+unix:///system?socket=/proc/{machine.init}/root/run/libvirt/libvirt-sock"
