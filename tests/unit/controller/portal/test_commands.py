"""Each command that a page shows is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import Any

import pytest
import typer

from frazil.cli.main import app
from frazil.controller.portal.commands import command
from frazil.controller.portal.templating import Assets, Templates
from tests.unit.controller.portal.samples import LANGUAGES, frame, pages

TEMPLATES = Templates(LANGUAGES, Assets())
OBJECT_PAGES = (
    "host",
    "image",
    "pool",
    "pool-new",
    "desktop",
    "user",
    "hosts",
    "images",
    "pools",
    "desktops",
    "users",
    "sessions",
)


def shown() -> set[str]:
    found: set[str] = set()
    for name, view in pages():
        html = TEMPLATES.render(name, frame(), view)
        commands = {unescape(line) for line in re.findall(r'data-copy="(frazil [^"]*)"', html)}
        if name.removeprefix("console/") in OBJECT_PAGES and "small-empty" not in html and "To the images" not in html:
            assert commands, f"{name} shows no command"
        found |= commands
    return found


@pytest.mark.parametrize("line", sorted(shown()))
def test_the_command_line_takes_it(line: str) -> None:
    words = shlex.split(line)[1:]
    found: Any = typer.main.get_command(app)  # Typer brings its own copy of click, whose types have no public name
    context = found.context_class(found, info_name="frazil")
    while hasattr(found, "resolve_command"):
        name, found, words = found.resolve_command(context, words)
        assert found is not None, line
        context = found.context_class(found, info_name=name, parent=context)
    found.make_context(context.info_name, words, parent=context.parent)


def test_names_are_quoted_for_a_shell() -> None:
    assert command("pool", "show", "a b; rm -rf /") == "frazil pool show 'a b; rm -rf /'"
