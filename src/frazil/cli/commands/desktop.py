"""`frazil desktop …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import output
from frazil.cli.connection import connect, pause
from frazil.cli.options import Json, Timeout, Wait, group
from frazil.model.desktop import Phase
from frazil.model.errors import InvalidInput
from frazil.runtime import SystemClock
from frazil.wire.rest import AdoptRequest, Desktop, Event, Explanation, RestoreRequest

app = group("Desktops: see them, start and stop them.")

DesktopName = Annotated[str, typer.Argument(metavar="DESKTOP", help="Its name or id.")]
EVENTS_SHOWN = 15
NAMES_SHOWN = 8


@app.command("list")
def list_(
    pool: Annotated[str | None, typer.Option("--pool", help="Only of this pool.")] = None,
    phase: Annotated[Phase | None, typer.Option("--phase", help="Only those that are so now.")] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that can be restored, instead of all others.")
    ] = False,
    as_json: Json = False,
) -> None:
    """All desktops; with --deleted, those in the recycle bin.

    \b
    Examples:
      frazil desktop list
      frazil desktop list --deleted
      frazil desktop list --pool office --phase failed
    """
    with connect() as client:
        desktops = client.desktops(pool=pool, phase=phase, deleted=deleted)
    if deleted:
        output.answer(desktops, as_json=as_json, people=lambda: _kept_table(desktops))
        return
    rows = [
        (
            each.name,
            each.pool_name,
            each.phase_text,
            each.user_name or "–",
            each.host_name or "–",
            each.why or each.step,
        )
        for each in desktops
    ]
    output.answer(
        desktops,
        as_json=as_json,
        people=lambda: output.table(
            ("NAME", "POOL", "STATE", "USER", "HOST", "WHY"), rows, empty="No desktops. Make a pool: frazil pool create"
        ),
    )


@app.command()
def show(desktop: DesktopName, as_json: Json = False) -> None:
    """One desktop, why it is not ready, and what happened to it lately.

    \b
    Examples:
      frazil desktop show office-1
    """
    with connect() as client:
        found = client.desktop(desktop)
        events = [] if as_json else client.desktop_events(desktop)
    output.answer(found, as_json=as_json, people=lambda: _show(found, events))


@app.command()
def explain(desktop: DesktopName, as_json: Json = False) -> None:
    """Why a desktop is on its host; of one that waits, why no host takes it, and the way out.

    \b
    Examples:
      frazil desktop explain office-1
    """
    with connect() as client:
        found = client.explain(desktop)
    output.answer(found, as_json=as_json, people=lambda: _explain(found))


@app.command()
def start(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 300, as_json: Json = False) -> None:
    """Start a desktop, or let a paused one go on.

    \b
    Examples:
      frazil desktop start office-1
    """
    _act(desktop, "start", frozenset({Phase.READY}), wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def stop(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Take a desktop's power away. What it did not save is lost; "shutdown" asks it first.

    \b
    Examples:
      frazil desktop stop office-1
    """
    _act(desktop, "stop", frozenset({Phase.STOPPED}), wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def restart(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 300, as_json: Json = False) -> None:
    """Ask a desktop to shut itself down, and start it again. Its power is cut when it does not within 90 s.

    What is open in it is lost. A floating desktop that is forked comes back as new.

    \b
    Examples:
      frazil desktop restart office-1
    """
    _act(desktop, "restart", frozenset({Phase.READY}), wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def shutdown(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 120, as_json: Json = False) -> None:
    """Ask a desktop to shut itself down.

    \b
    Examples:
      frazil desktop shutdown office-1 --timeout 60
    """
    _act(desktop, "shutdown", frozenset({Phase.STOPPED}), wait=wait, timeout=timeout, as_json=as_json)


@app.command("pause")
def pause_(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Stop a desktop's CPUs; it stays in memory and goes on with "start".

    \b
    Examples:
      frazil desktop pause office-1
    """
    _act(desktop, "pause", frozenset({Phase.PAUSED}), wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def retry(desktop: DesktopName, wait: Wait = True, timeout: Timeout = 300, as_json: Json = False) -> None:
    """Make a failed desktop anew.

    \b
    Examples:
      frazil desktop retry office-1
    """
    _act(desktop, "retry", frozenset({Phase.READY}), wait=wait, timeout=timeout, as_json=as_json)


@app.command()
def delete(
    desktop: DesktopName,
    for_good: Annotated[bool, typer.Option("--for-good", help="Also what could be restored, and at once.")] = False,
    wait: Wait = True,
    timeout: Timeout = 60,
    as_json: Json = False,
) -> None:
    """Delete a desktop. Its pool makes another one if it needs it.

    One that is somebody's and kept between sessions can be restored for its pool's time. Any other goes, with what is
    on its disk.

    \b
    Examples:
      frazil desktop delete office-1
      frazil desktop delete dev-3 --for-good
    """
    with connect() as client:
        found: Desktop | None = client.delete_desktop(desktop, for_good=for_good)
        assert found is not None
        begun = found
        if wait and begun.kept_until is None:
            with output.progress(f"Deleting {begun.name}", quiet=as_json) as bar:
                found = client.wait_for_desktop(
                    begun.id,
                    frozenset({Phase.GONE}),
                    clock=SystemClock(),
                    pause=pause,
                    timeout_s=timeout,
                    tell=lambda now: bar.tell(step=now.step or now.phase_text, fraction=None, left_s=None),
                )
    text = f"{begun.name} is {'deleted' if wait else 'being deleted'}."
    if begun.kept_until is not None:
        until = output.when(begun.kept_until)
        text = f"{begun.name} is deleted. Until {until} it can be restored: frazil desktop restore {begun.name}"
    output.answer(found or begun, as_json=as_json, people=lambda: output.say(text))


@app.command()
def restore(
    desktop: DesktopName,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Whose it is to be; whose it was, when not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a deleted desktop back, shut down and with what is on its disk. Its pool is restored with it.

    \b
    Examples:
      frazil desktop restore dev-3
      frazil desktop restore dev-3 --user anna
    """
    with connect() as client:
        found = client.restore_desktop(desktop, RestoreRequest(user=user))
    output.answer(
        found, as_json=as_json, people=lambda: output.say(f"{found.name} is restored. It is {found.user_name}'s.")
    )


@app.command()
def adopt(
    stray: Annotated[str, typer.Argument(metavar="STRAY", help='Its id, or its name in "frazil host list".')],
    pool: Annotated[str, typer.Option("--pool", help="A persistent pool of its image, whose desktops are kept.")],
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="Whose it is to be; when not given, who had sessions on it."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Where it is, if it is on several.")] = None,
    as_json: Json = False,
) -> None:
    """Take back a person's own desktop that a host has and Frazil knows nothing of, with what is on its disk.

    It goes on as it lies: one that runs runs on, one that is shut down stays so. Its host must be connected.

    \b
    Examples:
      frazil desktop adopt 01900000-0000-7000-8000-000000000041 --pool dev --user anna
    """
    with connect() as client:
        found = client.adopt(stray, AdoptRequest(pool=pool, user=user, host=host))
    words = f"{found.name} is in the pool {found.pool_name} from now on. It is {found.user_name}'s."
    output.answer(found, as_json=as_json, people=lambda: output.say(words))


@app.command()
def screenshot(
    desktop: DesktopName,
    file: Annotated[Path, typer.Option("--output", "-o", help='A PNG file to write; "-" is the standard output.')],
    as_json: Json = False,
) -> None:
    """Write a desktop's picture, as it is now, as a PNG.

    \b
    Examples:
      frazil desktop screenshot office-1 -o office-1.png
      frazil desktop screenshot office-1 -o - | display
    """
    to_stdout = str(file) == "-"
    if to_stdout and as_json:
        raise InvalidInput("--json and -o - both want the standard output.", remedy="Give a file.")
    with connect() as client:
        picture = client.screenshot(desktop)
    if to_stdout:
        sys.stdout.buffer.write(picture)
        return
    try:
        file.write_bytes(picture)
    except OSError as exc:
        raise InvalidInput(f"{file} can't be written: {exc.strerror}.", field="output") from exc
    result: dict[str, object] = {"desktop": desktop, "file": str(file), "size_bytes": len(picture)}
    output.answer(result, as_json=as_json, people=lambda: output.say(f"{file}: {output.size(len(picture))}."))


def _act(desktop: str, act: str, wanted: frozenset[Phase], *, wait: bool, timeout: float, as_json: bool) -> None:
    with connect() as client:
        found = client.act(desktop, act)
        if wait:
            with output.progress(f"{found.name}: {act}", quiet=as_json) as bar:
                waited = client.wait_for_desktop(
                    found.id,
                    wanted,
                    clock=SystemClock(),
                    pause=pause,
                    timeout_s=timeout,
                    tell=lambda now: bar.tell(step=now.step or now.phase_text, fraction=None, left_s=None),
                )
            assert waited is not None, "only what is deleted goes away"
            found = waited
    output.answer(found, as_json=as_json, people=lambda: output.say(f"{found.name} is {found.phase_text}."))


def _explain(found: Explanation) -> None:
    pairs = [("Name", found.desktop_name), ("State", found.phase_text), ("Why", found.text)]
    placement = found.placement
    if placement is not None:
        pairs += [("Chosen", output.when(placement.at)), ("Points", f"{placement.points} of 100")]
    output.pairs(pairs)
    if placement is not None:
        rows = [(f"{part.points} of {part.most}", part.text) for part in placement.parts]
        output.table(("POINTS", "WHY"), rows, empty="")
    if found.refusals:
        refused = [(one.text, f"{one.detail} {one.remedy}".strip(), _some(one.hosts)) for one in found.refusals]
        output.table(("WHY NOT", "WAY OUT", "HOSTS"), refused, empty="")


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _kept_table(desktops: Sequence[Desktop]) -> None:
    now = SystemClock().now()
    rows = [
        (each.name, each.pool_name, each.kept_for or "–", output.when(each.kept_until), time_left(each.kept_until, now))
        for each in desktops
    ]
    output.table(("NAME", "POOL", "WAS OF", "KEPT UNTIL", "LEFT"), rows, empty="No deleted desktops that are kept.")


def time_left(until: datetime | None, now: datetime) -> str:
    """For how long something that is kept until then is kept still."""
    hours = max(0.0, (until - now).total_seconds() / 3600) if until is not None else 0.0
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"


def _show(desktop: Desktop, events: list[Event]) -> None:
    failure = desktop.failure
    output.pairs(
        [
            ("Name", desktop.name),
            ("Id", desktop.id),
            ("Pool", desktop.pool_name),
            ("State", desktop.phase_text),
            ("Wanted", desktop.power.value),
            ("Now", desktop.step),
            ("Why", desktop.why),
            ("Failure", f"{failure.text} {failure.remedy}".strip() if failure else ""),
            ("User", f"{desktop.user_name or '–'}{', connected' if desktop.connected else ''}"),
            ("Host", desktop.host_name or "–"),
            ("Was of", desktop.kept_for or ""),
            ("Kept until", output.when(desktop.kept_until) if desktop.kept_until else ""),
            ("Made", output.when(desktop.created_at)),
            ("Started", output.when(desktop.started_at)),
        ]
    )
    rows = [(output.when(event.at), event.text, event.outcome) for event in events[:EVENTS_SHOWN]]
    if rows:
        output.table(("WHEN", "WHAT", "OUTCOME"), rows, empty="")
