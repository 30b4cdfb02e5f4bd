"""What the tests of keepers share."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from frazil.server.desktops.starter import BootImage
from tests.unit.server.desktops.keeper_world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    base = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "64M"], check=True)
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, {"image": BootImage(disk=base, virtual_size_bytes=64 << 20, boot=None)})
        yield world
        world.stop_server()
