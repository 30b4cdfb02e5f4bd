"""`frazil backup` and `frazil restore` with the real processes, on the hypervisor of files.

What runs on a host outlives the restoring of a database that knows nothing of it, and nobody is given what was
another's.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from frazil.cli.archive import DATABASE
from frazil.cli.exits import Exit
from frazil.client import Client
from frazil.model.desktop import Phase
from frazil.model.errors import FrazilError, NotSignedIn
from frazil.wire.rest import SessionRequest, TokenRequest
from tests.fakes.hypervisor import STARTS
from tests.harness.postgresql import PostgreSQL
from tests.harness.stack import PASSWORD, Stack
from tests.harness.waiting import until

pytestmark = [pytest.mark.timeout(240), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]


def _say(stack: Stack, *words: str, code: int = 0) -> str:
    done = stack.frazil(*words)
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def _sign_in(stack: Stack, name: str) -> Client:
    with Client.remote(stack.url, ca=stack.ca) as client:
        login = client.sign_in(name, SecretStr(PASSWORD))
        made = client.make_token(TokenRequest(name="again"), csrf_token=login.csrf_token)
    return Client.remote(stack.url, token=SecretStr(made.token), ca=stack.ca)


def _domains(stack: Stack) -> set[str]:
    return {file.stem for file in stack.hypervisor_dir.glob("*.json")}


def _starts(stack: Stack) -> Counter[str]:
    return Counter((stack.hypervisor_dir / STARTS).read_text().split())


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Two pools, of floating and of persistent desktops, and people who may use both."""
    with Stack(fake=True) as made:
        made.start()
        image = made.empty_image().name
        made.pool("desk", image=image, spares=2)
        made.pool("own", image=image, spares=0, kind="persistent", at_sign_out="reset")
        made.desktops("desk", count=2)
        for name in ("ann", "bob", "carl", "dora"):
            made.user(name)
            for pool in ("desk", "own"):
                made.root.grant(pool, name)
        yield made


def _opens(client: Client, pool: str, stack: Stack) -> tuple[str, str]:
    """(session, desktop), once the desktop is ready."""
    session = client.open_session(SessionRequest(pool=pool)).session
    stack.phase(session.desktop.id, Phase.READY)
    return session.id, session.desktop.id


def test_a_restored_backup_leads_again_and_ends_nothing(stack: Stack, place: Path) -> None:
    ann, bob, carl, dora = (person.client for person in stack.people)
    ann_session, anns = _opens(ann, "desk", stack)
    carl_session, carls = _opens(carl, "own", stack)
    stack.desktops("desk", count=3)

    file = place / "monday.zip"
    told = json.loads(_say(stack, "backup", str(file), "--json"))
    assert told["file"] == str(file)
    assert told["rows"] > 10
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in _say(stack, "backup", str(file), code=Exit.FAILED)

    # What the backup knows nothing of: a spare became bob's, another one was made, carl's was started anew, and dora
    # got one.
    bob_session, bobs = _opens(bob, "desk", stack)
    carl.end_session(carl_session)
    until(lambda: _starts(stack)[f"desktop:{carls}"] == 2, "carl's is started anew")
    stack.phase(carls, Phase.READY)
    _, doras = _opens(dora, "own", stack)
    new = {one.id for one in stack.desktops("desk", count=4)}
    assert {anns, bobs} < new

    stopping = "Stop it: sudo frazil down --keep-desktops"
    assert "frazil down" in _say(stack, "restore", str(file), code=Exit.FAILED)
    assert "its desktops go on" in _say(stack, "down", "--keep-desktops")
    stack.stop()
    there, started = _domains(stack), _starts(stack)
    assert {anns, bobs, carls, doras} < there
    assert json.loads(_say(stack, "restore", str(file), "--json"))["generation"] == 2
    said = _say(stack, "restore", str(file))
    assert "2 desktops that nobody had then are forgotten" in said
    assert stopping not in said

    stack.start()
    stack.up_again()
    with pytest.raises(NotSignedIn):
        ann.me()
    with ExitStack() as clients:
        ann, bob, carl = (clients.enter_context(_sign_in(stack, name)) for name in ("ann", "bob", "carl"))
        stack.phase(carls, Phase.READY)
        assert carl.open_session(SessionRequest(pool="own")).session.desktop.id == carls
        assert ann.session(ann_session).desktop.id == anns
        assert ann.ticket(ann_session).ticket
        assert bob.sessions() == []
        _, others = _opens(bob, "desk", stack)
        assert others not in there, "what may be somebody's is given to nobody"
        stack.desktops("desk", count=4)
    strays = {stray.desktop_id for stray in stack.root.strays() if stray.kind == "domain"}
    assert strays == there - {anns, carls}
    assert there <= _domains(stack)
    assert all(_starts(stack)[f"desktop:{id}"] == started[f"desktop:{id}"] for id in there), "none was started anew"
    kinds = [event.kind for event in stack.root.events()]
    assert "database.restored" in kinds
    assert "desktop.adopted" in kinds

    # And back: what was saved before the restoring is restored in its turn.
    undo, _ = sorted((stack.settings.state_dir / "backups").iterdir())
    assert stat.S_IMODE(undo.stat().st_mode) == 0o600
    stack.stop()
    told = json.loads(_say(stack, "restore", str(undo), "--json"))
    assert told["generation"] == 4, "newer than all that was in between, which this one does not know"
    stack.start()
    stack.up_again()
    with _sign_in(stack, "bob") as bob:
        stack.phase(bobs, Phase.READY)
        assert bob.session(bob_session).desktop.id == bobs
        assert bob.ticket(bob_session).ticket
    assert there <= _domains(stack)
    assert all(_starts(stack)[f"desktop:{id}"] == started[f"desktop:{id}"] for id in there)


