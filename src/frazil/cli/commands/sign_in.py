"""`frazil login` and `frazil setup-link`."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from frazil.cli import connection, output, password
from frazil.cli.connection import SignIn, connect
from frazil.cli.options import Json, PasswordStdin
from frazil.cli.portal import portal_url
from frazil.cli.validated import valid
from frazil.client import Client
from frazil.wire.rest import TokenRequest


def login(
    url: Annotated[str, typer.Argument(help="The portal's address: https://…")],
    name: Annotated[str, typer.Option("--name", prompt="Name", help="Who signs in.")],
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the authority to trust, if it is its own.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How long the sign-in holds.")] = 90,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Sign in to a controller elsewhere; the other commands then work with it.

    An API token is made and kept in ~/.config/frazil/login.json, for your eyes only; the password is not kept.

    \b
    Examples:
      frazil login https://desktops.example.org --name anna
      frazil login https://10.0.0.5:8443 --name anna --ca frazil-ca.pem --password-stdin < password.txt
    """
    secret = password.read(from_stdin=password_stdin, twice=False)
    with Client.remote(url, ca=ca) as client:
        signed_in = client.sign_in(name, secret)
        request = valid(TokenRequest, name=f"frazil on {platform.node() or 'a machine'}", expires_in_s=days * 86400)
        token = client.make_token(request, csrf_token=signed_in.csrf_token)
        client.sign_out(csrf_token=signed_in.csrf_token)
    path = connection.sign_in_file(os.environ)
    connection.save(path, SignIn(url, SecretStr(token.token), ca))
    user = signed_in.user
    result: dict[str, object] = {
        "url": url,
        "user": user.name,
        "role": user.role,
        "until": token.expires_at.isoformat(),
    }
    until = output.when(token.expires_at)
    output.answer(
        result, as_json=as_json, people=lambda: output.say(f"Signed in to {url} as {user.name} until {until} UTC.")
    )


def setup_link(as_json: Json = False) -> None:
    """Make a new one-time link on which the first administrator is made. Only root of the controller's machine can.

    \b
    Examples:
      sudo frazil setup-link
    """
    with connect() as client:
        link = client.setup_link()
    url = portal_url(connection.settings()) + link.path
    output.answer({"url": url}, as_json=as_json, people=lambda: print(url))
