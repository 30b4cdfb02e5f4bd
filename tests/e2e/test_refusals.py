"""What can't be done is refused with the reason and the way out, and leaves nothing half made.

Frazil's own parts are real; the desktops are those of the hypervisor of files, as nothing here is about guests.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from frazil.client import Client
from frazil.model.errors import NotFound
from frazil.wire.rest import (
    Problem,
    TokenRequest,
    UserRequest,
)
from tests.harness.refusals import ask, everything_in, files_of_images, full_of, images_of, qcow2, said
from tests.harness.stack import PASSWORD, Stack
from tests.harness.waiting import until

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
MIB = 1 << 20
NOBODY = "01900000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def calm() -> Iterator[Stack]:
    """A stack that nothing is broken in, with one image and one pool."""
    with Stack(fake=True) as made:
        made.start()
        made.empty_image("plain")
        made.pool("office", image="plain", spares=0)
        yield made


# --- wrong image files ----------------------------------------------------------------------------------------------


def _garbage(place: Path) -> Path:
    return full_of(place / "garbage.qcow2", MIB)


def _backed(place: Path) -> Path:
    return qcow2(place / "backed.qcow2", "-b", str(qcow2(place / "base.qcow2", "-o", "size=8M")), "-F", "qcow2")


def _reads_a_secret(place: Path) -> Path:
    """The classic: an "image" that is a window to a file of the host."""
    return qcow2(place / "window.qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", "-o", "size=1M")


def _own_data_file(place: Path) -> Path:
    return qcow2(place / "outside.qcow2", "-o", f"data_file={place / 'data.raw'},size=1M")


def _truncated(place: Path) -> Path:
    whole = place / "whole.qcow2"
    source = full_of(place / "source.raw", 2 * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(source), str(whole)], check=True, timeout=30)
    cut = place / "cut.qcow2"
    cut.write_bytes(whole.read_bytes()[:MIB])
    return cut


def _header_only(place: Path) -> Path:
    cut = place / "header.qcow2"
    cut.write_bytes(qcow2(place / "long.qcow2", "-o", "size=1M").read_bytes()[:90])
    return cut


def _directory(place: Path) -> Path:
    (place / "directory").mkdir(exist_ok=True)
    return place / "directory"


def _link_to_a_device(place: Path) -> Path:
    (place / "device").symlink_to("/dev/zero")
    return place / "device"


WRONG_FILES: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "garbage called qcow2": (_garbage, "qcow2", "is no qcow2 image"),
    "backing file": (_backed, "qcow2", "names a backing file"),
    "window to a secret": (_reads_a_secret, "qcow2", "names a backing file"),
    "data file": (_own_data_file, "qcow2", "keeps its data in another file"),
    "truncated": (_truncated, "qcow2", "parts of it are missing"),
    "ends in its header": (_header_only, "qcow2", "ends within its header"),
    "qcow2 called raw": (lambda place: qcow2(place / "q", "-o", "size=1M"), "raw", "called raw but is qcow2"),
    "half a sector": (lambda place: full_of(place / "odd.raw", 700), "raw", "whole number of 512-byte sectors"),
    "empty": (lambda place: full_of(place / "empty.raw", 0), "raw", "has 0 bytes"),
    "directory": (_directory, "qcow2", "is not a file"),
    "device": (_link_to_a_device, "raw", "is not a file"),
    "no such file": (lambda place: place / "nowhere.qcow2", "qcow2", "There is no file"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_image_file_is_refused_and_forgotten(calm: Stack, place: Path, name: str) -> None:
    make, disk_format, words = WRONG_FILES[name]
    file = make(place)
    before = (images_of(calm), files_of_images(calm))
    done = calm.frazil("image", "import", str(file), "--format", disk_format, "--name", "wrong")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.split(". ")) > 1, "a way out is told"
    until(lambda: (images_of(calm), files_of_images(calm)) == before, "nothing of it is left")
    with pytest.raises(NotFound):
        calm.root.image("wrong")


# --- names that are taken or unknown ---------------------------------------------------------------------------------


def test_taken_names(calm: Stack) -> None:
    calm.root.add_user(UserRequest(name="taken", password=SecretStr(PASSWORD)))
    pools, users = calm.root.pools(), calm.root.users()
    done = calm.frazil("pool", "create", "office", "--image", "plain")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is a pool called office already. Choose another name." in done.stderr
    for path, body in (
        ("/api/v1/pools", {"name": "office", "image": "plain"}),
        ("/api/v1/users", {"name": "taken", "password": PASSWORD}),
    ):
        status, problem = ask(calm, "POST", path, json.dumps(body).encode())
        assert (status, problem.type) == (409, "urn:frazil:problem:name-taken")
        said(problem)
    assert calm.root.pools() == pools
    assert calm.root.users() == users


def test_an_images_name_is_never_taken_it_gets_a_further_version(calm: Stack, place: Path) -> None:
    """Images are immutable: what runs keeps the version that it has."""
    first = calm.root.image("plain")
    second = calm.empty_image("plain")
    assert (second.name, second.version) == (first.name, first.version + 1)
    assert calm.root.image(first.id) == first
    calm.root.delete_image(second.id)
    until(lambda: [one.version for one in calm.root.images() if one.name == "plain"] == [first.version], "it is gone")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("pool", "show", "nowhere"), "There is no pool called 'nowhere'."),
        (("pool", "delete", "nowhere"), "There is no pool called 'nowhere'."),
        (("pool", "create", "next", "--image", "nowhere"), "There is no image called 'nowhere'."),
        (("image", "delete", "nowhere"), "There is no image called 'nowhere'."),
        (("image", "build", "nowhere"), "There is no recipe called nowhere."),
        (("desktop", "show", "nowhere"), "There is no desktop called 'nowhere'."),
        (("desktop", "start", NOBODY), f"There is no desktop called '{NOBODY}'."),
        (("grant", "office", "nobody"), "There is no user called 'nobody'."),
        (("grant", "nowhere", "nobody"), "There is no pool called 'nowhere'."),
        (("revoke", "office", "nobody"), "There is no user called 'nobody'."),
    ],
)
def test_what_is_unknown_is_not_found(calm: Stack, words: tuple[str, ...], what: str) -> None:
    before = everything_in(calm)
    done = calm.frazil(*words)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert what in done.stderr
    assert done.stderr.strip() != what, "a way out is told"
    until(lambda: everything_in(calm) == before, "nothing is left of it")


def test_an_unknown_users_password_is_not_changed(calm: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "frazil.cli.main", "user", "passwd", "nobody", "--password-stdin"],
        input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60, check=False, cwd="/",
        env={**os.environ, "FRAZIL_CONFIG": str(calm.config)},
    )  # fmt: skip
    assert done.returncode == 3
    assert "There is no user called 'nobody'." in done.stderr


def test_what_is_unknown_is_not_found_by_the_api(calm: Stack) -> None:
    asked: tuple[tuple[str, str, bytes], ...] = (
        ("GET", "/api/v1/pools/nowhere", b""),
        ("GET", "/api/v1/images/nowhere", b""),
        ("GET", f"/api/v1/desktops/{NOBODY}", b""),
        ("POST", "/api/v1/pools", json.dumps({"name": "next", "image": "nowhere"}).encode()),
    )
    for method, path, body in asked:
        status, problem = ask(calm, method, path, body)
        assert (status, problem.type) == (404, "urn:frazil:problem:not-found"), path
        said(problem)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("pool", "create", "Not A Name", "--image", "plain"), "'Not A Name' can't be a name."),
        (("pool", "create", "next", "--image", "plain", "--spares", "9", "--max", "2"), "9 spares can't be kept"),
        (("image", "build", "../../etc/passwd"), "can't be a name"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_call(calm: Stack, words: tuple[str, ...], field: str) -> None:
    before = everything_in(calm)
    done = calm.frazil(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert field in done.stderr
    assert everything_in(calm) == before


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"name": "' + b"x" * 10_000_000 + b'", "image": "plain"}', 413, "too-large"),
        (b'{"name": "' + b"x" * 900_000 + b'", "image": "plain"}', 422, "invalid-input"),
        (b"[" * 1_000_000, 422, "invalid-input"),
        (b'{"name": "next", "image": ' + b'{"a":' * 150_000, 422, "invalid-input"),
        (b"\xff\xfe{}", 422, "invalid-input"),
        (b'{"name": "next", "image": "plain", "spares": 1e999}', 422, "invalid-input"),
        (b'{"name": "next", "image": "plain", "spares": ' + b"9" * 5000 + b"}", 422, "invalid-input"),
    ],
    ids=["10 MB", "a long name", "deep arrays", "deep objects", "no text", "infinite", "a long number"],
)
def test_a_monstrous_body_is_refused_at_the_public_port(calm: Stack, body: bytes, status: int, kind: str) -> None:
    token = _token(calm)
    before = everything_in(calm)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=calm.url, verify=_trust(calm), timeout=30) as http:
        answer = http.post("/api/v1/pools", content=body, headers=headers)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = Problem.model_validate_json(answer.content)
        assert (answer.status_code, problem.status) == (status, status), problem
        assert problem.type == f"urn:frazil:problem:{kind}"
        assert len(answer.content) < 2000, "what was sent is not sent back"
        assert http.get("/api/v1/pools", headers=headers).status_code == 200, "it goes on"
        said(problem)
    until(lambda: everything_in(calm) == before, "nothing is left of it")


def _trust(stack: Stack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(stack.ca))


def _token(stack: Stack) -> str:
    """An administrator's; made once for a stack."""
    names = {user.name for user in stack.root.users()}
    if "chief" not in names:
        stack.root.add_user(UserRequest(name="chief", password=SecretStr(PASSWORD), role="administrator"))
    with Client.remote(stack.url, ca=stack.ca) as client:
        login = client.sign_in("chief", SecretStr(PASSWORD))
        return client.make_token(TokenRequest(name="test"), csrf_token=login.csrf_token).token
