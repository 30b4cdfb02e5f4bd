"""What a guest agent says is the guest's word: nonsense is an error of ours, never the server's end."""

from __future__ import annotations

import pytest

from frazil.model.errors import HostError
from frazil.server.hypervisor.libvirt_driver import _agents_answer, _guest_exit
from frazil.server.hypervisor.port import GuestExit


def test_an_answer_is_read() -> None:
    assert _agents_answer('{"return": {"pid": 7}}') == {"pid": 7}
    said = {"exited": True, "exitcode": 3, "out-data": "b3V0", "err-data": "ZXJy"}
    assert _guest_exit(said) == GuestExit(code=3, stdout=b"out", stderr=b"err")
    assert _guest_exit({"exited": True, "signal": 9}) == GuestExit(code=-1, stdout=b"", stderr=b"")


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", "null", "[" * 100_000])
def test_nonsense_is_no_answer(text: str) -> None:
    with pytest.raises(HostError, match="can't be read"):
        _agents_answer(text)


@pytest.mark.parametrize(
    "changes", [{"exitcode": "x"}, {"exitcode": None}, {"out-data": 5}, {"err-data": "a"}, {"out-data": "\u0151"}]
)
def test_nonsense_is_no_end_of_a_command(changes: dict[str, object]) -> None:
    with pytest.raises(HostError, match="can't be read"):
        _guest_exit({"exited": True, "exitcode": 0} | changes)
