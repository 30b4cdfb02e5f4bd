"""A line to a network namespace that can be cut: a pair of virtual network cards, one here and one there.

What is cut is cut without a word, as when a cable is pulled: neither end is told that the other is gone.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

TABLE = "cut-in-the-middle"


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)


class Cards:
    """name: this end's, at most 9 characters. here, there: the two ends' IPv4 addresses, of one /24.

    process: of which namespace the other end is; `enter` is what a command is put behind to be run in there.
    """

    def __init__(self, name: str, *, here: str, there: str, process: int, enter: Sequence[str]) -> None:
        self.here, self.there = here, there
        self._name, self._far, self._enter = name, f"{name}-there", enter
        run("ip", "link", "add", name, "type", "veth", "peer", "name", self._far, "netns", str(process))
        for before, card, address in (((), name, here), (enter, self._far, there)):
            run(*before, "ip", "address", "add", f"{address}/24", "dev", card)
            run(*before, "ip", "link", "set", card, "up")

    def cut(self) -> None:
        run("ip", "link", "set", self._name, "down")

    def mend(self) -> None:
        run("ip", "link", "set", self._name, "up")

    def refuse_after(self, mib: int, *, port: int) -> None:
        """From now on connections from there to this end's port are reset once so much has passed on them together,
        and new ones are refused, until `let_through`."""
        rules = f"""
        table inet {TABLE} {{
            quota most {{ over {mib} mbytes; }}
            chain come {{
                type filter hook input priority 0;
                ip saddr {self.here} tcp sport {port} quota name "most" reject with tcp reset
            }}
            chain go {{
                type filter hook output priority 0;
                ip daddr {self.here} tcp dport {port} quota name "most" reject with tcp reset
            }}
        }}"""
        subprocess.run([*self._enter, "nft", "-f", "-"], input=rules, text=True, check=True, timeout=60)

    def has_refused(self) -> bool:
        """Whether something was reset or refused since `refuse_after`."""
        words = [*self._enter, "nft", "--json", "list", "quota", "inet", TABLE, "most"]
        said = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60).stdout
        (quota,) = [one["quota"] for one in json.loads(said)["nftables"] if "quota" in one]
        return int(quota["used"]) >= int(quota["bytes"])  # the kernel tells of no more than that

    def let_through(self) -> None:
        run(*self._enter, "nft", "delete", "table", "inet", TABLE)

    def carried_bytes(self) -> int:
        """So much has gone from here to there."""
        return int(Path(f"/sys/class/net/{self._name}/statistics/tx_bytes").read_text())

    def close(self) -> None:
        """Where the namespace is gone already, so are the cards."""
        subprocess.run(["ip", "link", "delete", self._name], check=False, timeout=60, capture_output=True)


class Apart:
    """A network namespace on such a line. `enter` is what a command is put behind to be run in there."""

    def __init__(self, name: str, *, here: str, there: str) -> None:
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net"]
        argv += ["sh", "-c", "ip link set lo up && echo up && exec cat"]  # until its input ends
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n"
        self.enter = ["nsenter", "--target", str(self._process.pid), "--net", "--"]
        self.cards = Cards(name, here=here, there=there, process=self._process.pid, enter=self.enter)

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cards.close()
        self._process.communicate(timeout=30)
