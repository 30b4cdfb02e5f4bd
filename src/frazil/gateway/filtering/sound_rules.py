"""Sound and microphone: while they are forbidden no samples pass, and the client is told that nothing plays or records.

What the server began is remembered, so that it can go on at once when it is allowed again.
"""

from __future__ import annotations

from frazil.gateway.filtering.lane import Verdict
from frazil.gateway.filtering.wires import PassingRules, Wires
from frazil.model.policy import Policy
from frazil.spice.channels import ChannelType
from frazil.spice.framing import Message
from frazil.spice.sound_channels import PlaybackServer, RecordServer


class SoundRules(PassingRules):
    """A playback or record link."""

    def __init__(self, channel: ChannelType, policy: Policy, wires: Wires) -> None:
        self._records = channel is ChannelType.RECORD
        self._start = int(RecordServer.START if self._records else PlaybackServer.START)
        self._stop = int(RecordServer.STOP if self._records else PlaybackServer.STOP)
        self._wires = wires
        self._allowed = self._allows(policy)
        self._started: bytes | None = None
        """The body of the server's `START`, while it is started."""

    def _allows(self, policy: Policy) -> bool:
        return policy.microphone if self._records else policy.sound

    def server_verdict(self, number: int, size: int) -> Verdict:
        if number in (self._start, self._stop):
            return Verdict.INSPECT
        if number == PlaybackServer.DATA and not self._records and not self._allowed:
            return Verdict.DROP
        return Verdict.PASS

    def client_verdict(self, number: int, size: int) -> Verdict:
        # All that a client says on these channels of its own is what it records.
        return Verdict.DROP if number > 100 and not self._allowed else Verdict.PASS

    def inspect_server(self, message: Message) -> bool:
        self._started = bytes(message.body) if message.type == self._start else None
        return self._allowed

    def change(self, policy: Policy) -> None:
        allowed = self._allows(policy)
        if allowed != self._allowed and self._started is not None:
            if allowed:
                self._wires.to_client(self._start, self._started)
            else:
                self._wires.to_client(self._stop)
        self._allowed = allowed
