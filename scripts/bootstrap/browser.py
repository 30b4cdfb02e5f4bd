"""The browser code: `npm ci` fetches by its lock file, `npm run build` builds; each only when its source changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from command import run
from progress import Board, Failed

WAY_OUT = "Check the network, then run the same command again."
BUILT = Path("src/frazil/controller/portal/static/viewer")


def build(root: Path, *, board: Board) -> None:
    """Have the built browser code in the package."""
    web = root / "web"
    if not (web / "package-lock.json").exists():
        raise Failed(f"{web} has no package-lock.json: this checkout is not whole. Clone it again.")
    fetched = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    built = _digest_of_sources(web)
    stamp = web / "node_modules" / "frazil-stamp.json"
    held: dict[str, str] = {}
    if stamp.exists():
        try:
            held = json.loads(stamp.read_text(encoding="utf-8"))
        except ValueError:
            held = {}
    there = any((root / BUILT).glob("*.js"))
    if held == {"fetched": fetched, "built": built} and there:
        return
    with board.step("Browser code", usual_s=20) as step:
        if held.get("fetched") != fetched:
            run(
                ["npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier"],
                doing="Fetching what the browser code is built from",
                way_out=WAY_OUT,
                cwd=web,
            )
        step.tell(0.8)
        run(["npm", "run", "build"], doing="Building the browser code", way_out=WAY_OUT, cwd=web)
        stamp.write_text(json.dumps({"fetched": fetched, "built": built}), encoding="utf-8")


def _digest_of_sources(web: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(web.rglob("*")):
        if path.is_file() and "node_modules" not in path.relative_to(web).parts:
            total.update(f"{path.relative_to(web)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
