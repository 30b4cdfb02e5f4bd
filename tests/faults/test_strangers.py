"""What Frazil did not make is never touched; what it made and forgot is quarantined, shown, and left running."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from frazil.model.desktop import Phase
from frazil.model.errors import Conflict, FrazilError, NotFound, Unavailable
from frazil.server.desktops.directory import Record
from frazil.wire.rest import PoolChange
from tests.faults import database
from tests.faults.strangers import UNREADABLE, VIRSH, Strangers, label
from tests.harness.stack import Person, Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
SMALL = {"memory_mib": 256, "disk_gib": 1, "sound": False, "usb_channels": 0}
POOL = "desk"
Forget = Callable[[Stack, str, bytes], None]


@pytest.fixture
def strangers() -> Iterator[Strangers]:
    made = Strangers()
    yield made
    made.close()


@pytest.fixture
def small(own_stack: Stack) -> Stack:
    """A real stack with an image whose desktops are ready when they run."""
    own_stack.start()
    own_stack.empty_image("blank", ready_when="running")
    return own_stack


def _pool(stack: Stack, *, spares: int) -> list[str]:
    """The ids of a new pool's desktops."""
    stack.pool(POOL, image="blank", spares=spares, max_desktops=5, profile=SMALL)
    return [one.id for one in stack.desktops(POOL, count=spares)]


def _gone(stack: Stack) -> bool:
    try:
        return not stack.root.pool(POOL)
    except NotFound:
        return True


def _process(stack: Stack, desktop_id: str) -> str:
    """libvirt's number of the process that the desktop is now."""
    return stack.guests.virsh("domid", f"frazil-{desktop_id}").strip()


def _record(desktop_id: str, installation_id: str) -> str:
    given = {"installation_id": installation_id, "desktop_id": desktop_id, "epoch": [1, 1], "attempt": 1}
    text = json.dumps({**given, "name": "d", "image_id": "i", "started_at": None})
    assert Record.from_json(text).installation_id == installation_id
    return text


def test_what_frazil_did_not_make_is_never_touched(small: Stack, strangers: Strangers) -> None:
    tag, other, root = uuid.uuid4().hex[:8], str(uuid.uuid4()), small.settings.desktops_dir
    small.stop()
    named = str(uuid.uuid4())
    strangers.domain(f"somebodys-{tag}")
    strangers.domain(f"frazil-{named}", id_=named)
    strangers.domain(f"frazil-{uuid.uuid4()}", metadata=label(other, str(uuid.uuid4())))
    strangers.domain(f"frazil-{uuid.uuid4()}", metadata=UNREADABLE)
    strangers.disk(root, str(uuid.uuid4()))
    strangers.disk(root, (theirs := str(uuid.uuid4())), record=_record(theirs, other))
    strangers.disk(root, f"backup-{tag}")
    before = strangers.as_they_are()

    small.start()
    first, second = _pool(small, spares=2)
    assert small.root.strays() == []
    small.back("server", instead_of=small.kill("server"))
    assert strangers.as_they_are() == before

    # one that has the very id of a desktop, put in its place while Frazil is away
    small.stop()
    subprocess.run([*VIRSH, "destroy", f"frazil-{first}"], check=True, capture_output=True, timeout=60)
    usurper = strangers.domain(f"usurper-{tag}", id_=first)
    before = strangers.as_they_are()
    small.start()
    failed = small.phase(first, Phase.FAILED)
    assert failed.failure is not None
    assert failed.failure.code == "foreign-domain"
    assert failed.failure.remedy
    with pytest.raises(Conflict):
        small.root.act(first, "stop")
    assert strangers.as_they_are() == before
    small.root.act(first, "retry")
    again = small.phase(first, Phase.FAILED)
    assert again.failure == failed.failure
    with pytest.raises(FrazilError, match="does not touch"):
        small.root.screenshot(first)
    assert strangers.as_they_are() == before

    # the pool is deleted: its own desktop goes, the other's place is not cleared by force
    small.root.delete_pool(POOL)
    until(lambda: [one.id for one in small.root.desktops()] == [first], "the pool's own desktop is gone")
    assert second not in small.guests.ids()
    assert strangers.as_they_are() == before
    assert small.root.strays() == []
    strangers.destroy(usurper)
    before = {name: seen for name, seen in before.items() if name != usurper}
    small.back("server", instead_of=small.kill("server"))
    until(lambda: _gone(small), "the pool is gone", timeout_s=90, not_yet=(Unavailable,))
    assert strangers.as_they_are() == before

    # and all of Frazil stops, desktops too
    done = small.frazil("down", "--grace", "0")
    assert done.returncode == 0, done.stderr
    assert strangers.as_they_are() == before