def test_a_machine_that_was_lost_gets_its_installation_back(place: Path, postgresql: PostgreSQL) -> None:
    """And another kind of database with it."""
    file = place / "b.zip"
    with Stack(fake=True, database_url=postgresql.database()) as stack:
        stack.start()
        stack.empty_image()
        stack.user("ann")
        _say(stack, "backup", str(file))
        lost = stack.installation_id, stack.ca.read_bytes()
    with Stack(fake=True) as stack:
        _say(stack, "restore", str(file))
        stack.start()
        stack.up_again()
        assert (stack.installation_id, stack.ca.read_bytes()) == lost
        assert stat.S_IMODE((stack.settings.tls_dir / "ca.key").stat().st_mode) == 0o600
        with _sign_in(stack, "ann") as ann:
            assert ann.me().name == "ann"


def test_bad_files_and_deaths_change_nothing(place: Path) -> None:
    with Stack(fake=True) as stack:
        assert "never ran here" in _say(stack, "backup", str(place / "none.zip"), code=Exit.FAILED)
        stack.start()
        stack.user("ann")
        file = place / "b.zip"
        _say(stack, "backup", str(file))
        assert "can't be written" in _say(stack, "backup", str(place / "no" / "b.zip"), code=Exit.FAILED)
        stack.stop()
        another, newer = place / "another.zip", place / "newer.zip"
        with zipfile.ZipFile(file) as ours, zipfile.ZipFile(another, "w") as theirs, zipfile.ZipFile(newer, "w") as new:
            for name in ours.namelist():
                theirs.writestr(name, ours.read(name).replace(stack.installation_id.encode(), b"another"))
                if name != DATABASE:
                    new.writestr(name, ours.read(name))
            with new.open(DATABASE, "w") as out:
                out.write(b'{"frazil_database": 1, "revision": "9999"}\n' + b'["users", {}]\n' * 200_000)
        before = {path.name for path in stack.settings.controller_dir.iterdir()}
        assert "newer version" in _say(stack, "restore", str(newer), "--without-saving", code=Exit.WRONG_CALL)
        assert {path.name for path in stack.settings.controller_dir.iterdir()} == before
        assert "of another installation" in _say(stack, "restore", str(another), code=Exit.FAILED)

        half = place / "half.zip"
        half.write_bytes(file.read_bytes()[:500])
        assert "no backup" in _say(stack, "restore", str(half), code=Exit.WRONG_CALL)

        lines = stack.frazil("database", "dump").stdout.splitlines(keepends=True)
        assert len(lines) > 5
        env = {**os.environ, "FRAZIL_CONFIG": str(stack.config)}
        argv = [sys.executable, "-m", "frazil.cli.main", "database", "load", "--made-at", "2030-01-01T00:00:00"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, env=env, cwd="/") as dying:
            assert dying.stdin is not None
            dying.stdin.write("".join(lines[:-1]).encode())
            dying.stdin.flush()
            journal = stack.settings.controller_dir / "frazil.sqlite3-wal"
            until(lambda: journal.exists() or dying.poll() is not None, "it works on the database")
            dying.send_signal(signal.SIGKILL)
        assert stack.frazil("database", "dump").stdout.splitlines(keepends=True) == lines
        stack.start()
        stack.up_again()
        with _sign_in(stack, "ann") as ann:
            assert ann.me().name == "ann"


def test_a_database_that_can_not_be_read_is_set_aside_only_if_told_so(place: Path) -> None:
    with Stack(fake=True) as stack:
        stack.start()
        stack.user("ann")
        file = place / "b.zip"
        _say(stack, "backup", str(file))
        stack.stop()
        database = stack.settings.controller_dir / "frazil.sqlite3"
        for beside in database.parent.glob("frazil.sqlite3-*"):
            beside.unlink()
        database.write_bytes(b"no database at all" * 1000)
        said = _say(stack, "restore", str(file), code=Exit.FAILED)
        assert "--without-saving" in said
        assert database.read_bytes().startswith(b"no database")
        _say(stack, "restore", str(file), "--without-saving")
        (aside,) = database.parent.glob("*.set-aside-*")
        assert aside.read_bytes().startswith(b"no database")
        stack.start()
        until(lambda: stack.root.users(), "it answers", not_yet=(FrazilError,))
        with _sign_in(stack, "ann") as ann:
            assert ann.me().name == "ann"
