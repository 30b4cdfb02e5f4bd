"""The cache of built images keeps what is needed or may soon be, and nobody loses what he is about to take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frazil.server.images import cache
from frazil.server.images.build import cache_key
from frazil.server.images.recipe import find_recipes, load_recipe
from frazil.settings import OWN_RECIPES

NOW_S = 1_800_000_000.0
CURRENT, OLD, LINKED = "a" * 32, "b" * 32, "c" * 32


def entry(root: Path, name: str) -> Path:
    place = root / name
    place.mkdir(parents=True)
    (place / "disk.qcow2").write_bytes(b"disk")
    (root / f"{name}.build.log").write_text("log")
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for name in (CURRENT, OLD, LINKED):
        entry(root, name)
    os.link(root / LINKED / "disk.qcow2", tmp_path / "stored.qcow2")
    for name, age_s in ((f".{OLD}.x1", 2 * cache.DEAD_AFTER_S), (f".{OLD}.x2", 60.0)):
        (root / name / "root").mkdir(parents=True)
        os.utime(root / name, (NOW_S - age_s, NOW_S - age_s))
    entry(root, "somebody's own")
    (root / ("d" * 32)).mkdir()
    return root


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_what_nobody_needs_goes_with_its_log_and_all_else_stays(root: Path) -> None:
    before = names(root)
    gone = cache.tidy(root, keep={CURRENT}, now_s=NOW_S)
    assert gone == [f".{OLD}.x1", OLD]
    assert before - names(root) == {f".{OLD}.x1", OLD, f"{OLD}.build.log"}
    assert cache.tidy(root, keep={CURRENT}, now_s=NOW_S) == []


def test_nothing_goes_while_somebody_holds_it(root: Path) -> None:
    before = names(root)
    with cache.held(root), cache.held(root):
        assert cache.tidy(root, keep=set(), now_s=NOW_S) is None
    assert names(root) == before
    assert CURRENT in (cache.tidy(root, keep=set(), now_s=NOW_S) or [])


def test_a_cache_that_is_not_there_is_tidy(tmp_path: Path) -> None:
    assert cache.tidy(tmp_path / "none", keep=set(), now_s=NOW_S) == []


def test_recipes_as_they_are_now_stay_with_any_choice_of_their_options() -> None:
    keys = cache.current_keys(OWN_RECIPES)
    recipes = find_recipes(OWN_RECIPES)
    assert {cache_key(recipe) for recipe in recipes} <= keys
    assert any(recipe.offers for recipe in recipes)
    for recipe in recipes:
        assert cache_key(load_recipe(recipe.directory, options=recipe.offers)) in keys
    assert len(keys) == sum(2 ** len(recipe.offers) for recipe in recipes)
