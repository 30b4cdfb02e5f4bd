"""Files with which a native viewer opens a session, once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from frazil.controller import viewer_file
from frazil.controller.identity import Identity
from frazil.controller.services.sessions import Sessions
from frazil.controller.services.tickets import Tickets
from frazil.controller.viewer_file import ViewerFile
from frazil.model.errors import Unavailable
from frazil.wire.viewer_trust import ViewerTrust


@dataclass(frozen=True, slots=True)
class MadeFile:
    """`name` is of letters, digits, dots and dashes; the text holds a ticket."""

    name: str
    text: str = field(repr=False)


class ViewerFiles:
    """`trust_file` is `settings.viewer_trust_file`; None where nothing is served."""

    def __init__(self, sessions: Sessions, tickets: Tickets, *, trust_file: Path | None) -> None:
        self._sessions = sessions
        self._tickets = tickets
        self._trust_file = trust_file

    async def make(self, identity: Identity, session_id: str, *, authority: str, wait_s: float = 0.0) -> MadeFile:
        """For the session's owner only, with a fresh ticket in it; waits and raises as `Tickets.mint` does.

        authority: host and port by which the person reached the portal: there the viewer will find it too.
        """
        identity.require_account()
        portal = viewer_file.portal_at(authority)
        trust = await asyncio.to_thread(self._trust)
        subject = viewer_file.trusted_subject(trust)
        ticket = await self._tickets.mint(identity, session_id, wait_s=wait_s)
        session = await self._sessions.show(identity, session_id)
        text = viewer_file.render(
            ViewerFile(
                portal=portal,
                session_id=session.id,
                ticket=ticket.ticket,
                title=session.pool_name,
                host_subject=subject,
                ca_pem=trust.ca_pem,
                policy=session.policy.value(),
            )
        )
        return MadeFile(f"{_plain(session.desktop.name)}.vv", text)

    def _trust(self) -> ViewerTrust:
        why = "no gateway was started"
        if self._trust_file is not None:
            try:
                return ViewerTrust.model_validate_json(self._trust_file.read_bytes())
            except OSError as exc:
                why = f"{self._trust_file}: {exc.strerror}"
            except ValidationError:
                why = f"{self._trust_file} can't be read"
        raise Unavailable(
            f"The certificate of the portal is not known ({why}).",
            remedy="Open the desktop in the browser, or try again when the gateway was started anew.",
        )


def _plain(name: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in ".-_") else "-" for char in name) or "desktop"
