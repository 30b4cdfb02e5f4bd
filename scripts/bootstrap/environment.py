"""The virtual environment in .venv, made from a lock file in which every package is pinned by its hash.

Its stamp names the hashes of the lock files that it holds; it is made anew only when they changed. Frazil itself is
installed again when its own compiled part did.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from command import run
from progress import Board, counted

PYTHON = "/usr/bin/python3"
WAY_OUT = "Check the network, then run the same command again: it goes on from here."
BUILD_WAY_OUT = "When what it misses is there, run the same command again: it goes on from here."
PIP_OPTIONS = (
    "--require-hashes",
    "--no-deps",
    "--no-build-isolation",
    "--disable-pip-version-check",
    "--progress-bar=off",
)


def digest(*paths: Path) -> str:
    """SHA-256 over the files' contents."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def make(root: Path, *, lock: Path, board: Board) -> None:
    """Have `.venv` hold everything in `lock` and Frazil itself, as an editable package."""
    venv = root / ".venv"
    stamp = venv / "frazil-stamp.json"
    held: dict[str, str] = {}
    if stamp.exists():
        try:
            held = json.loads(stamp.read_text(encoding="utf-8"))
        except ValueError:
            held = {}
    build = root / "requirements-build.lock"
    base = {
        "python": _version(),
        "place": str(venv),
        "build": digest(build),
        "run": digest(root / "requirements.lock"),
    }
    compiled = sorted((root / "src").rglob("*.c")) + sorted((root / "scripts").glob("compile_*.py"))
    wanted = {**base, "project": digest(root / "pyproject.toml", *compiled)}
    if lock.name != "requirements.lock":
        wanted["dev"] = digest(lock)
    if all(held.get(key) == value for key, value in wanted.items()):
        return
    parts = lock.read_text(encoding="utf-8").count("==")
    with board.step("Python environment", usual_s=75) as step:
        if any(held.get(key) != value for key, value in base.items()):
            held = {}
            run([PYTHON, "-m", "venv", "--clear", str(venv)], doing="Making the virtual environment", way_out=WAY_OUT)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", *PIP_OPTIONS]
        if any(held.get(key) != value for key, value in wanted.items() if key != "project"):
            read = counted(step, total=parts, matches=lambda line: line.startswith("Collecting "), share=0.7)
            run([*pip, "-r", str(build)], doing="Installing what builds the Python packages", way_out=WAY_OUT)
            run([*pip, "-r", str(lock)], doing="Installing the Python packages", way_out=WAY_OUT, read=read)
        step.tell(0.95)
        own = [arg for arg in pip if arg != "--require-hashes"]
        run([*own, "--editable", str(root)], doing="Installing Frazil", way_out=BUILD_WAY_OUT)
        # what else is held stays held: the packages for tests, when this is for running only
        stamp.write_text(json.dumps({**held, **wanted}), encoding="utf-8")


def _version() -> str:
    """What the environment's Python is, whichever Python runs this."""
    return subprocess.run([PYTHON, "-VV"], capture_output=True, text=True, check=True).stdout.strip()
