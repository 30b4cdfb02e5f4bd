"""People in a CSV file."""

from __future__ import annotations

import contextlib
import csv
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.cli import roster
from frazil.cli.roster import Entry
from frazil.model.errors import InvalidInput

PASSWORD = "correct horse"


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "class.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _said(entry: Entry) -> tuple[str, str | None, tuple[str, ...]]:
    return entry.request.name, entry.request.display_name, entry.groups


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_everybody_is_read_as_spreadsheets_write_them(tmp_path: Path, separator: str, end: str) -> None:
    lines = [
        ["Display_Name", "name", "groups", "password"],
        ["Kis Anna", "anna", "maths  art", PASSWORD],
        ["", "", "", ""],
        [' "Béla, the ""second"""; of two"', "bela", "", ""],
    ]
    text = "\ufeff" + end.join(separator.join(line) for line in lines[:3]) + end
    text += separator.join(['"Béla, the ""second""; of two"', *lines[3][1:]])
    anna, bela = roster.read(_file(tmp_path, text), groups=["class-7", "maths"])
    assert _said(anna) == ("anna", "Kis Anna", ("class-7", "maths", "art"))
    assert anna.request.password.get_secret_value() == PASSWORD
    assert anna.has_password
    assert _said(bela) == ("bela", 'Béla, the "second"; of two', ("class-7", "maths"))
    assert not bela.has_password


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name\nanna\nAnna Kis\n", "Line 3: 'Anna Kis' can't be a name."),
        ("name,password\nanna,short\n", "Line 2: password: "),
        ("display_name,name\nAnna,\n", "Line 2 has no name."),
        ("name\nanna,Anna\n", "Line 2 has 2 values for 1 columns."),
        ("name\nanna\nbela\nanna\n", "anna is in it twice."),
        ("anna\nbela\n", "The first line does not name the columns, but says: anna."),
        ("name,name\nanna,b\n", "The first line does not name the columns, but says: name, name."),
        ("name\n\n", "There is nobody in "),
        ("", "The first line does not name the columns"),
        ('name\n"anna\n', "Line 2 is no CSV: "),
        (b"name,display_name\nanna,\xc1gi\n", "is not UTF-8."),
        (b"name\n" + b"a" * roster.FILE_MAX_BYTES, "is larger than 4 MiB."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        roster.read(_file(tmp_path, text))
    assert what in caught.value.what
    assert PASSWORD not in str(caught.value)


def test_a_password_is_taken_as_it_is(tmp_path: Path) -> None:
    spaced, blank = roster.read(_file(tmp_path, f"name,password\nanna, {PASSWORD} \nbela,   \n"))
    assert spaced.request.password.get_secret_value() == f" {PASSWORD} "
    assert not blank.has_password


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be read: No such file"):
        roster.read(tmp_path / "none.csv")


def test_passwords_that_are_made_differ_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    entries = roster.read(_file(tmp_path, "name\n" + "\n".join(f"p{n}" for n in range(500))))
    made = {one.request.password.get_secret_value() for one in entries}
    assert len(made) == 500
    path = tmp_path / "passwords.csv"
    roster.write_passwords(path, entries)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8", newline="") as file:
        assert {row["password"] for row in csv.DictReader(file)} == made
    assert [_said(one) for one in roster.read(path)] == [_said(one) for one in entries]


def test_no_file_of_passwords_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "passwords.csv"
    path.write_text("the first ones")
    with pytest.raises(InvalidInput, match="already"):
        roster.write_passwords(path, [])
    assert path.read_text() == "the first ones"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="already"):
        roster.write_passwords(path, [])
    assert not (tmp_path / "elsewhere").exists()


@given(data=st.binary(max_size=300))
def test_any_file_is_read_or_refused_in_words(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(b"name,display_name\n" + data)
    with contextlib.suppress(InvalidInput):
        assert all(one.request.name for one in roster.read(path))
