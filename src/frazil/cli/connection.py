"""How a command reaches the controller, and where this person's sign-in is kept."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from frazil.cli.portal import portal_url
from frazil.client import Client
from frazil.model.errors import InvalidInput, Unavailable
from frazil.settings import Settings, load
from frazil.whole_file import write_whole

CONFIG = Path("/etc/frazil/frazil.toml")


def settings() -> Settings:
    """This machine's settings: from $FRAZIL_CONFIG, else /etc/frazil/frazil.toml, else the defaults."""
    return load(Path(os.environ.get("FRAZIL_CONFIG") or CONFIG))


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where and as whom a person works from afar. `ca` is a PEM file."""

    url: str
    token: SecretStr
    ca: Path | None


def sign_in_file(environment: Mapping[str, str]) -> Path:
    """Where `frazil login` keeps the sign-in."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/")) / ".config")
    return Path(base) / "frazil" / "login.json"


def save(path: Path, sign_in: SignIn) -> None:
    """Write the sign-in for its owner's eyes only; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps(
        {
            "url": sign_in.url,
            "token": sign_in.token.get_secret_value(),
            "ca": str(sign_in.ca.resolve()) if sign_in.ca else None,
        }
    )
    write_whole(path, text.encode())


def saved(path: Path) -> SignIn | None:
    """The sign-in that was saved, if one was."""
    if not path.exists():
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return SignIn(held["url"], SecretStr(held["token"]), Path(held["ca"]) if held.get("ca") else None)
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(
            f"{path} can't be read: {exc!r}.", remedy="Remove it and sign in again: frazil login"
        ) from exc


def connect() -> Client:
    """The controller: $FRAZIL_URL where it is set, else this machine's own as root, else where one signed in last."""
    environment = os.environ
    if url := environment.get("FRAZIL_URL"):
        token = environment.get("FRAZIL_TOKEN")
        ca = environment.get("FRAZIL_CA")
        return Client.remote(url, token=SecretStr(token) if token else None, ca=Path(ca) if ca else None)
    local = _local(settings())
    if local is not None:
        return Client.local(local)
    sign_in = saved(sign_in_file(environment))
    if sign_in is not None:
        return Client.remote(sign_in.url, token=sign_in.token, ca=sign_in.ca)
    if os.geteuid() == 0:
        raise Unavailable("Frazil is not up on this machine.", remedy="Start it: frazil up")
    raise Unavailable(
        "No controller is known here: only root can use this machine's own, and nobody signed in to another.",
        remedy="Use sudo, or: frazil login https://…",
    )


def _local(here: Settings) -> Path | None:
    """A controller of this machine that answers, else one that may be used; None where there is none."""
    found = [of.local for of in here.controller_sockets if os.access(of.local, os.W_OK)]
    return next((local for local in found if answers(local)), found[0] if found else None)


def answers(local: Path) -> bool:
    """Whether a controller listens there: one that was killed leaves its socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(local)) == 0


def public_place() -> tuple[str, Path | None]:
    """Where anybody can sign in to the controller that `connect` reaches: the address, and a PEM file to trust."""
    environment = os.environ
    if url := environment.get("FRAZIL_URL"):
        ca = environment.get("FRAZIL_CA")
        return url, Path(ca) if ca else None
    here = settings()
    if _local(here) is not None:
        return portal_url(here), here.tls_dir / "ca.pem"
    sign_in = saved(sign_in_file(environment))
    if sign_in is None:
        raise Unavailable("No controller is known here.", remedy="Use sudo, or: frazil login https://…")
    return sign_in.url, sign_in.ca


def pause(seconds: float) -> None:
    """Let time pass between two questions to the controller."""
    time.sleep(seconds)
