"""The build back end's hook: compiles the one C module of the package (ADR 0126). Hatchling runs it for each wheel.

Nothing but the C compiler and Python's headers is needed, which libvirt's Python binding needs too. The module keeps to
Python's stable interface, so that one file does for Python 3.11 and all later ones.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = Path("src/frazil/spice/pictures")
SOURCE = PLACE / "_coders.c"
MODULE = PLACE / "_coders.abi3.so"
FLAGS = ("-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror=implicit-function-declaration")


class CompileCoders(BuildHookInterface):
    """Makes `_coders.abi3.so` beside its source; the wheel has it, and an editable installation finds it there."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        headers = sysconfig.get_path("include")
        made = root / MODULE.with_suffix(f".{os.getpid()}")
        subprocess.run([*compiler, *FLAGS, f"-I{headers}", "-o", str(made), str(root / SOURCE)], check=True)
        made.replace(root / MODULE)  # at once: another process may be using the one before
        build_data["artifacts"].append(f"/{MODULE}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"
