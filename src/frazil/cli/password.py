"""Passwords: asked for on the terminal or read from the standard input, never taken from the command's words."""

from __future__ import annotations

import getpass
import sys

from pydantic import SecretStr

from frazil.model.errors import InvalidInput


def read(*, from_stdin: bool, twice: bool, question: str = "Password") -> SecretStr:
    """The password. With `twice` a person has to type it again."""
    if from_stdin:
        line = sys.stdin.readline()
        if not line:
            raise InvalidInput("The standard input is empty.", remedy="Like this: frazil … --password-stdin < file")
        return SecretStr(line.rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise InvalidInput("There is no terminal to ask for the password on.", remedy="Give --password-stdin.")
    first = getpass.getpass(f"{question}: ")
    if twice and getpass.getpass(f"{question} again: ") != first:
        raise InvalidInput("The two are not the same.", remedy="Nothing was changed; try again.")
    return SecretStr(first)
