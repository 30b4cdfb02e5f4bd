"""Every template renders in every language, and every word in them is translatable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from frazil.controller.identity.rights import Right, rights_of
from frazil.controller.portal.console.pools import rules_in
from frazil.controller.portal.dispatch import Access
from frazil.controller.portal.templating import TEMPLATES_DIR, Assets, Templates
from frazil.controller.portal.views import Card, Form, HomeView, PoolView, WaitView
from frazil.model.desktop import Phase
from frazil.server.desktops.steps import DISK_FULL
from frazil.wire.hostlink import FailureField
from frazil.wire.rest import Role
from tests.unit.controller.portal.samples import LANGUAGES, frame, page_entries, pages, pool, session

TEMPLATES = Templates(LANGUAGES, Assets())
VOID = frozenset({"meta", "link", "input", "img", "br", "hr", "path", "rect", "circle", "ellipse", "option"})
NOT_WORDS = frozenset({"Frazil", "KVM", "SPICE", "QEMU", "libvirt", "SHA", "·", "–"})
READ_ALOUD = frozenset({"title", "alt", "aria-label", "placeholder"})


class Outline(HTMLParser):
    """Whether tags are closed in order, ids are used once, and labels and descriptions point at something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.pointed: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        self.pointed += [given["for"]] if "for" in given else []
        self.pointed += given.get("aria-describedby", "").split()
        self.wrong += [f"{tag} {name}" for name in given if name.startswith("on") or name == "hx-on"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


@pytest.mark.parametrize("language", sorted(LANGUAGES.by_code))
def test_every_page_is_whole_html_in_every_language(language: str) -> None:
    for name, view in pages(language):
        html = TEMPLATES.render(name, frame(language, path=f"/{name}"), view)
        outline = Outline()
        outline.feed(html)
        assert outline.wrong == [], name
        assert outline.open == [], name
        assert f'<html lang="{language}">' in html
        assert set(outline.pointed) <= set(outline.ids), name
        if name != "home":  # the sample shows the same desktop on several cards
            assert len(outline.ids) == len(set(outline.ids)), (name, outline.ids)
        assert "<script>" not in html, name
        assert len(re.findall(r"<h1[ >]", html)) == 1, name


@pytest.mark.parametrize("role", get_args(Role))
def test_every_page_is_whole_html_for_every_role_and_offers_only_what_it_may(role: Role) -> None:
    entries = {(entry.method, entry.path): entry.access for entry in page_entries()}
    shown = 0
    for name, view in pages():
        around = frame(role=role, path=f"/{name}")
        html = TEMPLATES.render(name, around, view)
        outline = Outline()
        outline.feed(html)
        assert (outline.wrong, outline.open) == ([], []), name
        own = matching(entries, "GET", ADDRESSES.get(name, f"/{name}")) if name.startswith("console/") else None
        if own is None or not may(role, own):
            continue
        shown += 1
        for method, path in offered(html):
            assert may(role, matching(entries, method, path)), (name, method, path)
    assert (shown > 20) == bool(rights_of(role))


ADDRESSES = {
    "console/overview": "/console",
    "console/pool-new": "/console/pools/new",
    **{f"console/{kind}": f"/console/{kind}s/x" for kind in ("host", "image", "pool", "desktop", "user", "group")},
}
"""Where pages are whose address is not their name."""


def may(role: Role, access: Access | Right) -> bool:
    if isinstance(access, Right):
        return access in rights_of(role)
    return access is not Access.CONSOLE or bool(rights_of(role))


def offered(html: str) -> list[tuple[str, str]]:
    """What a page leads to: forms with their method, links."""
    forms = re.findall(r'<form[^>]* method="(\w+)"[^>]* action="([^"?]+)', html)
    return [(method.upper(), path) for method, path in forms] + [
        ("GET", path) for path in re.findall(r'<a [^>]*href="(/[^"?#]*)', html)
    ]


def matching(entries: Mapping[tuple[str, str], Access | Right], method: str, path: str) -> Access | Right:
    """Who may call the page at this address."""
    for (its_method, pattern), access in entries.items():
        if its_method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return access
    raise AssertionError(f"no page at {method} {path}")


def test_every_live_part_is_the_same_in_its_page_and_alone() -> None:
    for name, view in pages():
        if (TEMPLATES_DIR / f"{name}.live.html").exists():
            around = frame(path=f"/{name}")
            part = TEMPLATES.render(f"{name}.live", around, view)
            assert part.strip() in TEMPLATES.render(name, around, view), name
            assert part.lstrip().startswith("<div id="), name


def test_every_template_is_rendered_by_these_tests() -> None:
    shown = {name for name, _ in pages()}
    parts = {
        "layout",
        "portal",
        "alone",
        "topbar",
        "ui",
        "icons",
        "console/layout",
        "console/lists",
        "console/policy",
        "console/quota",
        "console/rules",
    }
    there = {str(path.relative_to(TEMPLATES_DIR))[: -len(".html")] for path in TEMPLATES_DIR.rglob("*.html")}
    assert there - parts == shown | {f"{name}.live" for name in shown if f"{name}.live" in there}


def test_what_people_typed_is_escaped() -> None:
    for name, view in pages():
        if name == "console/pool":
            pool = view.pool.model_copy(update={"label": "<script>alert(1)</script>"})  # type: ignore[attr-defined]
            html = TEMPLATES.render(name, frame(), type(view)(**{**_fields(view), "pool": pool}))
            assert "<script>alert" not in html
            assert "&lt;script&gt;alert" in html


def _fields(view: object) -> dict[str, object]:
    return {name: getattr(view, name) for name in view.__slots__}  # type: ignore[attr-defined]


class Bare(HTMLParser):
    """Words in a template's own text, outside of any expression."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += re.findall(r"[^\W\d_]{2,}", data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in READ_ALOUD and value:
                self.words += re.findall(r"[^\W\d_]{2,}", value)


def bare_words(source: str) -> list[str]:
    """Words that stand in a template without being marked for translation."""
    parser = Bare()
    parser.feed(re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source, flags=re.DOTALL))
    return [word for word in parser.words if word not in NOT_WORDS]


@pytest.mark.parametrize("path", sorted(TEMPLATES_DIR.rglob("*.html")), ids=lambda path: path.name)
def test_no_word_stands_in_a_template_untranslatable(path: Path) -> None:
    assert bare_words(path.read_text(encoding="utf-8")) == []


def test_a_bare_word_would_be_found() -> None:
    assert bare_words('<p title="{{ x }}">Hello {{ _("World") }}</p><b aria-label="There"></b>') == ["Hello", "There"]


@pytest.mark.parametrize("language", sorted(LANGUAGES.by_code))
def test_a_full_disk_is_told_and_nobody_is_offered_to_throw_their_desktop_away(language: str) -> None:
    failure = FailureField(code=DISK_FULL.code, text=DISK_FULL.text, remedy=DISK_FULL.remedy)
    around = frame(language)
    told = around.words.failure(failure, reference="", administrator=False).what
    for name, view in (
        ("wait", WaitView(session=session(Phase.STARTING, failure=failure), waited_s=9.0)),
        ("home", HomeView(cards=[Card(pool=pool(), session=session(Phase.STARTING, failure=failure))], direct=None)),
    ):
        html = TEMPLATES.render(name, around, view)
        assert told in unescape(html), name
        assert "/retry" not in html, name


@pytest.mark.parametrize("seconds", [0, 60, 90, 100, 900, 2_591_999, 2_592_000])
def test_rules_that_nobody_touched_stay_as_they_are(seconds: int) -> None:
    """The page shows minutes, and a command may have given any number of seconds."""
    ruled = pool().model_copy(update={"grace_s": seconds, "longest_s": seconds, "idle_s": seconds})
    view = PoolView(pool=ruled, room=None, entitlements=[], others=[], other_groups=[], form=Form())
    inputs = re.findall(r"<input[^>]*>", TEMPLATES.render("console/pool", frame("en", path="/"), view))
    shown = {re.findall(r'name="(\w+)"', one)[0]: re.findall(r'value="([^"]*)"', one) for one in inputs}
    form = {name: shown[name][0] for name in ("grace_min", "longest_min", "idle_min")}
    assert rules_in(form) == dict.fromkeys(("grace_s", "longest_s", "idle_s"), seconds)
