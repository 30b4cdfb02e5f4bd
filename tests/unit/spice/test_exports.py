"""What the packages offer is there, and the protocol alone needs no numpy."""

import subprocess
import sys
from types import ModuleType

import pytest

import frazil.spice
import frazil.spice.canvas
import frazil.spice.pictures
import frazil.viewer


@pytest.mark.parametrize(
    "package",
    [frazil.spice, frazil.spice.canvas, frazil.spice.pictures, frazil.viewer],
    ids=lambda package: package.__name__,
)
def test_every_name_is_there_and_sorted(package: ModuleType) -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)


def test_who_only_relays_pays_for_no_pictures() -> None:
    asked = "import sys, frazil.spice.display_channel, frazil.spice as s; print({'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
