"""What is there before and after something was refused, and the words with which it was."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx

from frazil.model.errors import FrazilError
from frazil.wire.rest import Problem
from tests.harness.stack import Stack


def qcow2(path: Path, *more: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *more, str(path)], check=True, timeout=30)
    return path


def full_of(path: Path, size: int) -> Path:
    """A disk of random bytes, which no file system makes smaller."""
    path.write_bytes(os.urandom(size))
    return path


def said(error: FrazilError | Problem) -> None:
    """The words that people read: what happened, and what they can do."""
    what = error.detail if isinstance(error, Problem) else error.what
    for words in (what, error.remedy):
        assert words, f"nothing is said: {error!r}"
        named = isinstance(error, Problem) and error.field is not None and words.startswith(f"{error.field}: ")
        assert named or words[0].isupper() or not words[0].isalpha(), words
        assert not any(strange in words for strange in ("Errno", "Traceback", "object at", "None", "pydantic")), words


def images_of(stack: Stack) -> list[str]:
    return sorted(image.name for image in stack.root.images())


def files_of_images(stack: Stack) -> list[str]:
    settings = stack.settings
    found = [
        *settings.incoming_dir.iterdir(),
        *settings.images_dir.iterdir(),
        *(settings.images_dir / ".staging").iterdir(),
    ]
    return sorted(path.name for path in found if not path.name.endswith(".build.log"))


def everything_in(stack: Stack) -> list[object]:
    root = stack.root
    return [root.pools(), root.images(), root.users(), root.desktops(), files_of_images(stack)]


def ask(stack: Stack, method: str, path: str, body: bytes = b"") -> tuple[int, Problem]:
    """As this machine's root; the answer is a problem."""
    transport = httpx.HTTPTransport(uds=str(stack.settings.local_socket))
    with httpx.Client(transport=transport, base_url="http://local", timeout=30) as http:
        answer = http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    return answer.status_code, Problem.model_validate_json(answer.content)
