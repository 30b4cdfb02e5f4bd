"""`frazil down`: our desktops stop, nobody else's do."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from frazil.cli.supervisor import lock
from frazil.model.desktop import Epoch
from frazil.server.hypervisor.domainxml.metadata import NAMESPACE
from tests.integration.cli.installation import Installation

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]


@contextlib.contextmanager
def _domain(installation_id: str | None) -> Iterator[str]:
    """A running domain, with our label where an installation is given."""
    id_ = str(uuid.uuid4())
    name = f"frazil-{id_}"
    label = ""
    if installation_id is not None:
        epoch = Epoch(1, 1)
        label = (
            f'<metadata><f:desktop xmlns:f="{NAMESPACE}" installation="{installation_id}" id="{id_}" '
            f'epoch-generation="{epoch.generation}" epoch-counter="{epoch.counter}" attempt="1" pool="p" name="d"/>'
            "</metadata>"
        )
    xml = (
        f"<domain type='qemu'><name>{name}</name>{label}<memory unit='MiB'>32</memory>"
        "<os><type arch='x86_64'>hvm</type></os></domain>"
    )
    virsh = ["virsh", "-q", "-c", "qemu:///system"]
    subprocess.run([*virsh, "create", "/dev/stdin"], input=xml, text=True, check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run([*virsh, "destroy", name], check=False, capture_output=True)


def _running() -> set[str]:
    said = subprocess.run(
        ["virsh", "-q", "-c", "qemu:///system", "list", "--name"], capture_output=True, text=True, check=True
    )
    return set(said.stdout.split())


def test_down_stops_our_desktops_and_nobody_elses(installation: Installation) -> None:
    one = installation
    one.frazil("up", "--detach", "--no-first-desktop")
    ours = json.loads(one.settings.installation_file.read_text())["installation_id"]
    with _domain(ours) as mine, _domain(str(uuid.uuid4())) as another_installations, _domain(None) as foreign:
        assert {mine, another_installations, foreign} <= _running()
        supervisor = lock.holder(one.settings)
        assert supervisor is not None
        assert lock.end(supervisor, timeout_s=60)
        assert "1 desktop still running" in one.up_log()
        assert mine in _running(), "stopping Frazil leaves desktops running"
        told = one.ask("down", "--grace", "0")
        assert told == {"was_up": False, "desktops_stopped": [{"domain": mine, "name": "d"}]}
        assert mine not in _running()
        assert {another_installations, foreign} <= _running()
