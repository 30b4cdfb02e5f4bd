"""A named person's session on a fork: own uid and home, one token, one person, and nothing of a trial left behind."""

from __future__ import annotations

import pytest

from frazil.model.errors import HostError
from frazil.server.guests import signing_on
from frazil.server.guests.watch import GuestWatch
from frazil.wire.hostlink import DesktopSpec, Person, Profile
from tests.harness.work import NOBODY
from tests.integration.server.lab import Lab

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

PROFILE = Profile(usb_channels=0)
ANNA = Person(name="Anna.Kiss@example.org", full_name="Kiss Anna, Ms.", token="a" * 43)
BELA = Person(name="bela", full_name="Béla", token="b" * 43)
PANEL_DEADLINE_S = 60.0

WHO = """
set -e
session=$(loginctl --no-legend list-sessions | awk '{print $1}')
loginctl show-session "$session" -p User -p Name -p Seat -p State -p Type
echo Home=$(stat -c %U:%a /home/anna.kiss)
echo Comment=$(getent passwd anna.kiss | cut -d: -f5)
echo Password=$(getent shadow anna.kiss | cut -d: -f2)
for n in $(seq 200); do pgrep -x spice-vdagent >/dev/null && break; sleep 0.1; done  # it comes after the panel
for program in icewm tint2 spice-vdagent; do echo "$program=$(ps -o uid= -C $program | tr -d ' ')"; done
runuser -u anna.kiss -- test -w /dev/snd/controlC0 && echo Sound=yes
"""


def watch_of(at: Lab, desktop_id: str) -> GuestWatch:
    watch = at.keepers._keepers[desktop_id]._watch
    assert watch is not None
    return watch


async def panel(at: Lab, spec: DesktopSpec) -> None:
    """Wait for the panel of the person that the spec names."""
    assert spec.person is not None
    digest = signing_on.token_sha256(spec.person.token)

    def up() -> bool:
        seen = at.seen(spec.desktop_id)
        assert seen is None or seen.failure is None, seen
        on = seen.sign_on if seen is not None else None
        return on is not None and on.token_sha256 == digest and on.panel

    await at.until(up, "the person's panel", timeout_s=PANEL_DEADLINE_S)


async def sessions(at: Lab, desktop_id: str) -> str:
    return (await at.shell(desktop_id, "loginctl --no-legend list-sessions")).strip()


async def test_a_person_is_signed_on_once_and_nobody_else(made: Lab) -> None:
    at = made
    await at.template(PROFILE)
    spare = at.spec(PROFILE, name="for anna")
    at.want(spare)
    await at.ready(spare.desktop_id)
    await at.shell(spare.desktop_id, NOBODY)
    waiting = await at.hypervisor.screenshot(spare.desktop_id)

    given = spare.model_copy(update={"person": ANNA})
    at.want(given)
    await panel(at, given)
    said = dict(line.split("=", 1) for line in (await at.shell(spare.desktop_id, WHO)).splitlines())
    uid = said.pop("User")
    assert int(uid) >= 1001
    assert said == {
        "Name": "anna.kiss", "Seat": "seat0", "State": "active", "Type": "x11", "Home": "anna.kiss:700",
        "Comment": "Kiss Anna Ms.", "Password": "!", "icewm": uid, "tint2": uid, "spice-vdagent": uid, "Sound": "yes",
    }  # fmt: skip
    assert (await at.hypervisor.screenshot(spare.desktop_id)).data != waiting.data

    service = watch_of(at, spare.desktop_id)._service
    with pytest.raises(HostError, match="used already"):
        await service.call("sign_on", signing_on.arguments(ANNA), timeout_s=10)
    with pytest.raises(HostError, match="somebody is signed on"):
        await service.call("sign_on", signing_on.arguments(BELA), timeout_s=10)

    one = await sessions(at, spare.desktop_id)
    at.keepers.want([])  # as after a restart of the server: nothing is known but what the guest says
    at.keepers.want([given])
    await panel(at, given)
    assert await sessions(at, spare.desktop_id) == one

    await at.shell(spare.desktop_id, "loginctl terminate-user anna.kiss")

    def left() -> bool:
        seen = at.seen(spare.desktop_id)
        return seen is not None and seen.sign_on is not None and seen.sign_on.state == "left"

    await at.until(left, "that she left", timeout_s=PANEL_DEADLINE_S)
    await at.until(lambda: watch_of(at, spare.desktop_id).waiting, "a screen that waits", timeout_s=PANEL_DEADLINE_S)
    assert await sessions(at, spare.desktop_id) == "", "one who left is not signed on again"
    at.want(spare.model_copy(update={"person": BELA}))
    await panel(at, spare.model_copy(update={"person": BELA}))
    assert (await sessions(at, spare.desktop_id)).split()[2] == "bela"
    await at.absent(spare.desktop_id)


async def test_a_person_given_at_the_start_is_signed_on_when_the_fork_is_there(made: Lab) -> None:
    at = made
    await at.template(PROFILE)
    spec = at.spec(PROFILE, name="for bela").model_copy(update={"person": BELA})
    at.want(spec)
    await panel(at, spec)
    assert (await sessions(at, spec.desktop_id)).split()[2] == "bela"
    assert BELA.token not in repr(spec), "a token is a secret"
    await at.absent(spec.desktop_id)
