"""What stands behind Frazil: its domains, seen and used with virsh as an administrator would."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from frazil.server.hypervisor.domainxml.metadata import read
from tests.harness.waiting import until


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ended in a guest."""

    code: int
    stdout: str
    stderr: str


class Guests:
    """The domains of one installation at `uri`; `enter` goes before each command (see `machine`)."""

    def __init__(self, uri: str, installation_id: str, *, enter: Sequence[str] = ()) -> None:
        self._uri = uri
        self._installation_id = installation_id
        self._enter = tuple(enter)

    def virsh(self, *words: str, expect: bool = True, timeout_s: float = 60) -> str:
        """What virsh says. CalledProcessError when it fails and success was expected."""
        done = subprocess.run(
            [*self._enter, "virsh", "--quiet", "--connect", self._uri, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if expect and done.returncode != 0:
            raise AssertionError(f"virsh {' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout

    def ids(self) -> dict[str, int]:
        """Our running domains: the desktop's id, and the process that it is as libvirt numbers it."""
        found = {}
        for line in self.virsh("list").splitlines():
            number, name = line.split()[:2]  # the number of one that ends while it is listed is "-"
            if number != "-" and name.startswith("frazil-") and (xml := self.virsh("dumpxml", name, expect=False)):
                labels = read(ET.fromstring(xml))
                if labels is not None and labels.installation_id == self._installation_id:
                    found[labels.desktop_id] = int(number)
        return found

    def suspend(self, desktop_id: str) -> None:
        """Stop the guest's clocks; Frazil sees it and lets it go on, unless it is itself held (see `Stack.held`)."""
        self.virsh("suspend", f"frazil-{desktop_id}")

    def resume(self, desktop_id: str) -> None:
        self.virsh("resume", f"frazil-{desktop_id}", expect=False)

    def screenshot(self, desktop_id: str, file: Path) -> Image.Image:
        """libvirt's picture of the screen, without the pointer. `file` is written on the way."""
        self.virsh("screenshot", f"frazil-{desktop_id}", "--file", str(file))
        return Image.open(io.BytesIO(file.read_bytes())).convert("RGB")

    def agent(self, desktop_id: str, command: str, **arguments: object) -> object:
        """The guest agent's answer to one command (qemu-ga's QMP reference)."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        said = self.virsh("qemu-agent-command", f"frazil-{desktop_id}", asked, "--timeout", "20")
        return json.loads(said)["return"]

    def run(self, desktop_id: str, *argv: str, timeout_s: float = 60) -> Ran:
        """Run a program in the guest, as its root, and wait for its end."""
        started = self.agent(desktop_id, "guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True})
        assert isinstance(started, dict)

        def ended() -> dict[str, object] | None:
            status = self.agent(desktop_id, "guest-exec-status", pid=started["pid"])
            assert isinstance(status, dict)
            return status if status["exited"] else None

        status = until(ended, f"{argv[0]} in the guest ended", timeout_s=timeout_s)
        assert status is not None
        texts = [
            base64.b64decode(str(status.get(key, ""))).decode(errors="replace") for key in ("out-data", "err-data")
        ]
        code = status.get("exitcode", -1)
        assert isinstance(code, int)
        return Ran(code, texts[0], texts[1])
