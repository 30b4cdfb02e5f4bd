"""Recipes of guest images: `recipe.toml` read into values, each wrong key refused by name.

A recipe is a directory: `recipe.toml`, the files that it lays over the new root, and scripts that are run inside it.
What several recipes share is a part, a directory with `part.toml`, which a recipe takes in by `parts`. What a person
may choose is an option, a table of the recipe. docs/reference/images.md explains every key.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from frazil.model.errors import InvalidInput, NotFound
from frazil.server.images.recipe_table import Table, wrong

FILE_NAME = "recipe.toml"
PART_NAME = "part.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_OPTION = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SUITE = re.compile(r"[a-z][a-z0-9-]*")
_WARM = re.compile(r"run [ -~]+|read /[ -~]+")
_MIN_DISK_MIB = 2048
_MAX_DISK_MIB = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOs:
    """What runs in the guest. `id` is osinfo-db's short id."""

    id: str
    family: str
    suite: str
    components: tuple[str, ...]
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectBoot:
    """Direct kernel boot: modules for the initial RAM disk, and the kernel's command line."""

    modules: tuple[str, ...]
    cmdline: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What is installed; path patterns (dpkg's) that are never unpacked, and exceptions from them."""

    include: tuple[str, ...]
    exclude_paths: tuple[str, ...]
    include_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One guest image to build. `directory` holds the recipe; paths in it are absolute and exist.

    sources: the TOML files that it was read from. offers: the options that may be chosen, with words for people.
    options: those that were chosen; what they add is in the other fields already. warm: what the guest does before it
    is frozen, `run COMMAND` or `read PATTERN` each.
    """

    name: str
    version: str
    title: str
    directory: Path
    sources: tuple[Path, ...]
    os: GuestOs
    disk_virtual_size_mib: int
    disk_label: str
    boot: DirectBoot
    packages: Packages
    overlays: tuple[Path, ...]
    scripts: tuple[Path, ...]
    warm: tuple[str, ...] = ()
    offers: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 over the recipe, its options, and all files that it uses: names, modes and contents."""
        total = hashlib.sha256()
        for top in (*self.sources, *self.scripts, *self.overlays):
            files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if not path.is_dir())
            for path in files:
                name = path.relative_to(top) if path != top else PurePosixPath(path.name)
                content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
                executable = not path.is_symlink() and bool(path.stat().st_mode & 0o100)
                total.update(f"{name}\0{executable}\0{len(content)}\0".encode() + content)
        total.update("\0".join(("options", *self.options)).encode())
        return total.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adds:
    """What a part, a recipe or an option adds to an image."""

    modules: tuple[str, ...] = ()
    cmdline: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude_paths: tuple[str, ...] = ()
    include_paths: tuple[str, ...] = ()
    overlays: tuple[Path, ...] = ()
    scripts: tuple[Path, ...] = ()
    warm: tuple[str, ...] = ()

    def and_then(self, other: _Adds) -> _Adds:
        return _Adds(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


def parse_reference(text: str) -> tuple[str, tuple[str, ...]]:
    """`debian-xfce+browser+office` is a recipe's name and the options that are chosen."""
    name, *options = text.split("+")
    return name, tuple(options)


def load_recipe(directory: Path, *, options: Iterable[str] = ()) -> Recipe:
    """The recipe in `directory`, with the chosen options.

    Raises NotFound where there is none, InvalidInput where it makes no sense or has no such option.
    """
    file = directory / FILE_NAME
    try:
        top = _parsed(file)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise NotFound(f"There is no recipe {file}.", remedy="`frazil image build --list` names the recipes.") from exc
    root = directory.resolve().parent
    os, disk = top.table("os"), top.table("disk")
    parts = [_inside(directory, name, root=root, directory=True) / PART_NAME for name in top.texts("parts")]
    adds = _Adds()
    for part in parts:
        try:
            table = _parsed(part)
        except FileNotFoundError as exc:
            raise wrong("parts", f"names {part.parent.name!r}, which has no {PART_NAME}") from exc
        adds = adds.and_then(_adds(table, part.parent, root=root))
        table.end()
    name, version, title = top.text("name", _NAME), top.text("version", _NAME), top.text("title")
    offered = top.table("options") if top.has("options") else Table({}, where="options")
    adds = adds.and_then(_adds(top, directory, root=root))
    chosen = tuple(sorted(set(options)))
    offers: dict[str, str] = {}
    for option in offered.names():
        table = offered.table(option)
        if _OPTION.fullmatch(option) is None:
            raise wrong(f"options.{option}", "is no name of an option")
        offers[option] = table.text("title")
        added = _option(table, directory, root=root)
        table.end()
        adds = adds.and_then(added) if option in chosen else adds
    for option in chosen:
        if option not in offers:
            raise InvalidInput(
                f"The recipe {name} has no option {option!r}.",
                remedy=f"It has: {', '.join(sorted(offers))}." if offers else "It has none.",
                field="options",
            )
    recipe = Recipe(
        name=name,
        version=version,
        title=title,
        directory=directory.resolve(),
        sources=(file, *parts),
        os=GuestOs(
            id=os.text("id", _NAME),
            family=os.text("family", re.compile("linux")),
            suite=os.text("suite", _SUITE),
            components=os.texts("components", re.compile(r"[a-z][a-z-]*")),
            architecture=os.text("architecture", re.compile("amd64")),
        ),
        disk_virtual_size_mib=disk.number("virtual_size_mib", least=_MIN_DISK_MIB, most=_MAX_DISK_MIB),
        disk_label=disk.text("label", re.compile(r"[A-Za-z0-9._-]{1,16}")),
        boot=DirectBoot(modules=adds.modules, cmdline=adds.cmdline),
        packages=Packages(
            include=tuple(dict.fromkeys(adds.include)),
            exclude_paths=adds.exclude_paths,
            include_paths=adds.include_paths,
        ),
        overlays=adds.overlays,
        scripts=adds.scripts,
        warm=adds.warm,
        offers=offers,
        options=chosen,
    )
    for table in (os, disk, offered, top):
        table.end()
    for key, there in (("os.components", recipe.os.components), ("boot.modules", adds.modules),
                       ("boot.cmdline", adds.cmdline), ("packages.include", adds.include)):  # fmt: skip
        if not there:
            raise wrong(key, "is missing")
    return recipe


def _parsed(file: Path) -> Table:
    try:
        return Table(tomllib.loads(file.read_text(encoding="utf-8")), where="")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"{file} is not valid TOML: {exc}.", remedy="Mend that line and build again.") from exc


