"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int, uid: int = -1, gid: int | None = None) -> None:
    """Put `content` in the place of what is there, and never readable for longer than `mode` allows."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if uid != -1 or gid is not None:
                os.fchown(fd, uid, -1 if gid is None else gid)
            os.fchmod(fd, mode)
            file.flush()
            os.fsync(fd)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
