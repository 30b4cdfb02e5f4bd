"""The root of every message."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen message; unknown fields are ignored, so that a newer peer can say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(BaseModel):
    """A body that a person or program writes: unknown fields are an error, since they are usually a typo."""

    model_config = ConfigDict(frozen=True, extra="forbid")
