"""`frazil backup` and `frazil restore`."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

import frazil
from frazil.cli import connection, output
from frazil.cli.archive import Archive, Manifest, before_restore, drop_old, kept_files, write
from frazil.cli.exits import Exit
from frazil.cli.options import Json
from frazil.cli.supervisor import accounts, child, code, lock, places
from frazil.controller.installation import read_installation_id
from frazil.model.errors import Conflict, HostError, InvalidInput, Refused
from frazil.runtime import SystemClock
from frazil.settings import Settings
from frazil.whole_file import write_whole

DEADLINE_S = 3600.0


def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; frazil-backup-DATE.zip here when not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Save what Frazil knows: people, groups, pools, rights, desktops, sessions, history, and its own authority.

    Frazil may go on meanwhile. The file holds password hashes and a private key: keep it as you keep those. Images,
    the disks of desktops and /etc/frazil/frazil.toml are not in it; they are files, to be copied as such.

    \b
    Examples:
      sudo frazil backup
      sudo frazil backup /mnt/backups/frazil-monday.zip
    """
    settings = _as_root("sudo frazil backup")
    path = (file or Path(f"frazil-backup-{SystemClock().now():%Y%m%d-%H%M%S}.zip")).absolute()
    with output.progress("Saving", quiet=as_json):
        rows = _save(settings, path)
    if rows is None:
        raise Conflict("There is nothing to save: Frazil never ran here.", remedy="Start it: sudo frazil up")
    size = path.stat().st_size
    told: dict[str, object] = {"file": str(path), "rows": rows, "size_bytes": size}
    words = f"Saved in {path}: {rows} rows, {output.size(size)}. It can be read, from its first line to its last."
    output.answer(told, as_json=as_json, people=lambda: output.say(words))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help='What "frazil backup" wrote.')],
    saving: Annotated[
        bool,
        typer.Option("--saving/--without-saving", help="Save first what is there now, so that this can be undone."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of what Frazil knows. Nothing that runs on a host is ended by it.

    Stop Frazil first; desktops may go on. Of what happened since the backup was made Frazil then knows nothing:
    desktops that were nobody's are left to the hosts as strays, since they may be somebody's by now, everybody signs
    in again, and API tokens have to be made anew. Of what is saved before a restore the newest 10 files are kept.

    \b
    Examples:
      sudo frazil down --keep-desktops
      sudo frazil restore frazil-backup-20300131-083000.zip
      sudo frazil up
    """
    settings = _as_root("sudo frazil restore FILE")
    with closing(Archive(file)) as archive, lock.held(settings):
        _refuse_strangers(settings, archive)
        if any(connection.answers(of.local) for of in settings.controller_sockets):
            raise Conflict("A controller runs here.", remedy="Stop it: sudo frazil down --keep-desktops")
        places.prepare(settings, accounts.ensure())
        before = _before(settings) if saving else None
        _have_files(settings, archive)
        with output.progress("Restoring", quiet=as_json):
            told = _load(settings, archive, afresh=not saving)
        if before is not None:
            drop_old(before.parent, spare=[before, file])
    told |= {"undo": str(before) if before else None}
    output.answer(told, as_json=as_json, people=lambda: _tell(archive.manifest, told, before))


def _tell(manifest: Manifest, told: dict[str, object], before: Path | None) -> None:
    forgotten = told["forgotten"]
    assert isinstance(forgotten, list)
    output.say(f"Restored: {told['rows']} rows, as they were on {manifest.at:%Y-%m-%d at %H:%M:%S} UTC.")
    if forgotten:
        n = len(forgotten)
        output.say(
            f"{n} desktop{'' if n == 1 else 's'} that nobody had then {'is' if n == 1 else 'are'} forgotten, since "
            f"{'it' if n == 1 else 'they'} may be somebody's by now. What hosts have of them is listed as strays: "
            "frazil host list"
        )
    output.say("Everybody signs in again; API tokens have to be made anew.")
    if before is not None:
        output.say(f"What was there before is in {before}: restore that to undo this.")
    output.say("Start Frazil: sudo frazil up")


def _as_root(command: str) -> Settings:
    if os.geteuid() != 0:
        raise Refused("Backups hold secrets: they are made and restored by root.", remedy=command)
    return connection.settings()


def _save(settings: Settings, path: Path) -> int | None:
    """Write a backup and look it over; how many rows it has, or None when there is nothing to save."""
    if not settings.installation_file.exists():
        return None
    users = accounts.ensure()
    ran = _as_controller(settings, users, code.as_it_runs(settings.state_dir), "dump")
    assert ran.stdout is not None
    try:
        first = ran.stdout.readline()
        if not first:
            _ended(ran)
            return None
        manifest = Manifest(
            version=frazil.__version__,
            made_at=SystemClock().now().astimezone(UTC).isoformat(),
            installation_id=read_installation_id(settings.installation_file),
        )
        rows = 0

        def lines() -> Iterator[bytes]:
            nonlocal rows
            assert ran.stdout is not None
            yield first
            for line in ran.stdout:
                rows += 1
                yield line
            _ended(ran)

        write(path, manifest, lines=lines(), files={name: at for name, (at, _) in kept_files(settings).items()})
    finally:
        _stop(ran)
    try:
        with closing(Archive(path)) as written:
            last = deque(written.lines(), maxlen=1)
            if json.loads(last[0]) != {"rows": rows - 1}:
                raise InvalidInput("Its end is missing.")
    except InvalidInput as exc:
        raise HostError(f"{path} was written, but can't be read: {exc.what}", remedy="Look at that disk.") from exc
    return rows - 1


def _before(settings: Settings) -> Path | None:
    """Save what is there now; None when there is nothing."""
    path = before_restore(settings, SystemClock().now())
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        return None if _save(settings, path) is None else path
    except HostError as exc:
        raise HostError(
            f"What is there now can't be saved, so that nothing was changed: {exc.what}",
            remedy="Mend that, or restore without that way back: add --without-saving",
        ) from exc


def _load(settings: Settings, archive: Archive, *, afresh: bool) -> dict[str, object]:
    made_at = archive.manifest.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    words = ["load", "--made-at", made_at, *(["--afresh"] if afresh else [])]
    ran = _as_controller(settings, accounts.ensure(), code.for_others(settings.state_dir), *words)
    assert ran.stdin is not None
    assert ran.stdout is not None
    try:
        try:
            for line in archive.lines():
                ran.stdin.write(line)
            ran.stdin.close()
        except BrokenPipeError:
            pass  # it has ended early, and says why
        said = ran.stdout.read()
        _ended(ran)
        told: dict[str, object] = json.loads(said)
        return told
    finally:
        _stop(ran)


def _refuse_strangers(settings: Settings, archive: Archive) -> None:
    """A backup of another installation would make this machine's desktops strangers to it."""
    if not settings.installation_file.exists():
        return
    here = read_installation_id(settings.installation_file)
    if here != archive.manifest.installation_id:
        raise Conflict(
            f"{archive.path} is a backup of another installation ({archive.manifest.installation_id}); "
            f"this machine is of {here}.",
            remedy=f"Restore it on another machine, or move {settings.state_dir} away first.",
        )


def _have_files(settings: Settings, archive: Archive) -> None:
    """Those that are missing. What is there is newer than the backup, or the same."""
    for name, (path, mode) in kept_files(settings).items():
        content = archive.file(name)
        if content is not None and not path.exists():
            write_whole(path, content, mode=mode)


def _as_controller(
    settings: Settings, users: accounts.Accounts, ours: code.Code, *words: str
) -> subprocess.Popen[bytes]:
    """`frazil database …` as the controller's user: who else opens the database leaves files that it can't use."""
    argv = [*child.unprivileged(users.controller), "--", str(ours.python), "-m", "frazil.cli.main", "database", *words]
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child.environment(os.environ, ours),
        cwd="/",
    )


def _ended(ran: subprocess.Popen[bytes]) -> None:
    """Wait for its end; raises what it said went wrong."""
    assert ran.stderr is not None
    said = ran.stderr.read().decode(errors="replace").strip()
    code_of_end = ran.wait(timeout=DEADLINE_S)
    if code_of_end == Exit.WRONG_CALL:
        raise InvalidInput(said)
    if code_of_end != Exit.DONE:
        raise HostError(said.splitlines()[-1] if said else f"It ended with {code_of_end}.")


def _stop(ran: subprocess.Popen[bytes]) -> None:
    if ran.poll() is None:
        ran.kill()
        ran.wait()
    for pipe in (ran.stdin, ran.stdout, ran.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what was still to be written is for nobody
                pipe.close()
