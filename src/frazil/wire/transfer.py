"""How a host gets an image from another host: by mutual TLS, where that one hands out displays.

One question a connection, a JSON line of at most `LINE_MAX_BYTES`, answered with a JSON line: `ListImage` with
`ImageFiles`, `GetFile` with `FileFollows` and, when that has no failure, the file's bytes from `offset` on.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from frazil.wire.base import Message
from frazil.wire.hostlink import FailureField

LINE_MAX_BYTES = 16 << 10

FileName = Literal["disk.qcow2", "kernel", "initrd", "cmdline"]


class ListImage(Message):
    type: Literal["list"] = "list"
    image_id: str


class GetFile(Message):
    type: Literal["get"] = "get"
    image_id: str
    name: FileName
    offset: int = Field(ge=0)


class ImageFile(Message):
    name: FileName
    size_bytes: int = Field(ge=0)
    sha256: str


class ImageFiles(Message):
    """What an image is made of; `virtual_size_bytes` and `os` as its manifest says."""

    failure: FailureField | None = None
    files: list[ImageFile] = []
    virtual_size_bytes: int = 0
    os: str = ""


class FileFollows(Message):
    """`size_bytes`: so many come."""

    failure: FailureField | None = None
    size_bytes: int = 0


question: TypeAdapter[ListImage | GetFile] = TypeAdapter(Annotated[ListImage | GetFile, Field(discriminator="type")])
