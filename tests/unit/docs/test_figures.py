"""The README's figures are those of the committed results of the benchmarks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<figure>[^|]+) \| \[`(?P<path>[a-z0-9_.]+)`\]\((?P<file>[\w./-]+)\) \|$", re.MULTILINE
)


def rows() -> list[tuple[str, str, str, str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(row["what"], row["figure"], row["file"], row["path"]) for row in ROW.finditer(text)]


def test_there_are_figures() -> None:
    assert len(rows()) >= 5


@pytest.mark.parametrize(("what", "figure", "file", "path"), rows())
def test_the_figure_is_the_benchmarks(what: str, figure: str, file: str, path: str) -> None:
    value = json.loads((ROOT / file).read_text(encoding="utf-8"))
    for key in path.split("."):
        value = value[key]
    number = figure.split()[0].replace(",", "")
    digits = len(number.partition(".")[2])
    assert f"{float(value):.{digits}f}" == number, what
