"""The client against a real HTTP server on a UNIX socket, which answers what a test puts into it."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from frazil.client import Client, DeadlinePassed
from frazil.client.problems import by_code
from frazil.model.desktop import Phase
from frazil.model.errors import (
    Conflict,
    FrazilError,
    HostError,
    InvalidInput,
    NameTaken,
    NotFound,
    NotSignedIn,
    RemoteProtocolError,
    Throttled,
    Unavailable,
)
from frazil.runtime import SystemClock
from frazil.wire.rest import HostChange, ImageRequest, PoolChange, SessionRequest, UserRequest

NOW = datetime(2030, 1, 1, tzinfo=UTC).isoformat()
USER = {"id": "u1", "name": "anna", "display_name": "Anna", "role": "user", "created_at": NOW}
EVENT = {
    "id": "e1",
    "at": NOW,
    "kind": "login",
    "text": "anna signed in.",
    "user_id": "u1",
    "user_name": "anna",
    "desktop_id": None,
    "remote_address": "192.0.2.7",
    "outcome": "done",
}
OPERATION = {
    "id": "o1",
    "kind": "image",
    "state": "running",
    "target_id": "i1",
    "step": "Copying",
    "fraction": 0.5,
    "eta_s": 3.0,
    "failure": None,
    "created_at": NOW,
    "ended_at": None,
}


@dataclass
class Answers:
    """What is answered, in order, and what was asked."""

    waiting: list[tuple[int, object, dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(self, body: object, *, status: int = 200, **headers: str) -> None:
        self.waiting.append((status, body, headers))


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers: Answers


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        length = int(self.headers.get("content-length") or 0)
        server.answers.asked.append((self.command, self.path, self.rfile.read(length)))
        server.answers.headers.append(dict(self.headers.items()))
        status, body, headers = server.answers.waiting.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def client(tmp_path: Path, answers: Answers) -> Iterator[Client]:
    path = tmp_path / "http.sock"
    with _Server(str(path), _Handler) as server:
        server.answers = answers
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with Client.local(path) as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


def _problem(code: str, *, status: int, detail: str = "What.", **more: object) -> dict[str, object]:
    type_ = f"urn:frazil:problem:{code}"
    return {"type": type_, "title": "T", "status": status, "detail": detail, "reference": "ref-1", **more}


def test_a_list_is_read_page_after_page(client: Client, answers: Answers) -> None:
    answers.add({"items": [USER], "next_cursor": "c/1"})
    answers.add({"items": [{**USER, "name": "bela"}], "next_cursor": None})
    assert [user.name for user in client.users()] == ["anna", "bela"]
    assert answers.asked[0][1].startswith("/api/v1/users?limit=500")
    assert "cursor=c%2F1" in answers.asked[1][1]


def test_events_are_asked_for_page_by_page_and_only_as_they_are_read(client: Client, answers: Answers) -> None:
    answers.add({"items": [EVENT, EVENT], "next_cursor": "c1"})
    answers.add({"items": [EVENT], "next_cursor": None})
    since = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    found = client.events(user="an na", kind="session.", outcome="done", since=since, text="100%", page_size=2)
    assert answers.asked == []
    assert next(found).user_name == next(found).user_name == "anna"
    assert len(answers.asked) == 1
    assert len(list(found)) == 1
    queries = [parse_qs(urlsplit(path).query) for _, path, _ in answers.asked]
    asked = {"user": "an na", "kind": "session.", "outcome": "done", "since": since.isoformat(), "text": "100%"}
    assert queries[0] == {name: [value] for name, value in asked.items()} | {"limit": ["2"]}
    assert queries[1] == queries[0] | {"cursor": ["c1"]}


def test_a_moment_without_its_zone_is_not_asked_for(client: Client, answers: Answers) -> None:
    with pytest.raises(InvalidInput) as raised:
        client.events(until=datetime(2030, 1, 1))  # noqa: DTZ001
    assert raised.value.field == "until"
    assert answers.asked == []


def test_names_are_quoted_and_cannot_leave_their_place(client: Client, answers: Answers) -> None:
    answers.add(_problem("not-found", status=404), status=404)
    with pytest.raises(NotFound):
        client.pool("a/../b?x")
    assert answers.asked[0][1] == "/api/v1/pools/a%2F..%2Fb%3Fx"
    for name in ("", ".", ".."):
        with pytest.raises(InvalidInput):
            client.pool(name)


def test_a_password_is_in_the_body_and_nowhere_else(client: Client, answers: Answers) -> None:
    answers.add(USER, status=201)
    request = UserRequest(name="anna", password=SecretStr("a good password"))
    client.add_user(request)
    assert json.loads(answers.asked[0][2]) == {"name": "anna", "password": "a good password", "role": "user"}
    assert "good" not in repr(request)


@pytest.mark.parametrize("code", sorted(by_code()))
def test_every_error_comes_back_as_itself(client: Client, answers: Answers, code: str) -> None:
    answers.add(_problem(code, status=418, remedy="Do.", field="name"), status=418, Retry_After="7")
    with pytest.raises(FrazilError) as caught:
        client.me()
    assert type(caught.value) is by_code()[code]
    assert caught.value.what == "What."
    assert caught.value.remedy == "Do."
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after_s == 7
    if isinstance(caught.value, InvalidInput):
        assert caught.value.field == "name"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, InvalidInput), (401, NotSignedIn), (404, NotFound), (409, Conflict), (503, Unavailable)]
)
def test_an_unknown_code_is_told_by_its_status(
    client: Client, answers: Answers, status: int, kind: type[FrazilError]
) -> None:
    answers.add(_problem("of-a-later-version", status=status), status=status)
    with pytest.raises(kind):
        client.me()


def test_what_is_no_problem_document(client: Client, answers: Answers) -> None:
    answers.add(b"<h1>Bad\n gateway</h1>", status=502)
    with pytest.raises(Unavailable, match="502 Bad Gateway: <h1>Bad gateway</h1>"):
        client.me()


def test_our_own_fault_names_its_reference(client: Client, answers: Answers) -> None:
    answers.add(_problem("error", status=500), status=500)
    with pytest.raises(FrazilError, match="ref-1"):
        client.me()


def test_an_answer_of_something_else(client: Client, answers: Answers) -> None:
    answers.add({"hello": "world"})
    with pytest.raises(RemoteProtocolError):
        client.me()


def test_an_operation_is_waited_for(client: Client, answers: Answers) -> None:
    answers.add(OPERATION, status=202)
    answers.add({**OPERATION, "fraction": 0.9})
    answers.add({**OPERATION, "state": "done"})
    told: list[float | None] = []
    operation = client.make_image(ImageRequest(name="x", recipe="x"))
    done = client.wait_for_operation(
        operation,
        clock=SystemClock(),
        pause=lambda seconds: None,
        timeout_s=10,
        tell=lambda now: told.append(now.fraction),
    )
    assert done.state == "done"
    assert told == [0.5, 0.9]


def test_a_failed_operation_is_its_reason(client: Client, answers: Answers) -> None:
    answers.add(OPERATION, status=202)
    answers.add({**OPERATION, "state": "failed", "failure": {"code": "x", "text": "No mirror.", "remedy": "Wait."}})
    operation = client.make_image(ImageRequest(name="x", recipe="x"))
    with pytest.raises(HostError, match=r"No mirror\. Wait\."):
        client.wait_for_operation(operation, clock=SystemClock(), pause=lambda seconds: None, timeout_s=10)


def test_waiting_ends_at_its_deadline(client: Client, answers: Answers) -> None:
    answers.add(OPERATION, status=202)
    operation = client.make_image(ImageRequest(name="x", recipe="x"))
    with pytest.raises(DeadlinePassed, match="Copying"):
        client.wait_for_operation(operation, clock=SystemClock(), pause=lambda seconds: None, timeout_s=0)


def _desktop(phase: str, **more: object) -> dict[str, object]:
    plain = dict.fromkeys(("host_id", "host_name", "failure", "user_id", "user_name", "started_at"))
    named = {"id": "d1", "name": "office-1", "pool_id": "p", "pool_name": "office", "phase": phase, "phase_text": phase}
    return {**plain, **named, "power": "running", "step": "", "connected": False, "created_at": NOW, **more}


def test_a_desktop_is_waited_for_until_ready_or_gone(client: Client, answers: Answers) -> None:
    for phase in ("starting", "ready"):
        answers.add(_desktop(phase))
    clock = SystemClock()
    ready = client.wait_for_desktop(
        "d1", frozenset({Phase.READY}), clock=clock, pause=lambda seconds: None, timeout_s=10
    )
    assert ready is not None
    assert ready.phase is Phase.READY
    answers.add(_problem("not-found", status=404), status=404)
    gone = client.wait_for_desktop("d1", frozenset({Phase.GONE}), clock=clock, pause=lambda seconds: None, timeout_s=10)
    assert gone is None


def test_a_desktop_that_fails_is_its_reason(client: Client, answers: Answers) -> None:
    answers.add(_desktop("failed", failure={"code": "guest-silent", "text": "It never answered.", "remedy": "Retry."}))
    with pytest.raises(HostError, match="never answered"):
        client.wait_for_desktop(
            "d1", frozenset({Phase.READY}), clock=SystemClock(), pause=lambda seconds: None, timeout_s=10
        )


SESSION = {
    "id": "s1",
    "pool_id": "p1",
    "pool_name": "office",
    "desktop": {
        "id": "d1", "name": "office-1", "pool_id": "p1", "pool_name": "office", "host_id": None, "host_name": None,
        "phase": "waiting", "phase_text": "waiting", "power": "running", "step": "", "failure": None,
        "user_id": "u1", "user_name": "anna", "connected": False, "created_at": NOW, "started_at": None,
    },
    "user_id": "u1",
    "user_name": "anna",
    "connected": False,
    "created_at": NOW,
    "expected_ready_s": None,
}  # fmt: skip


def test_a_session_is_opened_looked_at_and_ended(client: Client, answers: Answers) -> None:
    answers.add({"session": SESSION, "view_url": "/sessions/s1", "ticket": None}, status=201)
    answers.add({"items": [SESSION], "next_cursor": None})
    answers.add(SESSION)
    answers.add({"ticket": "t", "expires_at": NOW, "spice_path": "/spice/s1"}, status=201)
    answers.add(None, status=204)
    opened = client.open_session(SessionRequest(pool="office"))
    assert opened.ticket is None
    assert client.sessions() == [opened.session] == [client.session("s1")]
    assert client.ticket("s1").spice_path == "/spice/s1"
    client.end_session("s1")
    asked = [(method, path.partition("?")[0].removeprefix("/api/v1")) for method, path, _ in answers.asked]
    assert asked == [
        ("POST", "/sessions"),
        ("GET", "/sessions"),
        ("GET", "/sessions/s1"),
        ("POST", "/sessions/s1/tickets"),
        ("DELETE", "/sessions/s1"),
    ]


def test_a_pool_is_changed_only_as_it_was_seen(client: Client, answers: Answers) -> None:
    counts = {"total": 0, "ready": 0, "assigned": 0, "starting": 0, "failed": 0}
    told = {
        "id": "p1", "name": "office", "label": "Office", "image_id": "i1", "image_name": "debian", "profile": {},
        "spares": 1, "max_desktops": 2, "start_deadline_s": 60, "start": "cold", "version": 7, "deleting": False,
        "pause_after_s": 300, "share_memory": True, "counts": counts,
        "typical_start_s": None, "created_at": NOW,
    }  # fmt: skip
    answers.add(told)
    answers.add({**told, "spares": 2, "version": 8})
    assert client.change_pool(client.pool("office"), PoolChange(spares=2)).version == 8
    assert answers.asked[-1] == ("PATCH", "/api/v1/pools/p1", b'{"spares": 2}')
    assert answers.headers[-1]["If-Match"] == '"7"'


def test_a_host_is_forgotten_only_as_it_was_seen(client: Client, answers: Answers) -> None:
    answers.add({
        "id": "h1", "name": "host-a", "state": "silent", "last_seen_at": NOW, "version": "0.1.0", "capabilities": None,
        "load": None, "desktops": 3, "holding": 4026531841,
    })  # fmt: skip
    told = {"id": "h1", "name": "host-a", "replaced": 2, "given_up": ["dev-1"], "sessions_ended": 1}
    answers.add(told)
    assert client.forget_host(client.host("host-a"), with_desktops=True).given_up == ["dev-1"]
    assert answers.asked[-1][:2] == ("DELETE", "/api/v1/hosts/h1?with_desktops=true")
    assert answers.headers[-1]["If-Match"] == '"4026531841"'


def test_a_host_is_labelled_only_as_it_was_seen(client: Client, answers: Answers) -> None:
    told: dict[str, object] = {
        "id": "h1", "name": "host-a", "state": "up", "last_seen_at": NOW, "version": "1", "capabilities": None,
        "load": None, "desktops": 0, "labels": {}, "revision": 4,
    }  # fmt: skip
    answers.add(told)
    answers.add({**told, "labels": {"room": "3"}, "revision": 5})
    changed = client.change_host(client.host("host-a"), HostChange(labels={"room": "3"}))
    assert (changed.labels, changed.revision) == ({"room": "3"}, 5)
    assert answers.asked[-1] == ("PATCH", "/api/v1/hosts/h1", b'{"labels": {"room": "3"}}')
    assert answers.headers[-1]["If-Match"] == '"4"'


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="frazil up"):
        Client.local(tmp_path / "none.sock")


def test_only_https_from_afar(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="https"):
        Client.remote("http://example.org")
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    with pytest.raises(InvalidInput, match=r"ca\.pem"):
        Client.remote("https://127.0.0.1:1", ca=bad)


def test_a_taken_name(client: Client, answers: Answers) -> None:
    answers.add(_problem("name-taken", status=409, detail="There is an image called x."), status=409)
    with pytest.raises(NameTaken, match="image called x"):
        client.make_image(ImageRequest(name="x", recipe="x"))
