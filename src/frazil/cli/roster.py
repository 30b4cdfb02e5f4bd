"""People in a CSV file, as a school or a spreadsheet writes one, and the first passwords made for them."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from frazil.cli.validated import valid
from frazil.model.errors import InvalidInput
from frazil.wire.rest import UserRequest

COLUMNS = ("name", "display_name", "password", "groups")
SEPARATORS = (",", ";", "\t")
"""Spreadsheets of countries with a decimal comma write semicolons."""
FILE_MAX_BYTES = 4 << 20
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""What can't be taken for another one when it is read off paper."""
PASSWORD_PARTS, PART_LETTERS = 3, 4
"""59 bits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the file. `has_password`: it says one; else `request` has one that was made."""

    request: UserRequest
    groups: tuple[str, ...]
    has_password: bool


def read(path: Path, *, groups: Sequence[str] = ()) -> list[Entry]:
    """Everybody in a file, each in `groups` too. Raises InvalidInput, with the line, when anything in it is wrong.

    The first line names the columns: `name`, and if wanted `display_name`, `password` and `groups`, which are separated
    by blanks. UTF-8; commas, semicolons or tabs.
    """
    text = _text(path)
    heading = text.partition("\n")[0]
    separator = max(SEPARATORS, key=heading.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = _columns(next(rows, []))
        found = [
            _entry(columns, row, line=rows.line_num, groups=groups)
            for row in rows
            if any(value.strip() for value in row)
        ]
    except csv.Error as exc:
        what = f"Line {rows.line_num} is no CSV: {exc}."
        raise InvalidInput(what, remedy="Save it as CSV again.", field="file") from exc
    if not found:
        raise InvalidInput(f"There is nobody in {path}.", remedy="Give each person a line.", field="file")
    _each_once(found)
    return found


def write_passwords(path: Path, entries: Iterable[Entry]) -> None:
    """Those that were made, in a new file for its owner's eyes only. Raises InvalidInput when it can't be written."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as exc:
        raise InvalidInput(
            f"There is a file {path} already.", remedy="Give the passwords another one.", field="passwords"
        ) from exc
    except OSError as exc:
        raise InvalidInput(f"{path} can't be written: {exc.strerror}.", field="passwords") from exc
    with os.fdopen(made, "w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS[:3])
        for one in entries:
            asked = one.request
            rows.writerow((asked.name, asked.display_name or "", asked.password.get_secret_value()))
        out.flush()
        os.fsync(out.fileno())


def _text(path: Path) -> str:
    try:
        with path.open("rb") as source:
            data = source.read(FILE_MAX_BYTES + 1)
        if len(data) > FILE_MAX_BYTES:
            raise InvalidInput(
                f"{path} is larger than {FILE_MAX_BYTES >> 20} MiB.", remedy="Split it into several.", field="file"
            )
        return data.decode("utf-8-sig")
    except OSError as exc:
        raise InvalidInput(f"{path} can't be read: {exc.strerror}.", field="file") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path} is not UTF-8.", remedy="Save it as “CSV UTF-8”.", field="file") from exc


def _columns(heading: Sequence[str]) -> list[str]:
    columns = [name.strip().lower() for name in heading]
    if "name" not in columns or not set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
        raise InvalidInput(
            f"The first line does not name the columns, but says: {', '.join(columns)[:100]}.",
            remedy=f"Name each once, in any order: {', '.join(COLUMNS)}. Only name is needed.",
            field="file",
        )
    return columns


def _entry(columns: Sequence[str], row: Sequence[str], *, line: int, groups: Sequence[str]) -> Entry:
    if len(row) > len(columns):
        what = f"Line {line} has {len(row)} values for {len(columns)} columns."
        raise InvalidInput(what, remedy="Put a value that has separators in it into quotes.", field="file")
    given = {name: text for name, text in zip(columns, row, strict=False) if text.strip()}
    value = {name: text.strip() for name, text in given.items()}
    if "name" not in value:
        raise InvalidInput(f"Line {line} has no name.", remedy="Give each person what they sign in with.", field="name")
    said = given.get("password")  # blanks around it are a part of it
    try:
        request = valid(
            UserRequest,
            name=value["name"],
            password=SecretStr(said or _password()),
            display_name=value.get("display_name"),
        )
    except InvalidInput as exc:
        raise InvalidInput(f"Line {line}: {exc.what}", remedy=exc.remedy, field=exc.field) from exc
    return Entry(request, tuple(dict.fromkeys((*groups, *value.get("groups", "").split()))), said is not None)


def _each_once(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    for one in entries:
        if one.request.name in seen:
            what = f"{one.request.name} is in it twice."
            raise InvalidInput(what, remedy="Give each person a name of their own.", field="name")
        seen.add(one.request.name)


def _password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(PART_LETTERS)) for _ in range(PASSWORD_PARTS))
