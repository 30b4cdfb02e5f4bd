"""Bit by bit: each combination against a table that is counted out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.spice.canvas.rops import combine, combine3, puts, reads_dest
from frazil.spice.draw_records import Rop

OPERATIONS = (
    Rop.OP_PUT,
    Rop.OP_OR,
    Rop.OP_AND,
    Rop.OP_XOR,
    Rop.OP_BLACKNESS,
    Rop.OP_WHITENESS,
    Rop.OP_INVERS,
    Rop(0),
)


def bit(rop: int, source: int, dest: int) -> int:
    """One bit of the result, as the protocol's names say."""
    first = source ^ bool(rop & Rop.INVERS_SRC)
    second = dest ^ bool(rop & Rop.INVERS_DEST)
    result = bool(rop & Rop.INVERS_RES)
    if rop & Rop.OP_PUT:
        return first ^ result
    if rop & Rop.OP_OR:
        return (first | second) ^ result
    if rop & Rop.OP_AND:
        return (first & second) ^ result
    if rop & Rop.OP_XOR:
        return (first ^ second) ^ result
    if rop & Rop.OP_BLACKNESS:
        return 0
    if rop & Rop.OP_WHITENESS:
        return 1
    if rop & Rop.OP_INVERS:
        return 1 - dest
    return source


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda rop: rop.name or "none")
@given(
    inversions=st.sets(st.sampled_from([Rop.INVERS_SRC, Rop.INVERS_DEST, Rop.INVERS_RES])),
    source=st.integers(0, 255),
    dest=st.integers(0, 255),
)
def test_two_inputs(operation: Rop, inversions: set[Rop], source: int, dest: int) -> None:
    rop = operation | sum(inversions)
    made = combine(
        rop,
        np.array([source], np.uint8),
        np.array([dest], np.uint8),
        invert_source=Rop.INVERS_SRC,
        invert_dest=Rop.INVERS_DEST,
    )
    expected = sum(bit(rop, source >> i & 1, dest >> i & 1) << i for i in range(8))
    assert made.tolist() == [expected]
    if not reads_dest(rop):
        assert expected == sum(bit(rop, source >> i & 1, 0) << i for i in range(8))
    if puts(rop, Rop.INVERS_SRC):
        assert expected == source


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_three_inputs(table: int, brush: int, source: int, dest: int) -> None:
    made = combine3(table, *(np.array([value], np.uint8) for value in (brush, source, dest)))
    expected = 0
    for i in range(8):
        index = (brush >> i & 1) * 4 + (source >> i & 1) * 2 + (dest >> i & 1)
        expected |= (table >> index & 1) << i
    assert made.tolist() == [expected]