def _adds(top: Table, directory: Path, *, root: Path) -> _Adds:
    """The tables that a recipe and a part have in common; each is optional, and so is each key."""
    boot, packages, files, template = (
        top.table(key) if top.has(key) else Table({}, where=key) for key in ("boot", "packages", "files", "template")
    )
    adds = _Adds(
        modules=boot.texts("modules", re.compile(r"[A-Za-z0-9_-]+")),
        cmdline=boot.texts("cmdline", re.compile(r"[!-~]+")),
        include=packages.texts("include", _PACKAGE),
        exclude_paths=packages.texts("exclude_paths", re.compile(r"/[ -~]+")),
        include_paths=packages.texts("include_paths", re.compile(r"/[ -~]+")),
        overlays=tuple(_inside(directory, name, root=root, directory=True) for name in files.texts("overlays")),
        scripts=tuple(_inside(directory, name, root=root, directory=False) for name in files.texts("scripts")),
        warm=template.texts("warm", _WARM),
    )
    for table in (boot, packages, files, template):
        table.end()
    return adds


def _option(table: Table, directory: Path, *, root: Path) -> _Adds:
    return _Adds(
        include=table.texts("packages", _PACKAGE),
        overlays=tuple(_inside(directory, name, root=root, directory=True) for name in table.texts("overlays")),
        scripts=tuple(_inside(directory, name, root=root, directory=False) for name in table.texts("scripts")),
        warm=table.texts("warm", _WARM),
    )


def _inside(at: Path, name: str, *, root: Path, directory: bool) -> Path:
    """A path that a recipe or a part names: below the folder that holds all recipes, never outside of it."""
    path = (at / name).resolve()
    if not path.is_relative_to(root):
        raise wrong("files", f"names {name!r}, which is outside of the recipes' folder")
    if not (path.is_dir() if directory else path.is_file()):
        raise wrong("files", f"names {name!r}, which is not a {'directory' if directory else 'file'}")
    return path


def find_recipes(directory: Path) -> tuple[Recipe, ...]:
    """All recipes below `directory`, by name, without options. Raises InvalidInput for one that makes no sense."""
    found = (load_recipe(file.parent) for file in sorted(directory.glob(f"*/{FILE_NAME}")))
    return tuple(sorted(found, key=lambda recipe: recipe.name))
