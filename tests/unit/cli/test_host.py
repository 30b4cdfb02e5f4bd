"""What `frazil host` tells people of hosts that are gone, and of what they left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from frazil.cli.commands import host as command
from frazil.wire.rest import ForgottenHost, Host, QuarantinedThing

HOST = Host(
    id="h1", name="host-a", state="silent", last_seen_at=None, version="1", capabilities=None, load=None, desktops=2,
    revision=7,
)  # fmt: skip


class Told:
    """Answers as the controller would, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Host, bool]] = []
        self.quarantined: list[QuarantinedThing] = []

    def host(self, ref: str) -> Host:
        assert ref == "host-a"
        return HOST

    def hosts(self) -> list[Host]:
        return [HOST]

    def strays(self) -> list[QuarantinedThing]:
        return self.quarantined

    def forget_host(self, host: Host, *, with_desktops: bool) -> ForgottenHost:
        self.asked.append((host, with_desktops))
        given_up = ["dev-1", "dev-2"] if with_desktops else []
        return ForgottenHost(id="h1", name="host-a", replaced=3, given_up=given_up, sessions_ended=int(with_desktops))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()

    @contextmanager
    def connect() -> Iterator[Any]:
        yield made

    monkeypatch.setattr(command, "connect", connect)
    return made


def _run(*words: str) -> str:
    done = CliRunner().invoke(command.app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_became_of_its_desktops_is_told(told: Told) -> None:
    said = _run("forget", "host-a")
    assert said.splitlines() == [
        "host-a is forgotten.",
        "Desktops that were there and are made anew where they are needed: 3.",
    ]
    said = _run("forget", "host-a", "--with-desktops")
    assert "Sessions that ended: 1." in said
    assert "Given up: dev-1, dev-2." in said
    assert told.asked == [(HOST, False), (HOST, True)], "as it was looked at"


def test_strays_are_listed_with_their_host_and_how_persons_own_are_taken_back(told: Told) -> None:
    assert "adopt" not in _run("list")
    thing = QuarantinedThing(host_id="h1", kind="domain", name="frazil-x", desktop_id="x", detail="desk-1, running")
    told.quarantined.append(thing)
    assert "adopt" not in _run("list")
    told.quarantined.append(thing.model_copy(update={"kind": "disk", "name": "y", "image_id": "i1"}))
    said = _run("list")
    assert "frazil desktop adopt y --pool POOL" in said
    assert "host-a" in said.split("Quarantined")[1]
