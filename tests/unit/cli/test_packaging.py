"""What the service manager's files say is what `frazil up` does."""

from __future__ import annotations

from pathlib import Path

from frazil.cli.supervisor.accounts import CONTROLLER, GATEWAY, Account, Accounts
from frazil.cli.supervisor.places import places
from frazil.settings import Settings

PACKAGING = Path(__file__).parents[3] / "packaging"


def test_the_directories_are_those_of_frazil_up() -> None:
    accounts = Accounts(Account(CONTROLLER, 101, 101), Account(GATEWAY, 102, 102))
    names = {0: "root", 101: CONTROLLER, 102: GATEWAY}
    wanted = {
        (str(place.path), f"{place.mode:04o}", names[place.uid], names[place.gid])
        for place in places(Settings(), accounts)
    }
    said = set()
    for line in (PACKAGING / "tmpfiles.d" / "frazil.conf").read_text().splitlines():
        if line.startswith("d "):
            _, path, mode, user, group = line.split()
            said.add((path, mode, user, group))
    assert said == wanted


def test_the_users_are_those_of_frazil_up() -> None:
    text = (PACKAGING / "sysusers.d" / "frazil.conf").read_text()
    assert {line.split()[1] for line in text.splitlines() if line.startswith("u ")} == {CONTROLLER, GATEWAY}


def test_what_prepares_the_directories_may_give_them_their_modes() -> None:
    text = (PACKAGING / "systemd" / "frazil-prepare.service").read_text()
    (rights,) = [line for line in text.splitlines() if line.startswith("CapabilityBoundingSet=")]
    assert {"CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID"} <= set(rights.partition("=")[2].split())


def test_every_unit_starts_a_command_that_there_is() -> None:
    for name in ("controller", "server", "gateway", "prepare"):
        text = (PACKAGING / "systemd" / f"frazil-{name}.service").read_text()
        assert f"ExecStart=/opt/frazil/bin/frazil {name}\n" in text
