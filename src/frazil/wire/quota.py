"""A `model.quota.Amounts` in REST bodies: as a quota, and as what is used of it."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from frazil.model.quota import Amounts
from frazil.wire.base import Message, Request

COUNT_MAX = 1_000_000
MEMORY_MAX_MIB = 1 << 30


class AmountsField(Message):
    """See `model.quota.Amounts`; as a quota, 0 is no limit."""

    desktops: int = 0
    vcpus: int = 0
    memory_mib: int = 0
    sessions: int = 0

    @classmethod
    def of(cls, amounts: Amounts) -> AmountsField:
        return cls.model_validate(amounts, from_attributes=True)

    def value(self) -> Amounts:
        return Amounts(**dict(self))


class QuotaChange(Request):
    """What is named changes, the rest stays; in a new user or group what is left out is not limited."""

    desktops: int | None = Field(None, ge=0, le=COUNT_MAX, description="Desktops, running or not; 0: no limit")
    vcpus: int | None = Field(None, ge=0, le=COUNT_MAX, description="Of desktops that run or are paused; 0: no limit")
    memory_mib: int | None = Field(
        None, ge=0, le=MEMORY_MAX_MIB, description="Of desktops that run or are paused; 0: no limit"
    )
    sessions: int | None = Field(None, ge=0, le=COUNT_MAX, description="Open at the same time; 0: no limit")

    def applied_to(self, quota: Amounts) -> Amounts:
        return replace(quota, **{name: value for name, value in self if value is not None})
