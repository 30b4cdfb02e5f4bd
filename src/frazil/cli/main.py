"""`frazil …`: the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import frazil
from frazil.cli import connection, processes
from frazil.cli.commands import (
    backup,
    connect,
    database,
    desktop,
    events,
    group,
    host,
    image,
    lifecycle,
    machine,
    pool,
    server,
    session,
    sign_in,
    spice,
    user,
)
from frazil.cli.exits import Exit, exit_of, in_words
from frazil.model.errors import FrazilError, InvalidInput

app = typer.Typer(
    name="frazil",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=in_words(),
)

ReadyFd = Annotated[int | None, typer.Option("--ready-fd", hidden=True, help="Written to when ready.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"frazil {frazil.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Frazil: desktops that freeze and fork. Nouns come first, then verbs: frazil pool create.

    As root of the machine that Frazil runs on, commands work at once; from elsewhere, sign in with "frazil login" or
    set FRAZIL_URL and FRAZIL_TOKEN (and FRAZIL_CA, a PEM file, for its own authority).
    """


app.command("up")(lifecycle.up)
app.command("down")(lifecycle.down)
app.command("prepare", hidden=True)(lifecycle.prepare)
app.command("doctor")(machine.doctor_)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("login")(sign_in.login)
app.command("connect")(connect.connect)
app.command("setup-link")(sign_in.setup_link)
app.command("events")(events.events)
app.command("grant")(pool.grant)
app.command("revoke")(pool.revoke)
app.add_typer(image.app, name="image")
app.add_typer(pool.app, name="pool")
app.add_typer(desktop.app, name="desktop")
app.add_typer(session.app, name="session")
app.add_typer(user.app, name="user")
app.add_typer(group.app, name="group")
app.add_typer(host.app, name="host")
app.add_typer(spice.app, name="spice")
app.add_typer(database.app, name="database", hidden=True)


def _process(name: str, what: str) -> Callable[[int | None], None]:
    def run(ready_fd: ReadyFd = None) -> None:
        raise typer.Exit(processes.run(name, connection.settings(), ready_fd=ready_fd))

    run.__doc__ = (
        f"Run the {what} in the foreground, as the service manager does.\n\n"
        f'It logs JSON lines to the standard error. "frazil up" starts all three.\n\n\b\nExamples:\n  frazil {name}'
    )
    return run


@app.command("controller")
def controller(
    number: Annotated[int, typer.Option("--number", min=1, help="Which of the machine's controllers this is.")] = 1,
    ready_fd: ReadyFd = None,
) -> None:
    """Run a Virtual Desktop Controller in the foreground, as the service manager does.

    It logs JSON lines to the standard error. "frazil up" starts as many as the settings say, and the other processes.

    \b
    Examples:
      frazil controller
      frazil controller --number 2
    """
    settings = connection.settings()
    if number > settings.controllers:
        raise InvalidInput(
            f"The settings say that {settings.controllers} run here, so that there is no controller {number}.",
            remedy="Set `controllers`, or leave out --number.",
        )
    raise typer.Exit(processes.run("controller", settings, ready_fd=ready_fd, number=number))


app.command("server")(server.server)
app.command("gateway")(_process("gateway", "gateway"))


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        app(args=list(argv), prog_name="frazil")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE if end.code is None else Exit.FAILED
    except FrazilError as exc:
        print(exc, file=sys.stderr)
        return exit_of(exc)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.DONE


def main() -> None:
    """The entry point of the `frazil` program."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
