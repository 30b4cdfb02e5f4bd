"""The reference pages of the command line, the settings and the roles, made from the code.

python -m frazil.cli.reference docs/reference            writes them
python -m frazil.cli.reference --check docs/reference    fails when a written one is old
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import os
import re
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import typer

from frazil.cli.exits import MEANING
from frazil.cli.main import app, run
from frazil.cli.measurement_pages import alerts_file, metrics_page
from frazil.controller.api.app import TABLES
from frazil.controller.api.endpoints import Needs, Permission
from frazil.controller.identity.rights import RIGHTS, Right
from frazil.settings import Settings
from frazil.wire.rest import Role

WIDTH = "80"
OWN = Path(__file__).resolve().parents[3]
HEAD = "<!-- Made by `python -m frazil.cli.reference docs/reference`; do not edit. -->\n\n"


def commands(of: typer.Typer = app, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command's words, in the order of the help."""
    found = []
    for command in of.registered_commands:
        assert command.callback is not None
        if not command.hidden:
            found.append((*before, command.name or command.callback.__name__))
    for group in of.registered_groups:
        assert group.typer_instance is not None
        assert isinstance(group.name, str)
        if not group.hidden:
            found.extend(commands(group.typer_instance, (*before, group.name)))
    return found


@cache
def help_of(words: tuple[str, ...]) -> str:
    """What ``--help`` says, as on a terminal of 80 columns. Tests ask for all of it several times."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            run([*words, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join(line.rstrip() for line in said.getvalue().splitlines()).strip()


def cli_page() -> str:
    """docs/reference/cli.md"""
    parts = [
        HEAD,
        "# The command line\n\n",
        "Nouns come first, then verbs. Tables are for people; `--json` is for programs: nothing but the answer is on\n"
        "the standard output. Progress is shown on the standard error, on a terminal only. `NO_COLOR` is honoured.\n"
        "Things are named by name or by id. `frazil --install-completion` sets up the shell's completion.\n\n",
        "## Exit codes\n\n| code | meaning |\n| --- | --- |\n",
        *(f"| {code.value} | {text} |\n" for code, text in MEANING.items()),
        "\n## Environment\n\n| variable | meaning |\n| --- | --- |\n",
        "| `FRAZIL_CONFIG` | the settings file instead of `/etc/frazil/frazil.toml` |\n",
        "| `FRAZIL_URL` | a controller elsewhere: the portal's address; goes before everything else |\n",
        "| `FRAZIL_TOKEN` | an API token for it |\n",
        "| `FRAZIL_CA` | a PEM file with the authority to trust, where it is its own |\n",
        "| `NO_COLOR` | no colours |\n",
        "\n",
        _section("frazil", ()),
        *(_section("frazil " + " ".join(words), words) for words in commands()),
    ]
    return "".join(parts).rstrip() + "\n"


def settings_page() -> str:
    """docs/reference/settings.md"""
    meanings = _meanings(inspect.getdoc(Settings) or "")
    rows = []
    for field in dataclasses.fields(Settings):
        shown = "not set" if field.default in (None, "") else f"`{_without_our_place(field.default)}`"
        rows.append(f"| `{field.name}` | {shown} | {meanings[field.name]} |\n")
    return (
        HEAD + "# Settings\n\n"
        "In `/etc/frazil/frazil.toml`, or the file that `FRAZIL_CONFIG` names: TOML, one `name = value` a line. Every\n"
        "setting has a default that works, and the file need not exist. Settings are read when a process starts.\n\n"
        "| setting | default | meaning |\n| --- | --- | --- |\n" + "".join(rows)
    )


def roles_page() -> str:
    """docs/reference/roles.md"""
    roles = list(RIGHTS)
    head = f"| {' | '.join(roles)} |\n| --- |{' :-: |' * len(roles)}\n"
    parts = [
        HEAD,
        "# Roles\n\n",
        "A role says what somebody may do besides using the desktops that they are entitled to.\n"
        "`frazil user change NAME --role ROLE` gives one; it holds from the next call on. What is a person's own\n"
        "(password, tokens, sessions and desktops) is theirs in every role. Nobody gives a role, or sets a password,\n"
        "of somebody who may do more than they may themselves; the last administrator stays one. Root of the\n"
        "controller's machine is an administrator.\n\n",
        "## What each role may do\n\n",
        f"| to {head}",
        *(f"| {right.value} | {_ticks(right, roles)} |\n" for right in Right),
        "\n## Who may call what\n\n",
        "*own*: about what is theirs; of other things they are told that there is no such thing, or that it is not\n"
        "for them. *all*: without signing in too. *root*: of the controller's machine.\n\n",
        f"| call {head}",
        *(
            f"| `{one.method} {one.path}` | {_ticks(one.permission, roles, others=one.others)} |\n"
            for table in TABLES.values()
            for one in table
        ),
    ]
    return "".join(parts)


def _ticks(needs: Needs, roles: list[Role], *, others: Right | None = None) -> str:
    """A mark under each role."""
    right = needs if isinstance(needs, Right) else others
    words = {Permission.ANYONE: "all", Permission.SIGNED_IN: "own", Permission.LOCAL_ROOT: "root"}
    otherwise = "" if isinstance(needs, Right) else words[needs]
    return " | ".join("yes" if right in RIGHTS[role] else otherwise for role in roles)


def _without_our_place(default: object) -> object:
    """A default inside this code's own directory is named from there: the page is the same in every checkout."""
    if isinstance(default, bool):
        return str(default).lower()  # as TOML writes it
    if isinstance(default, Path) and default.is_relative_to(OWN):
        return default.relative_to(OWN)
    return default


def _section(title: str, words: tuple[str, ...]) -> str:
    return f"## {title}\n\n```text\n{help_of(words)}\n```\n\n"


def _meanings(text: str) -> dict[str, str]:
    """The meaning of each setting from the docstring's ``name, name: meaning.`` lines."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"^([a-z_0-9, ]+): (.+)$", line.strip())
        if match:
            for name in match[1].split(","):
                found[name.strip()] = match[2]
    return found


def main(argv: list[str]) -> int:
    check = "--check" in argv
    places = [word for word in argv if word != "--check"]
    if len(places) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    old = []
    pages = {
        "cli.md": cli_page,
        "settings.md": settings_page,
        "roles.md": roles_page,
        "metrics.md": metrics_page,
        "alerts.yml": alerts_file,
    }
    for name, made in pages.items():
        text = made()
        path = Path(places[0]) / name
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                old.append(str(path))
        else:
            path.write_text(text, encoding="utf-8")
    if old:
        command = f"python -m frazil.cli.reference {places[0]}"
        print(f"Not what the code says now: {', '.join(old)}. Write them anew: {command}", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
