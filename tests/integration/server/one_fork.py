"""A process that wants one fork, to be killed at a place: `one_fork.py PLACE_ON_DISK INSTALLATION_ID DESKTOP_ID`.

Ends by itself once the fork is ready, and leaves everything as a server that was stopped would.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from frazil.wire.hostlink import Profile
from tests.integration.server.lab import lab

PROFILE = Profile(usb_channels=0)


async def main(place: Path, installation_id: str, desktop_id: str) -> None:
    async with lab(place=place, installation_id=installation_id) as at:
        await at.template(PROFILE)
        spec = at.spec(PROFILE, name="killed").model_copy(update={"desktop_id": desktop_id})
        at.want(spec)
        await at.ready(desktop_id)
        os._exit(0)  # without the lab's own end, which would take the desktop away


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
