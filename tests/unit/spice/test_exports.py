"""What the package offers is there."""

import frazil.spice


def test_every_name_is_there_and_sorted() -> None:
    assert all(hasattr(frazil.spice, name) for name in frazil.spice.__all__)
    assert len(set(frazil.spice.__all__)) == len(frazil.spice.__all__)