def _forget_rows(stack: Stack, desktop_id: str, old: bytes) -> None:
    """As a clumsy hand does it."""
    with database.opened(stack.settings, write=True) as connection:
        connection.execute("UPDATE pools SET spares = 1")
        assert connection.execute("DELETE FROM desktops WHERE id = ?", (desktop_id,)).rowcount == 1


def _restore(stack: Stack, desktop_id: str, old: bytes) -> None:
    """As a backup of yesterday does it."""
    (stack.settings.controller_dir / "frazil.sqlite3").write_bytes(old)


@pytest.mark.parametrize("forget", [_forget_rows, _restore])
def test_what_the_database_forgot_is_quarantined_shown_and_left_running(
    small: Stack, strangers: Strangers, forget: Forget
) -> None:
    admin = small.user("root-of-it", administrator=True)
    (kept,) = _pool(small, spares=1)
    small.stop()
    old = (small.settings.controller_dir / "frazil.sqlite3").read_bytes()
    assert not list(small.settings.controller_dir.glob("*-wal")), "a stopped controller leaves one whole file"
    small.start()
    small.root.change_pool(small.root.pool(POOL), PoolChange(spares=2))
    (lost,) = [one.id for one in small.desktops(POOL, count=2) if one.id != kept]
    small.stop()
    forget(small, lost, old)
    running = {one: _process(small, one) for one in (kept, lost)}
    forged = str(uuid.uuid4())
    copy = strangers.domain(f"frazil-{forged}", id_=forged, metadata=label(small.installation_id, kept))
    before = strangers.as_they_are()
    disk = small.settings.desktops_dir / lost / "disk.qcow2"
    inode = disk.stat().st_ino

    small.start()
    wanted = {("domain", f"frazil-{lost}"), ("disk", lost), ("domain", copy)}

    def strays() -> set[tuple[str, str]]:
        return {(one.kind, one.name) for one in small.root.strays()}

    until(lambda: strays() == wanted, lambda: f"{wanted} are in quarantine, but: {strays()}")
    _is_shown(small, admin, lost)

    def untouched() -> None:
        assert {one: _process(small, one) for one in (kept, lost)} == running
        assert disk.stat().st_ino == inode
        assert strangers.as_they_are() == before
        assert [one.id for one in small.root.desktops(phase=Phase.READY)] == [kept]

    untouched()
    small.back("server", instead_of=small.kill("server"))
    until(lambda: strays() == wanted, "still in quarantine")
    untouched()
    with pytest.raises((NotFound, Conflict)):
        small.root.delete_desktop(lost)
    small.root.delete_pool(POOL)
    until(lambda: _gone(small), "the pool is gone")
    until(lambda: strays() == wanted, lambda: f"still in quarantine, but: {strays()}")
    assert _process(small, lost) == running[lost]
    assert disk.stat().st_ino == inode
    assert strangers.as_they_are() == before
    assert kept not in small.disks()


def _is_shown(stack: Stack, admin: Person, desktop_id: str) -> None:
    """To administrators on the command line and in the console."""
    said = stack.frazil("host", "list")
    assert said.returncode == 0, said.stderr
    assert f"frazil-{desktop_id}" in said.stdout + said.stderr
    context = ssl.create_default_context(cafile=str(stack.ca))
    with httpx.Client(base_url=stack.url, verify=context, headers={"Accept-Language": "en"}) as browser:
        body = {"name": admin.name, "password": admin.password}
        browser.post("/api/v1/logins", json=body).raise_for_status()
        page = browser.get("/console/hosts").raise_for_status().text
        assert f"frazil-{desktop_id}" in page
        assert "In quarantine" in page
        assert "quarantine" in browser.get("/console").raise_for_status().text
