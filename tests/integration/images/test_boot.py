"""The image that ships, built (or taken from the cache) and booted under QEMU's own emulation."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from frazil.model.errors import NotFound
from frazil.server.images import build_image, cache_key, load_recipe, read_image_files

ROOT = Path(__file__).parents[3]
CACHE = Path("/var/cache/frazil/images")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("qemu-system-x86_64") is None or shutil.which("mmdebstrap") is None,
        reason="needs root, qemu-system-x86 and mmdebstrap",
    ),
]


def load_bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frazil_bench_boot", ROOT / "bench/boot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def image() -> Path:
    recipe = load_recipe(ROOT / "images/debian-icewm")
    place = CACHE / cache_key(recipe)
    try:
        return read_image_files(place).directory
    except NotFound:
        return build_image(recipe=recipe, into=place, progress=lambda _: None).directory


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return load_bench()


@pytest.fixture(scope="module")
def guest(bench: ModuleType, image: Path) -> Iterator[Any]:
    """A `PlainGuest` of the benchmark that has booted; the tests share it, in any order."""
    with bench.PlainGuest(image, vcpus=2) as booted:
        booted.agent_up()
        yield booted


def test_the_desktop_is_there_and_quiet(bench: ModuleType, guest: Any) -> None:
    port = guest.service()
    assert guest.ready(port) < bench.BOOT_DEADLINE_S

    # Calls are answered, unknown ones with an error; noise is answered as well.
    port.send({"id": 1, "call": "ping"})
    assert port.receive(timeout_s=30) == {"protocol": 1, "id": 1, "ok": True, "result": {}}
    port.send({"id": 2, "call": "make-coffee"})
    answer = port.receive(timeout_s=30)
    assert (answer["ok"], answer["error"]["code"]) == (False, "unknown-call")
    port.send({"id": 3, "call": "state"})
    state = port.receive(timeout_s=30)["result"]
    assert state.pop("sign_on")["is"] == "on"
    calls = ["identify", "ping", "set_clock", "sign_off", "sign_on", "state", "warm"]
    user = bench.PERSON["user"]
    signed_in = {"ready": True, "ready_user": user, "users": [user], "waiting": False, "warmed": False}
    assert state == {**signed_in, "calls": calls}

    # A host that comes back hears everything again, once the guest has seen it go.
    port.close()
    guest.run("sleep 1")
    again = guest.service()
    assert [again.receive(timeout_s=20)["event"] for _ in range(3)] == ["hello", "signed_in", "ready"]

    # One that comes back faster than the guest looks asks for the state.
    again.close()
    at_once = guest.service()
    at_once.send({"id": 4, "call": "state"})
    while (answer := at_once.receive(timeout_s=20)).get("id") != 4:
        pass
    assert {**answer["result"], "sign_on": None} == {**state, "sign_on": None}
    at_once.close()

    code, text = guest.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    assert (code, text.strip()) == (0, "tsc")
    code, text = guest.run("systemctl list-timers --no-legend | grep -v '^- ' ; systemctl --failed --no-legend")
    assert text.strip() == ""
    guest.run("for n in $(seq 200); do pgrep -x spice-vdagent && break; sleep 0.1; done")  # after the panel
    code, text = guest.run("pgrep -x spice-vdagent && pgrep -x spice-vdagentd && pgrep -x tint2 && swapon --show")
    assert len(text.split()) == 3
    code, text = guest.run("ls /etc/fstab; findmnt -no OPTIONS /")
    assert "discard" in text

    # Nobody in the session wakes by itself. What is started last may settle, and a minute may turn, so each one's
    # quietest four seconds of twenty tries count; something that wakes every second has four in each.
    script = """
    count() { awk '/^voluntary/{print $2}' /proc/$1/status; }
    for name in icewm tint2 Xorg frazil-guest; do
        pid=$(pgrep -of "$name"); echo "$name $pid $(count $pid)"
    done > /run/before
    sleep 4
    while read -r name pid before; do echo "$name $(($(count $pid) - before))"; done < /run/before
    """
    quietest: dict[str, int] = {}
    for _ in range(20):
        for name, count in (line.split() for line in guest.run(script)[1].splitlines()):
            quietest[name] = min(int(count), quietest.get(name, int(count)))
        if max(quietest.values()) <= 2:
            break
    assert max(quietest.values()) <= 2, quietest

    # A terminal opens by its keys, and what is typed there reaches it.
    for _ in range(3):  # a key that comes while the window manager is busy may be lost
        guest.press("ctrl", "alt", "t")
        code, text = guest.run("for i in $(seq 100); do pgrep -x bash && break; sleep 0.2; done", timeout_s=60)
        if text.strip():
            break
    assert text.strip()

    # The panel's clock shows at once what the clock was set to.
    hours = "exec 2>/dev/null; "  # the shell may say that the clock was terminated
    hours += "/usr/lib/frazil/minute-clock > /run/shown & pid=$!; until test -s /run/shown; do sleep 0.1; done; "
    hours += "date -s '+90 min' >/dev/null; for n in $(seq 100); do test $(wc -l < /run/shown) -ge 2 && break; "
    hours += "sleep 0.1; done; kill $pid; tail -n 1 /run/shown; date +%H:%M; date -s '-90 min' >/dev/null"
    shown, wanted = guest.run(hours, timeout_s=60)[1].split()
    assert shown == wanted


def test_a_network_card_that_comes_later_is_used(guest: Any) -> None:
    guest.monitor("netdev_add", type="user", id="late", restrict=True)
    guest.monitor("device_add", driver="virtio-net-pci", netdev="late", id="nic", bus="plug")
    look = "ip -4 -br addr show dev eth0 2>/dev/null | grep -q 10.0.2"
    wait = f"for i in $(seq 150); do {look} && exit 0; sleep 0.2; done; exit 1"
    assert guest.run(wait, timeout_s=90)[0] == 0
