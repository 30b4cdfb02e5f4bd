"""`frazil session …`."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli import output
from frazil.cli.connection import connect
from frazil.cli.options import Json, group
from frazil.wire.rest import Session

app = group("Sessions: who uses which desktop now.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The open sessions: yours, or everybody's as an administrator.

    \b
    Examples:
      frazil session list
      frazil session list --json
    """
    with connect() as client:
        sessions = client.sessions()
    rows = [
        (session.user_name, session.desktop.name, *_viewer(session), session.id)
        for session in sorted(sessions, key=lambda session: (session.user_name, session.id))
    ]
    output.answer(
        sessions,
        as_json=as_json,
        people=lambda: output.table(
            ("PERSON", "DESKTOP", "CONNECTED FROM", "SINCE", "LATENCY", "SENT", "ID"), rows, empty="No open sessions."
        ),
    )


@app.command()
def end(session: Annotated[str, typer.Argument(metavar="SESSION", help="Its id.")], as_json: Json = False) -> None:
    """End a session: its viewer is cut off. A floating desktop is erased with all files, a kept one is shut down.

    \b
    Examples:
      frazil session end 019330a0-0000-7000-8000-000000000001
    """
    with connect() as client:
        client.end_session(session)
    result: dict[str, object] = {"session": session, "ended": True}
    output.answer(result, as_json=as_json, people=lambda: output.say("The session is ended."))


def _viewer(session: Session) -> tuple[str, str, str, str]:
    """From where, since when, the latency and what was sent to the viewer."""
    if not session.connected:
        return "nobody", "–", "–", "–"
    line = session.line
    latency = f"{line.latency_ms:.0f} ms" if line is not None and line.latency_ms is not None else "–"
    sent = output.size(line.to_viewer_bytes) if line is not None else "–"
    return session.remote_address or "–", output.when(session.connected_at), latency, sent
