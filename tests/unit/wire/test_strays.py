"""Strays on the host link: what a version before says is still understood, and what it does not know is left out."""

from __future__ import annotations

import json

from frazil.model.desktop import State
from frazil.wire.hostlink import EpochField, Observed, Stray, StrayDesktop, to_controller

OLD = (
    '{"type":"observed","generation":7,"complete":true,"desktops":[],"images":[],"templates":[],"strays":[{"kind":"disk",'
    '"name":"01900000-0000-7000-8000-00000000aaaa","desktop_id":"01900000-0000-7000-8000-00000000aaaa",'
    '"detail":"own-7"}],"load":{"memory_available_mib":1,"disk_free_mib":1,"load1":0.0,"headroom":null}}'
)
"""As a server of before sends it."""


def test_an_older_server_s_stray_is_read() -> None:
    message = to_controller.validate_json(OLD)
    assert isinstance(message, Observed)
    [stray] = message.strays
    assert (stray.kind, stray.detail, stray.desktop) == ("disk", "own-7", None)


def test_what_is_new_is_read_back_and_only_adds_to_what_was() -> None:
    desktop = StrayDesktop(
        name="own-7",
        image_id="i",
        epoch=EpochField(generation=2, counter=4),
        attempt=3,
        state=State.STOPPED,
        disk="own",
    )
    stray = Stray(kind="disk", name="x", desktop_id="x", detail="own-7", desktop=desktop)
    text = stray.model_dump_json()
    assert Stray.model_validate_json(text) == stray
    assert json.loads(text) | {"desktop": None} == json.loads(
        stray.model_copy(update={"desktop": None}).model_dump_json()
    )
