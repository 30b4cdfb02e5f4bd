"""`frazil.viewer` on the SPICE server at this machine's port; ends with its input."""

from __future__ import annotations

import asyncio
import sys

from frazil import viewer


async def main() -> None:
    async with viewer.connect(f"spice://127.0.0.1:{sys.argv[1]}"):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
