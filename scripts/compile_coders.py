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
WITHOUT = "FRAZIL_WITHOUT_C"
"""Set in the environment, nothing is compiled: pictures are decoded by the readable code, slowly."""
WAY_OUT = (
    "Install a C compiler and Python's headers (Debian: apt-get install gcc libc6-dev python3-dev), then build again; "
    f"or build with {WITHOUT}=1 in the environment: everything works then, but decodes pictures a hundred times as "
    "slowly."
)


class NotCompiled(Exception):
    """The C module could not be made; the text says why and what to do, for a person."""


class CompileCoders(BuildHookInterface):
    """Makes `_coders.abi3.so` beside its source; the wheel has it, and an editable installation finds it there."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        if os.environ.get(WITHOUT):
            (root / MODULE).unlink(missing_ok=True)  # one of an older source would be worse than none
            self.app.display_warning(f"{WITHOUT} is set: the decoders of pictures are not compiled.")
            return
        compile_module(root)
        build_data["artifacts"].append(f"/{MODULE}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"


def compile_module(root: Path) -> None:
    """Make the module of the checkout at `root`. Raises NotCompiled."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    made = root / MODULE.with_suffix(f".{os.getpid()}")
    command = [*compiler, *FLAGS, f"-I{sysconfig.get_path('include')}", "-o", str(made), str(root / SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
    except OSError as exc:
        raise NotCompiled(
            f"Frazil's C module was not compiled: {shlex.join(compiler)}: {exc.strerror}. {WAY_OUT}"
        ) from exc
    except subprocess.CalledProcessError as exc:
        made.unlink(missing_ok=True)
        words = "\n".join(exc.stderr.splitlines()[:12])
        raise NotCompiled(f"Frazil's C module was not compiled: the compiler said:\n{words}\n{WAY_OUT}") from exc
    made.replace(root / MODULE)  # at once: another process may be using the one before
