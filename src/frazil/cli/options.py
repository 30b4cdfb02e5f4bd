"""Options that many commands share, under the same names everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON, and nothing else, to the standard output.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done, or return at once.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long to wait at most.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input's first line.")
]
UserNames = Annotated[list[str], typer.Argument(metavar="USER...", help="Names or ids of users.", show_default=False)]


def group(help_text: str) -> typer.Typer:
    """A noun whose verbs follow."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)
