"""Files that the client sends to the desktop: what is under way, and what those hear that may not be."""

from __future__ import annotations

from frazil.spice.agent_messages import AgentCap, FileXferResult, FileXferStatus
from frazil.spice.capabilities import has

RUNNING_MAX = 256
"""Transfers at once. The guest's agent takes 128 (spice-vdagent `MAX_ACTIVE_TRANSFERS`)."""


class FileTransfers:
    """Transfers by their id, which the client chooses."""

    def __init__(self, *, allowed: bool) -> None:
        self.allowed = allowed
        self._running: set[int] = set()

    def start(self, transfer: int) -> bool:
        """Whether a transfer may begin."""
        if not self.allowed or len(self._running) >= RUNNING_MAX:
            return False
        self._running.add(transfer)
        return True

    def goes_on(self, transfer: int) -> bool:
        """Whether data of a transfer may pass."""
        return transfer in self._running

    def client_status(self, transfer: int) -> bool:
        """The client says how it is, which ends it. Whether the guest is to hear."""
        known = transfer in self._running
        self._running.discard(transfer)
        return known

    def guest_status(self, transfer: int, result: int) -> bool:
        """The guest says how it is. Whether the client is to hear."""
        known = transfer in self._running
        if result != FileXferResult.CAN_SEND_DATA:
            self._running.discard(transfer)
        return known

    def forget(self) -> tuple[int, ...]:
        """All that are under way end now."""
        ended = tuple(self._running)
        self._running.clear()
        return ended


def refusal(transfer: int, client_caps: tuple[int, ...]) -> FileXferStatus:
    """What the client hears of a transfer that may not be. One that does not know the reasons hears of an error."""
    knows = has(client_caps, AgentCap.FILE_XFER_DETAILED_ERRORS)
    result = FileXferResult.DISABLED if knows else FileXferResult.ERROR
    return FileXferStatus(id=transfer, result=result, detail=b"")


def cancellation(transfer: int) -> FileXferStatus:
    """What the guest hears of a transfer that has to end."""
    return FileXferStatus(id=transfer, result=FileXferResult.CANCELLED, detail=b"")
