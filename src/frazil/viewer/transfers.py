"""Files on their way to a desktop's agent. No I/O: messages in, messages out."""

from __future__ import annotations

from dataclasses import dataclass

from frazil.model.errors import Conflict, FrazilError, HostError, OutOfSpace, Refused, RemoteProtocolError, Unavailable
from frazil.spice.agent_messages import (
    AGENT,
    AgentCap,
    AgentType,
    FileXferData,
    FileXferError,
    FileXferFreeSpace,
    FileXferResult,
    FileXferStart,
    FileXferStatus,
)
from frazil.spice.fields import Buffer
from frazil.spice.records import decode, encode
from frazil.viewer.agent import Agent

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_IO_ERRORS = {
    1: "a file is not there",
    2: "it is there already",
    9: "the name is too long",
    12: "its disk is full",
    13: "the name is none there",
    14: "it may not be written there",
    21: "its disk can only be read",
}
"""Of GLib's `GIOErrorEnum`, in words."""


@dataclass(slots=True, kw_only=True)
class Transfer:
    """One file. `result` is what the desktop said last of it, None as long as that is nothing."""

    id: int
    name: str
    size_bytes: int
    coming: int
    """Of the agent that it goes to."""
    result: int | None = None
    detail: Buffer = b""

    def failure(self) -> FrazilError:
        """Why the desktop ended it."""
        name = self.name
        match self.result:
            case FileXferResult.CANCELLED:
                return Refused(f"The desktop cancelled the transfer of {name}.")
            case FileXferResult.NOT_ENOUGH_SPACE:
                return OutOfSpace(f"The desktop has no room for {name}.{self._room()}", remedy="Make room there.")
            case FileXferResult.SESSION_LOCKED:
                return Conflict(f"The desktop is locked and takes no {name}.", remedy="Unlock it, and send it again.")
            case FileXferResult.VDAGENT_NOT_CONNECTED:
                return Conflict(f"Nobody is signed in on the desktop, who would get {name}.", remedy="Sign in there.")
            case FileXferResult.DISABLED:
                return refusal()
            case FileXferResult.ERROR:
                return HostError(f"The desktop could not store {name}{self._reason()}.")
            case _:
                return HostError(f"The desktop ended the transfer of {name}, and gave no reason that is known here.")

    def _room(self) -> str:
        try:
            free = decode(FileXferFreeSpace, self.detail).free_bytes
        except RemoteProtocolError:
            return ""
        return f" It has {self.size_bytes} bytes; {free} are free there."

    def _reason(self) -> str:
        try:
            found = decode(FileXferError, self.detail)
        except RemoteProtocolError:
            return ""
        return f": {_IO_ERRORS.get(found.error, f'error {found.error}')}" if found.kind == 0 else ""


class Transfers:
    """All files that are under way."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._running: dict[int, Transfer] = {}
        self._last = 0

    def start(self, name: str, size_bytes: int) -> Transfer:
        """Ask the desktop to take a file. Raises Conflict without an agent, Refused where none may be sent."""
        if self._agent.can(AgentCap.FILE_XFER_DISABLED):
            raise refusal()
        self._last += 1
        made = Transfer(id=self._last, name=name, size_bytes=size_bytes, coming=self._agent.comings)
        self._running[made.id] = made
        start = FileXferStart(id=made.id, info=_key_file(name, size_bytes))
        self._agent.say(AgentType.FILE_XFER_START, encode(start))
        return made

    def data(self, transfer: Transfer, piece: bytes) -> None:
        """The next piece of a file. An empty file is one empty piece."""
        self._agent.say(AgentType.FILE_XFER_DATA, encode(FileXferData(id=transfer.id, size=len(piece), data=piece)))

    def over(self, transfer: Transfer) -> bool:
        """Whether the desktop wants no more of it: it has it whole, or has ended it, or its agent went."""
        return self._lost(transfer) or transfer.result not in (None, FileXferResult.CAN_SEND_DATA)

    def check(self, transfer: Transfer, *, whole: bool) -> None:
        """Raises the reason why it can't go on. `whole`: all of it was sent, and may have been stored."""
        if self._lost(transfer):
            raise Unavailable(f"The desktop's agent went away before it had {transfer.name}.", remedy="Send it again.")
        if self.over(transfer) and not (whole and transfer.result == FileXferResult.SUCCESS):
            raise transfer.failure()

    def end(self, transfer: Transfer) -> None:
        """Forget it; the desktop is told to do so too, unless it ended it itself."""
        if not self.over(transfer):
            status = FileXferStatus(id=transfer.id, result=FileXferResult.CANCELLED, detail=b"")
            self._agent.say(AgentType.FILE_XFER_STATUS, encode(status))
        self._running.pop(transfer.id, None)

    def hear(self, kind: int, message: bytes) -> None:
        """What the agent says. Raises RemoteProtocolError."""
        if kind != AgentType.FILE_XFER_STATUS:
            return
        told = AGENT.decode(kind, message)
        assert isinstance(told, FileXferStatus)
        transfer = self._running.get(told.id)
        if transfer is not None and not self.over(transfer):
            transfer.result, transfer.detail = told.result, bytes(told.detail)

    def _lost(self, transfer: Transfer) -> bool:
        return not self._agent.ready or transfer.coming != self._agent.comings


def refusal() -> Refused:
    """Of a desktop that takes no files."""
    return Refused(
        "No files may be sent to this desktop.",
        remedy="Its pool's policy or its agent says so; an administrator can change the first: "
        "frazil pool change POOL --allow files",
    )


def _key_file(name: str, size_bytes: int) -> bytes:
    """As GLib writes it, with NUL."""
    escaped = name.translate(_ESCAPES)
    if escaped.startswith(" "):
        escaped = rf"\s{escaped[1:]}"
    return f"[vdagent-file-xfer]\nname={escaped}\nsize={size_bytes}\n\0".encode(errors="replace")
