"""Built images kept for the next one of the same recipe: `<root>/<key>/`, and `<root>/.<key>.*` while one is built.

All installations on a host may share it. Whoever builds into it, or takes an image out of it, holds it together with
others; whoever tidies it up holds it alone, or leaves it as it is. The kernel lets go of what a dead process held.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Set
from contextlib import contextmanager
from itertools import chain, combinations
from pathlib import Path

from frazil.server.images.build import cache_key
from frazil.server.images.recipe import find_recipes, load_recipe

DEAD_AFTER_S = 3600.0
"""A half-made image is a dead build's when nothing was written into its directory for so long."""
_KEY = re.compile(r"[0-9a-f]{32}")
_HALF_MADE = re.compile(r"\.[0-9a-f]{32}\..+")


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Nothing is tidied away meanwhile. Makes `root` if need be. Blocks while somebody tidies. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True)
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_SH)
        yield
    finally:
        os.close(directory)


def current_keys(recipes_dir: Path) -> frozenset[str]:
    """The keys of all recipes as they are now, with any choice of their options. Raises InvalidInput, OSError."""
    return frozenset(
        cache_key(load_recipe(recipe.directory, options=options))
        for recipe in find_recipes(recipes_dir)
        for options in chain.from_iterable(
            combinations(sorted(recipe.offers), count) for count in range(len(recipe.offers) + 1)
        )
    )


def tidy(root: Path, *, keep: Set[str], now_s: float) -> list[str] | None:
    """Remove images that no store has a link to and whose key is not in `keep`, and what dead builds left.

    now_s: seconds since 1970. Returns the names of what went; None, and nothing goes, while somebody holds the cache.
    Blocks. Raises OSError.
    """
    try:
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        doomed = [path for path in sorted(root.iterdir()) if _is_done_with(path, keep=keep, now_s=now_s)]
        for path in doomed:
            shutil.rmtree(path)
            if _KEY.fullmatch(path.name):
                path.with_name(f"{path.name}.build.log").unlink(missing_ok=True)
        return [path.name for path in doomed]
    finally:
        os.close(directory)


def _is_done_with(path: Path, *, keep: Set[str], now_s: float) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    if _HALF_MADE.fullmatch(path.name):
        return now_s - path.stat().st_mtime > DEAD_AFTER_S
    if _KEY.fullmatch(path.name) is None or path.name in keep:
        return False
    try:
        return (path / "disk.qcow2").stat().st_nlink == 1
    except FileNotFoundError:
        return False  # not a built image: not ours to judge
