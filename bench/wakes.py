"""How late processes wake up on this host, as the gateway does for each key: one as any other, one that goes first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from figures import spread

from frazil.cli.supervisor import precedence

SLEEPER = """
import json, sys, threading, time
over, late = threading.Event(), []
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    began_s = time.perf_counter()
    time.sleep(0.02)
    late.append(1000 * (time.perf_counter() - began_s - 0.02))
print(json.dumps(late))
"""


@contextmanager
def sleepers() -> Iterator[dict[str, object]]:
    """Both sleep 20 ms again and again, each in a session of its own. When the block is left, its value has by how many
    milliseconds they woke late."""
    found: dict[str, object] = {}
    both = {name: _sleeper() for name in ("as any other", "ahead")}
    precedence.give(both["ahead"].pid)
    try:
        yield found
    finally:
        for name, sleeper in both.items():
            said, _ = sleeper.communicate()
            late_ms = json.loads(said)
            found[name] = {**spread(late_ms), "p99": round(sorted(late_ms)[int(0.99 * len(late_ms))], 3)}


def _sleeper() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
