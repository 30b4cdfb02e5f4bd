"""The documents lead somewhere: links resolve, everything is in the index, nothing is said twice under one number."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCS = REPOSITORY / "docs"
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
_FENCE = re.compile(r"^(```).*?^\1", re.MULTILINE | re.DOTALL)


def documents(*patterns: str) -> list[Path]:
    """All that are in the repository; those that somebody is still writing are not."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", *(patterns or ("*.md",))],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return sorted(REPOSITORY / line for line in listed.stdout.splitlines())


def links(document: Path) -> list[str]:
    return _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))


def anchors(document: Path) -> set[str]:
    """What headings are called in addresses."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_resolve(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads nowhere"
        assert REPOSITORY in target.parents, f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


def test_every_document_and_decision_is_in_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    everything = set(documents("docs/*.md", "docs/*.json")) - {index}
    assert everything - linked == set()


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in (DOCS / "adr").iterdir()]
    assert all(number.isdigit() for number in numbers)
    assert len(numbers) == len(set(numbers))


def test_the_readme_shows_and_tells_how_to_begin() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = [link for link in links(REPOSITORY / "README.md") if link.endswith(".png")]
    assert shown, "a picture says more"
    for picture in shown:
        assert (REPOSITORY / picture).read_bytes().startswith(b"\x89PNG")
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for goal in re.findall(r"^    make ([a-z]+)", text, re.MULTILINE):
        assert f"\n{goal}:" in makefile
    for named in re.findall(r"`(?:sudo )?(?:\.venv/bin/python )?((?:bench|scripts)/[\w./-]+)", text):
        assert (REPOSITORY / named).exists(), named


def test_the_goals_are_ranked() -> None:
    text = (DOCS / "explanation" / "design.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d)\. ", text, re.MULTILINE) == ["1", "2", "3", "4", "5"]
