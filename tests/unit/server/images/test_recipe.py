"""Recipes are read whole, and each wrong key is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from frazil.model.errors import InvalidInput, NotFound
from frazil.server.images.build import cache_key
from frazil.server.images.recipe import find_recipes, load_recipe, parse_reference

IMAGES = Path(__file__).parents[4] / "images"

GOOD = """
name = "small"
version = "1"
title = "Small"
[os]
id = "debian12"
family = "linux"
suite = "bookworm"
components = ["main"]
architecture = "amd64"
[disk]
virtual_size_mib = 4096
label = "root"
[boot]
modules = ["ext4"]
cmdline = ["root=/dev/vda"]
[packages]
include = ["kmod"]
exclude_paths = ["/usr/share/man/*"]
include_paths = []
[files]
overlays = ["files"]
scripts = ["customize.sh"]
"""


@pytest.fixture
def recipe_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "small"
    (directory / "files/etc").mkdir(parents=True)
    (directory / "files/etc/motd").write_text("hello\n")
    (directory / "customize.sh").write_text("#!/bin/sh\n")
    (directory / "recipe.toml").write_text(GOOD)
    return directory


def test_the_recipes_that_ship_make_sense() -> None:
    recipes = find_recipes(IMAGES)
    assert [recipe.name for recipe in recipes] == ["debian-icewm", "debian-xfce"]
    assert all(recipe.name == recipe.directory.name for recipe in recipes)


def test_no_recipe_names_a_package_archive() -> None:
    for file in IMAGES.rglob("*"):
        if file.is_file():
            assert b"http://deb." not in file.read_bytes(), file


def test_a_recipe_is_read(recipe_directory: Path) -> None:
    recipe = load_recipe(recipe_directory)
    assert recipe.os.suite == "bookworm"
    assert recipe.disk_virtual_size_mib == 4096
    assert recipe.overlays == (recipe_directory / "files",)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('name = "small"', 'name = "../small"', "name"),
        ('version = "1"', "version = 1", "version"),
        ('id = "debian12"', "", "os.id"),
        ("virtual_size_mib = 4096", "virtual_size_mib = 1", "disk.virtual_size_mib"),
        ("virtual_size_mib = 4096", "virtual_size_mib = true", "disk.virtual_size_mib"),
        ('include = ["kmod"]', 'include = ["kmod; reboot"]', "packages.include"),
        ('cmdline = ["root=/dev/vda"]', 'cmdline = ["a b"]', "boot.cmdline"),
        ('scripts = ["customize.sh"]', 'scripts = ["../../../etc/passwd"]', "files"),
        ('overlays = ["files"]', 'overlays = ["nowhere"]', "files"),
        ('title = "Small"', 'title = "Small"\ncolour = "red"', "colour"),
    ],
)
def test_a_wrong_key_is_named(recipe_directory: Path, old: str, new: str, field: str) -> None:
    assert old in GOOD
    (recipe_directory / "recipe.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidInput) as caught:
        load_recipe(recipe_directory)
    assert caught.value.field == field
    assert caught.value.remedy


def test_no_recipe_and_no_toml(recipe_directory: Path) -> None:
    with pytest.raises(NotFound):
        load_recipe(recipe_directory / "files")
    (recipe_directory / "recipe.toml").write_text("name = ")
    with pytest.raises(InvalidInput, match="TOML"):
        load_recipe(recipe_directory)


def test_the_key_changes_with_every_file_and_mode(recipe_directory: Path) -> None:
    keys = [cache_key(load_recipe(recipe_directory))]
    assert cache_key(load_recipe(recipe_directory)) == keys[0]
    (recipe_directory / "files/etc/motd").write_text("other\n")
    keys.append(cache_key(load_recipe(recipe_directory)))
    (recipe_directory / "customize.sh").chmod(0o755)
    keys.append(cache_key(load_recipe(recipe_directory)))
    (recipe_directory / "files/link").symlink_to("etc/motd")
    keys.append(cache_key(load_recipe(recipe_directory)))
    assert len(set(keys)) == len(keys)


PART = """
[boot]
modules = ["virtio_blk"]
[packages]
include = ["dbus", "kmod"]
[files]
overlays = ["files"]
scripts = ["part.sh"]
[template]
warm = ["read /usr/bin/dbus*"]
"""
OPTION = """
[template]
warm = ["run editor"]
[options.browser]
title = "A browser"
packages = ["firefox-esr"]
scripts = ["browser.sh"]
warm = ["run firefox-esr about:blank"]
"""


@pytest.fixture
def with_part(recipe_directory: Path) -> Path:
    """The recipe, with a part beside it and an option in it."""
    part = recipe_directory.parent / "common/part"
    (part / "files").mkdir(parents=True)
    (part / "part.sh").write_text("#!/bin/sh\n")
    (part / "part.toml").write_text(PART)
    (recipe_directory / "browser.sh").write_text("#!/bin/sh\n")
    (recipe_directory / "recipe.toml").write_text(
        GOOD.replace('title = "Small"', 'title = "Small"\nparts = ["../common/part"]') + OPTION
    )
    return recipe_directory


def test_a_part_comes_first_and_each_package_once(with_part: Path) -> None:
    recipe = load_recipe(with_part)
    part = with_part.parent / "common/part"
    assert recipe.packages.include == ("dbus", "kmod")
    assert recipe.boot.modules == ("virtio_blk", "ext4")
    assert recipe.overlays == (part / "files", with_part / "files")
    assert recipe.scripts == (part / "part.sh", with_part / "customize.sh")
    assert recipe.warm == ("read /usr/bin/dbus*", "run editor")
    assert (dict(recipe.offers), recipe.options) == ({"browser": "A browser"}, ())


def test_an_option_adds_what_it_says_and_makes_another_image(with_part: Path) -> None:
    plain, chosen = load_recipe(with_part), load_recipe(with_part, options=["browser", "browser"])
    assert chosen.options == ("browser",)
    assert chosen.packages.include == (*plain.packages.include, "firefox-esr")
    assert chosen.scripts[-1] == with_part / "browser.sh"
    assert chosen.warm[-1] == "run firefox-esr about:blank"
    assert cache_key(plain) != cache_key(chosen)
    with pytest.raises(InvalidInput, match="no option 'office'") as caught:
        load_recipe(with_part, options=["office"])
    assert caught.value.remedy == "It has: browser."


def test_a_change_of_a_part_makes_another_image(with_part: Path) -> None:
    before = cache_key(load_recipe(with_part))
    part = with_part.parent / "common/part/part.toml"
    part.write_text(PART.replace("dbus*", "dbus-daemon"))
    assert cache_key(load_recipe(with_part)) != before


@pytest.mark.parametrize(
    ("file", "old", "new", "field"),
    [
        ("../common/part/part.toml", 'scripts = ["part.sh"]', 'script = "part.sh"', "files.script"),
        ("../common/part/part.toml", 'warm = ["read /usr/bin/dbus*"]', 'warm = ["reboot"]', "template.warm"),
        ("recipe.toml", 'parts = ["../common/part"]', 'parts = ["../../part"]', "files"),
        ("recipe.toml", 'parts = ["../common/part"]', 'parts = ["../common"]', "parts"),
        ("recipe.toml", 'title = "A browser"', "", "options.browser.title"),
        ("recipe.toml", "[options.browser]", "[options.Browser]", "options.Browser"),
    ],
)
def test_a_wrong_key_of_a_part_or_option_is_named(with_part: Path, file: str, old: str, new: str, field: str) -> None:
    path = with_part / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InvalidInput) as caught:
        load_recipe(with_part)
    assert caught.value.field == field


def test_a_recipe_and_its_options_in_one_word() -> None:
    assert parse_reference("debian-xfce+browser+office") == ("debian-xfce", ("browser", "office"))
    assert parse_reference("debian-icewm") == ("debian-icewm", ())


def test_the_options_that_ship_make_sense() -> None:
    for recipe in find_recipes(IMAGES):
        assert load_recipe(recipe.directory, options=recipe.offers).options == tuple(sorted(recipe.offers))
