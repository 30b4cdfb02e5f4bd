"""`frazil server` on the hypervisor of files: everything of the server is real but what is below its port.

Its domains are in `hypervisor_dir`; the file ``boot_s`` there is how long a guest takes to answer (see
`tests.fakes.hypervisor` for the other faults). With a file ``pictures`` there, desktops show one and answer keys.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from frazil.cli import connection, processes
from frazil.runtime import SystemClock
from frazil.server import app
from frazil.server.host_identity import Identity
from frazil.settings import Settings
from frazil.spice.display_channel import DisplayServer
from frazil.wire.hostlink import Capabilities
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.spice_desktop import SpiceDesktop
from tests.fakes.spice_display import SpiceDisplay
from tests.harness import captures

CAPABILITIES = Capabilities(kvm=False, spice=True, vcpus=64, memory_mib=1 << 20, qemu="7.2.0", libvirt="9.0.0")


def hypervisor_dir(settings: Settings) -> Path:
    return settings.state_dir / "hypervisor"


class Pictures:
    """Each desktop's display, whole; every key draws something. Used from the server's event loop."""

    def __init__(self) -> None:
        self._echo = [one for one in captures.messages("quic") if one[0] == DisplayServer.DRAW_COPY][:1]
        self._desktops: dict[str, SpiceDesktop] = {}

    def __call__(self, desktop_id: str) -> int:
        desktop = self._desktops.setdefault(desktop_id, SpiceDesktop(picture="quic", echo=self._echo))
        return desktop.give().detach()


async def serve(settings: Settings, ready: Callable[[], None]) -> None:
    identity = Identity.of(settings)
    root = hypervisor_dir(settings)
    boot_s = root / "boot_s"
    hypervisor = FakeHypervisor(
        root,
        installation_id=identity.installation_id,
        boot_s=float(boot_s.read_text()) if boot_s.exists() else 0.05,
        display=Pictures() if (root / "pictures").exists() else SpiceDisplay(),
        guest_service=True,
    )
    await app.run(
        settings,
        clock=SystemClock(),
        identity=identity,
        hypervisor=hypervisor,
        network=None,
        capabilities=CAPABILITIES,
        ready=ready,
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("name")
    arguments.add_argument("--ready-fd", type=int)
    given = arguments.parse_args()
    sys.exit(processes.run("server", connection.settings(), ready_fd=given.ready_fd, serve=serve))
