"""The errors that Frazil's own code raises.

The tree::

    FrazilError                 anything that Frazil itself refuses or can't do
    ├── InvalidInput            the caller's request makes no sense; nothing was changed
    ├── NotFound                no such thing, or not yours to see
    ├── Conflict                the thing's state does not allow it now (names required and actual state)
    │   ├── NameTaken           another thing of that kind has the name
    │   ├── OverQuota           a quota has no room for it
    │   └── Stale               the thing was changed by someone else in the meantime
    ├── Refused                 not entitled, ticket not valid
    │   ├── NotSignedIn         nobody is signed in, or name and password do not fit
    │   └── Throttled           too many tries; carries when to try again
    ├── HostError               a host could not do its part
    │   ├── Unavailable         a part is not reachable now; trying again is right
    │   ├── OutOfSpace          a disk or memory bound was hit; carries what is missing
    │   └── GuestSilent         the guest did not answer within its deadline
    └── ProtocolError           a peer broke a protocol
        ├── LocalProtocolError  our own caller's fault
        └── RemoteProtocolError the peer's fault

Every error says what happened (`what`) and the way out (`remedy`); both are whole sentences for a person.
"""

from __future__ import annotations


class FrazilError(Exception):
    """The root. `what` is shown to people; `remedy` tells what to do next and may be empty."""

    code = "error"

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".rstrip()


class InvalidInput(FrazilError):
    """The request makes no sense. `field` names the part at fault, where one is."""

    code = "invalid-input"

    def __init__(self, what: str, *, remedy: str = "", field: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.field = field


class NotFound(FrazilError):
    """No such thing, or the caller may not know of it."""

    code = "not-found"


class Conflict(FrazilError):
    """The thing's state does not allow the call now."""

    code = "conflict"


class NameTaken(Conflict):
    """Another thing of that kind has the name already."""

    code = "name-taken"


class OverQuota(Conflict):
    """A quota has no room for what was asked for. `told` is `what` for others to read, as in the history."""

    code = "over-quota"

    def __init__(self, what: str, *, told: str = "", remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.told = told or what


class Stale(Conflict):
    """The thing was changed since the caller looked at it (`If-Match`)."""

    code = "stale"


class Refused(FrazilError):
    """The caller is not who may do this."""

    code = "refused"


class NotSignedIn(Refused):
    """Nobody is signed in, or the name and the password do not fit."""

    code = "not-signed-in"


class Throttled(Refused):
    """Too many tries. `retry_after_s` is when the next one is looked at."""

    code = "throttled"

    def __init__(self, what: str, *, retry_after_s: float, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after_s = retry_after_s


class HostError(FrazilError):
    """A host could not do its part."""

    code = "host-error"


class Unavailable(HostError):
    """A part can't be reached now; the same call may work later."""

    code = "unavailable"


class OutOfSpace(HostError):
    """Not enough disk or memory. Nothing half made was left behind."""

    code = "out-of-space"


class GuestSilent(HostError):
    """The guest did not answer within its deadline."""

    code = "guest-silent"


class ProtocolError(FrazilError):
    """A protocol was broken."""

    code = "protocol-error"


class LocalProtocolError(ProtocolError):
    """Our own caller asked for what the protocol does not allow now."""

    code = "local-protocol-error"


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow."""

    code = "remote-protocol-error"
