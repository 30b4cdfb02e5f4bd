"""How two or three inputs are put together, bit by bit (spice-common `canvas_base.c` and `rop3.c`)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from frazil.spice.draw_records import Rop

Raw: TypeAlias = npt.NDArray[Any]
"""Unsigned integers of a surface's own format."""


def combine(rop: int, source: Raw, dest: Raw, *, invert_source: Rop, invert_dest: Rop) -> Raw:
    """What `rop` makes of two inputs. `invert_…` are the bits by which it inverts them: they depend on the message.

    Without any operation the source is put as it is.
    """
    if rop & Rop.OP_PUT or not rop & _OPERATIONS:
        return source if puts(rop, invert_source) else ~source
    first = ~source if rop & invert_source else source
    second = ~dest if rop & invert_dest else dest
    if rop & (Rop.OP_OR | Rop.OP_AND | Rop.OP_XOR):
        if rop & Rop.OP_OR:
            made = first | second
        elif rop & Rop.OP_AND:
            made = first & second
        else:
            made = first ^ second
        return ~made if rop & Rop.INVERS_RES else made
    if rop & Rop.OP_BLACKNESS:
        return np.zeros_like(dest)
    if rop & Rop.OP_WHITENESS:
        return ~np.zeros_like(dest)
    return ~dest


_OPERATIONS = Rop.OP_PUT | Rop.OP_OR | Rop.OP_AND | Rop.OP_XOR | Rop.OP_BLACKNESS | Rop.OP_WHITENESS | Rop.OP_INVERS


def puts(rop: int, invert_source: Rop) -> bool:
    """Whether the source is put as it is: also when it is inverted and the result is too."""
    if rop & Rop.OP_PUT:
        return bool(rop & invert_source) == bool(rop & Rop.INVERS_RES)
    return not rop & _OPERATIONS


def reads_dest(rop: int) -> bool:
    """Whether the result depends on what is there."""
    return not (rop & Rop.OP_PUT) and bool(rop & (_OPERATIONS & ~Rop.OP_BLACKNESS & ~Rop.OP_WHITENESS))


def combine3(table: int, brush: Raw, source: Raw, dest: Raw) -> Raw:
    """Bit by bit, bit `brush * 4 + source * 2 + dest` of the table."""
    made = np.zeros_like(dest)
    for index in range(8):
        if table >> index & 1:
            term = brush if index & 4 else ~brush
            term = term & (source if index & 2 else ~source)
            made |= term & (dest if index & 1 else ~dest)
    return made
