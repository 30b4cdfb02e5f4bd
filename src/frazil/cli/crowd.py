"""Many people at once, each of whom opens a desktop of a pool: Frazil gives one person one desktop of a pool."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from frazil.cli import connection, roster
from frazil.cli.commands.connect import TICKET_WAIT_S, ready
from frazil.client import Client
from frazil.model.errors import Conflict, FrazilError, InvalidInput
from frazil.wire.rest import TokenRequest, UserRequest

if TYPE_CHECKING:
    from frazil.viewer import Address

TOKEN_S = 86400


def read(path: Path, *, most: int | None) -> Sequence[UserRequest]:
    """Names and passwords of a file, as `frazil user import --passwords` writes one. Raises InvalidInput."""
    entries = roster.read(path)
    for entry in entries:
        if not entry.has_password:
            raise InvalidInput(
                f"{path} has no password for {entry.request.name}.",
                remedy="frazil user import … --passwords writes a file with all of them.",
                field="people",
            )
    if most is not None and most > len(entries):
        raise InvalidInput(f"{path} has {len(entries)} people, not {most}.", field="viewers")
    return [entry.request for entry in entries[:most]]


class Crowd:
    """Used from several threads, each for a person of its own. `leave` ends what was opened here, and nothing else."""

    def __init__(self, pool: str, *, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._url, self._ca = connection.public_place()
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._there: list[tuple[Client, str, str, frozenset[str]]] = []
        """Who has signed in, by which token, and which sessions they had before."""

    def open(self, person: UserRequest) -> Address:
        """Sign in as somebody, and have their desktop of the pool. Raises what `Client` raises."""
        from frazil.viewer import address

        client, token_id = self._signed_in(person)
        with self._lock:
            self._there.append((client, person.name, token_id, _own(client, person.name)))
        session = ready(client, self._pool, timeout_s=self._timeout_s, quiet=True, pause=self._pause)
        return address.of_viewer_file(client.viewer_file(session.id, wait_s=TICKET_WAIT_S))

    def stop(self) -> None:
        """Whoever still waits for a desktop gives up."""
        self._left.set()

    def leave(self) -> int:
        """End the sessions and tokens that were made here; how many people's could not be ended."""
        failed = 0
        for client, name, token_id, before in self._there:
            try:
                for session_id in _own(client, name) - before:
                    client.end_session(session_id)
                client.delete_token(token_id)
            except FrazilError:
                failed += 1
            client.close()
        return failed

    def _signed_in(self, person: UserRequest) -> tuple[Client, str]:
        """And the id of the token that it works by, which ends by itself where `leave` is never reached."""
        with Client.remote(self._url, ca=self._ca) as door:
            login = door.sign_in(person.name, person.password)
            token = door.make_token(
                TokenRequest(name="frazil spice load", expires_in_s=TOKEN_S), csrf_token=login.csrf_token
            )
            with suppress(FrazilError):  # it ends by itself
                door.sign_out(csrf_token=login.csrf_token)
        return Client.remote(self._url, token=SecretStr(token.token), ca=self._ca), token.id

    def _pause(self, seconds: float) -> None:
        if self._left.wait(seconds):
            raise Conflict("The load was ended before this desktop was ready.")


def _own(client: Client, name: str) -> frozenset[str]:
    """A person's open sessions. Some people see those of others too."""
    return frozenset(session.id for session in client.sessions() if session.user_name == name)
