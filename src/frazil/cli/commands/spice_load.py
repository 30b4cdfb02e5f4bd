"""`frazil spice load`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Annotated

import typer

from frazil.cli import crowd, output
from frazil.cli.display import address_of
from frazil.cli.exits import Exit
from frazil.cli.options import Json
from frazil.model.errors import InvalidInput

if TYPE_CHECKING:
    from frazil.viewer import Address, Box
    from frazil.viewer.load import Measured, Plan

BUSY_CORES = 0.8
"""From here on our own process may be what takes so long."""
RESTLESS = 0.1
OPENING_S = 300.0
DesktopOf = Callable[[], Awaitable["Address"]]


def load(
    where: Annotated[
        list[str] | None,
        typer.Argument(metavar="WHERE…", help="A viewer for each: addresses, .vv files, pools of which you have one."),
    ] = None,
    pool: Annotated[
        str | None, typer.Option("--pool", metavar="POOL", help="A desktop of it for each of --people.")
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option("--people", metavar="FILE", help="Who signs in: as user import --passwords writes it."),
    ] = None,
    viewers: Annotated[
        int | None, typer.Option("--viewers", min=1, metavar="N", help="So many of --people; without it all of them.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long to type, once all are open.")] = 30.0,
    keys: Annotated[
        float, typer.Option("--keys-per-second", min=0.1, max=50, help="Of each viewer; fewer when answers are late.")
    ] = 4.0,
    press: Annotated[
        str | None, typer.Option("--press", metavar="KEYS", help="Press this first, to bring up what takes text.")
    ] = None,
    answers_in: Annotated[
        str | None,
        typer.Option(
            "--answers-in",
            metavar="LEFT,TOP,RIGHT,BOTTOM",
            help="Where the text appears; it is clicked on first. Without it anywhere.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long a desktop may take to open.")
    ] = OPENING_S,
    as_json: Json = False,
) -> None:
    """Use many desktops at once, and measure how long they take from a key to the picture that answers it.

    Each viewer types letters and erases them again, and moves the pointer. An answer is the first drawing after a key:
    where other things move too, say with --answers-in where the text appears. Nothing is decoded. One person has one
    desktop of a pool, so that --pool needs as many --people; sessions that are opened are ended again. Ctrl-C ends it
    with what was measured.

    \b
    Examples:
      frazil spice load spice://10.0.0.5:5900 spice://10.0.0.5:5901 --seconds 60
      frazil spice load --pool office --people passwords.csv --viewers 50 --press ctrl+alt+t --json
    """
    from frazil.viewer.load import Plan

    plan = Plan(
        seconds=seconds,
        keys_per_s=keys,
        answers_in=_box(answers_in) if answers_in is not None else None,
        first=(press,) if press is not None else (),
        timeout_s=timeout,
    )
    many = _crowd(where, pool, people, viewers, timeout_s=timeout)
    desktops = many[1] if many else [_alone(one, timeout_s=timeout) for one in where or []]
    try:
        found, interrupted = asyncio.run(_run(desktops, plan, many[0] if many else None, quiet=as_json))
    finally:
        if many and (kept := many[0].leave()):
            output.say(f"{kept} sessions could not be ended. See them: frazil session list")
    told = _as_words(found, asked=len(desktops))
    output.answer(told, as_json=as_json, people=lambda: _show(told, found))
    if interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
    if not found.took_ms:
        raise typer.Exit(Exit.FAILED)


def _crowd(
    where: list[str] | None, pool: str | None, people: Path | None, viewers: int | None, *, timeout_s: float
) -> tuple[crowd.Crowd, Sequence[DesktopOf]] | None:
    """Those of --people, and how each gets a desktop. Raises InvalidInput."""
    if (pool is None) != (people is None):
        raise InvalidInput(
            "--pool and --people go together: one person has one desktop of a pool.",
            remedy="Make people, and a file of their passwords: frazil user import FILE --passwords FILE",
            field="pool" if people is None else "people",
        )
    if (pool is None) == (not where):
        raise InvalidInput("Say which desktops: either WHERE, or --pool with --people.", field="where")
    if pool is None or people is None:
        if viewers is not None:
            raise InvalidInput("--viewers is for --pool; WHERE has a viewer for each.", field="viewers")
        return None
    named = crowd.read(people, most=viewers)
    many = crowd.Crowd(pool, timeout_s=timeout_s)
    return many, [lambda person=person: asyncio.to_thread(many.open, person) for person in named]


def _alone(where: str, *, timeout_s: float) -> DesktopOf:
    return lambda: asyncio.to_thread(address_of, where, timeout_s=timeout_s, quiet=True)


async def _run(
    desktops: Sequence[DesktopOf], plan: Plan, many: crowd.Crowd | None, *, quiet: bool
) -> tuple[Measured, bool]:
    """What was measured, and whether Ctrl-C ended it."""
    from frazil.viewer.load import Load

    count, interrupted = len(desktops), False
    with output.progress(f"Opening {count} desktops", quiet=quiet) as bar:

        def tell(opened: int, settled: int) -> None:
            typing = settled == count
            step = (
                f"{opened} viewers type for {plan.seconds:g} s" if typing else f"{opened} of {count} viewers are open"
            )
            bar.tell(step=step, fraction=None if typing else settled / count, left_s=None)

        running = Load(desktops, plan, told=tell)
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            loop.remove_signal_handler(signal.SIGINT)  # once more ends it at once
            if many is not None:
                many.stop()
            running.stop()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            return await running.run(), interrupted
        finally:
            loop.remove_signal_handler(signal.SIGINT)


def _box(text: str) -> Box:
    from frazil.viewer import Box

    try:
        left, top, right, bottom = (int(word) for word in text.split(","))
    except ValueError as exc:
        raise InvalidInput(
            f"{text!r} is no place: it has four numbers, like 0,40,800,600.", field="answers_in"
        ) from exc
    if not (0 <= left < right and 0 <= top < bottom):
        raise InvalidInput(f"{text!r} has no pixels: it is LEFT,TOP,RIGHT,BOTTOM.", field="answers_in")
    return Box(left, top, right, bottom)


def _as_words(found: Measured, *, asked: int) -> dict[str, object]:
    """For JSON: milliseconds to a tenth, CPU time to a millisecond."""
    return {
        "asked_viewers": asked,
        "viewers": found.viewers,
        "seconds": round(found.seconds, 1),
        "keys": found.keys,
        "unanswered": found.unanswered,
        "key_to_picture_ms": _percentiles(found.took_ms),
        "opening_ms": _percentiles(found.opening_ms),
        "restless": round(found.restless, 3),
        "drawings": found.drawings,
        "received_bytes": found.received_bytes,
        "sent_bytes": found.sent_bytes,
        "cpu_s": round(found.cpu_s, 3),
        "failures": [
            {"code": failure.code, "viewers": failure.viewers, "words": failure.words} for failure in found.failures
        ],
    }


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(values)}
    return {name: round(value, 1) for name, value in found.items()}


def _show(told: dict[str, object], found: Measured) -> None:
    cores = found.cpu_s / found.seconds if found.seconds else 0.0
    output.pairs(
        [
            ("viewers", f"{found.viewers} of {told['asked_viewers']}, for {told['seconds']} s"),
            ("keys", f"{found.keys}, {found.unanswered} of them without an answer"),
            ("key to picture", _in_words(told["key_to_picture_ms"])),
            ("opening", _in_words(told["opening_ms"])),
            ("drawings", f"{found.drawings}"),
            ("bytes", f"{found.received_bytes} came, {found.sent_bytes} went"),
            ("own CPU time", f"{found.cpu_s:.1f} s, {cores:.2f} of a core"),
            *((f"failed, {failure.viewers}", failure.words) for failure in found.failures),
        ]
    )
    if found.restless > RESTLESS:
        output.say(
            f"In {found.restless:.0%} of the pauses something was drawn that nobody asked for: some answers are none. "
            "Say where the text appears: --answers-in"
        )
    if cores > BUSY_CORES:
        output.say("This command itself was busy, so that its times may be too long. Run fewer viewers, or several.")


def _in_words(percentiles: object) -> str:
    if not isinstance(percentiles, dict):
        return ""
    return ", ".join(f"{name} {value} ms" for name, value in percentiles.items())
