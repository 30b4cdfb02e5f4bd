"""Both directions of a link as those who enforce a policy see them."""

from __future__ import annotations

from typing import Protocol

from frazil.gateway.filtering.lane import Verdict
from frazil.model.policy import Policy
from frazil.spice.fields import Buffer
from frazil.spice.framing import Message


class Wires(Protocol):
    """Messages of our own; the ACK window is kept right for them."""

    def to_client(self, number: int, body: Buffer = b"") -> None: ...

    def to_server(self, number: int, body: Buffer = b"") -> None: ...


class Rules(Protocol):
    """What is enforced on one kind of channel. Verdicts have no effect; see `lane.Looks`."""

    def server_verdict(self, number: int, size: int) -> Verdict: ...

    def client_verdict(self, number: int, size: int) -> Verdict: ...

    def inspect_server(self, message: Message) -> bool: ...

    def inspect_client(self, message: Message) -> bool: ...

    def stream_server(self, piece: memoryview) -> None: ...

    def stream_client(self, piece: memoryview) -> None: ...

    def change(self, policy: Policy) -> None:
        """Another policy holds, for what is under way too."""
        ...


class PassingRules:
    """Everything passes; the base of those that look at something."""

    def server_verdict(self, number: int, size: int) -> Verdict:
        return Verdict.PASS

    def client_verdict(self, number: int, size: int) -> Verdict:
        return Verdict.PASS

    def inspect_server(self, message: Message) -> bool:
        return True

    def inspect_client(self, message: Message) -> bool:
        return True

    def stream_server(self, piece: memoryview) -> None: ...

    def stream_client(self, piece: memoryview) -> None: ...

    def change(self, policy: Policy) -> None: ...
