"""`frazil up` and the commands against it, here and from afar."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from frazil.cli.exits import Exit
from tests.integration.cli.installation import Installation, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
PASSWORD = "correct horse battery"


def test_from_nothing_to_signed_in_from_afar(installation: Installation) -> None:
    one = installation
    said = one.frazil("up", "--detach", "--no-first-desktop").stderr
    assert f"https://{one.settings.listen}/setup/" in said
    assert "/setup/" not in one.up_log(), "the link is a secret and the log is no place for it"
    assert "already" in one.frazil("up").stderr

    again = one.ask("setup-link")
    assert isinstance(again, dict)
    assert again["url"].startswith(f"https://{one.settings.listen}/setup/")
    one.frazil("user", "add", "root-of-it", "--administrator", "--password-stdin", stdin=PASSWORD)
    one.frazil("setup-link", expect=Exit.FAILED)
    one.frazil("user", "add", "anna", "--display-name", "Anna Kis", "--password-stdin", stdin=PASSWORD)
    one.frazil("user", "add", "anna", "--password-stdin", stdin=PASSWORD, expect=Exit.FAILED)
    one.frazil("user", "add", "bela", "--password-stdin", stdin="short", expect=Exit.WRONG_CALL)
    users = one.ask("user", "list")
    assert isinstance(users, list)
    assert {(user["name"], user["role"]) for user in users} == {("root-of-it", "administrator"), ("anna", "user")}

    one.frazil("pool", "show", "none", expect=Exit.NOT_FOUND)
    one.frazil("desktop", "stop", "none", expect=Exit.NOT_FOUND)
    one.frazil("grant", "none", "anna", expect=Exit.NOT_FOUND)
    one.frazil("image", "delete", "none", expect=Exit.NOT_FOUND)
    assert one.ask("pool", "list") == []
    assert one.ask("desktop", "list") == []

    afar = {"XDG_CONFIG_HOME": str(one.home / "afar"), "FRAZIL_CONFIG": "/nonexistent"}
    url = f"https://{one.settings.listen}"
    ca = str(one.settings.tls_dir / "ca.pem")
    untrusted = one.frazil(
        "login", url, "--name", "anna", "--password-stdin", stdin=PASSWORD, expect=Exit.WRONG_CALL, env=afar
    )
    assert "--ca" in untrusted.stderr
    wrong = ("login", url, "--name", "anna", "--ca", ca, "--password-stdin")
    one.frazil(*wrong, stdin="not the password", expect=Exit.REFUSED, env=afar)
    one.frazil(*wrong, stdin=PASSWORD, env=afar)
    kept = one.home / "afar" / "frazil" / "login.json"
    assert kept.stat().st_mode & 0o077 == 0
    token = json.loads(kept.read_text())["token"]
    remote = {"FRAZIL_URL": url, "FRAZIL_TOKEN": token, "FRAZIL_CA": ca}
    assert one.ask("pool", "list", env=remote) == []
    one.frazil("user", "list", expect=Exit.REFUSED, env=remote)
    one.frazil("pool", "list", expect=Exit.REFUSED, env={**remote, "FRAZIL_TOKEN": "frz_wrong"})
    for log in one.settings.log_dir.iterdir():
        assert PASSWORD not in log.read_text()
        assert token not in log.read_text()


def test_a_file_that_is_no_image_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    one = installation
    one.frazil("up", "--detach", "--no-first-desktop")
    wait_for(lambda: any(host["state"] == "up" for host in _list(one.ask("host", "list"))))
    bad = tmp_path / "bad.qcow2"
    bad.write_bytes(b"QFI\xfb" + b"\xff" * 4096)
    done = one.frazil("image", "import", str(bad), "--format", "qcow2", "--name", "bad", expect=Exit.WRONG_CALL)
    assert done.stderr
    assert one.ask("image", "list") == []
    assert list(one.settings.incoming_dir.iterdir()) == []
    one.frazil("image", "import", str(tmp_path / "none"), "--format", "raw", "--name", "x", expect=Exit.WRONG_CALL)
    one.frazil("image", "import", str(bad), "--format", "vmdk", "--name", "x", expect=Exit.WRONG_CALL)


def test_a_port_in_use_stops_it_with_the_reason(installation: Installation) -> None:
    one = installation
    address, _, port = one.settings.listen.rpartition(":")
    with socket.create_server((address, int(port))):
        done = one.frazil("up", "--no-first-desktop", expect=Exit.FAILED)
    assert f"Port {port} is in use by" in done.stderr
    assert f"process {os.getpid()}" in done.stderr


def test_a_bad_certificate_stops_it_with_the_files_name(installation: Installation, tmp_path: Path) -> None:
    bad = tmp_path / "cert.pem"
    bad.write_text("no certificate")
    with installation.config.open("a") as config:
        config.write(f'tls_certificate = "{bad}"\ntls_key = "{bad}"\n')
    done = installation.frazil("up", "--no-first-desktop", expect=Exit.WRONG_CALL)
    assert str(bad) in done.stderr


def _list(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value
