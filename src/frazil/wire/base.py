"""The root of every message."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class Message(BaseModel):
    """A frozen message; unknown fields are ignored, so that a newer peer can say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(BaseModel):
    """A body that a person or program writes: unknown fields are an error, since they are usually a typo.

    No text in it has a NUL, which PostgreSQL takes for no text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, given: object) -> object:
        if _has_nul(given):
            raise ValueError("a text has a NUL character in it")
        return given


def _has_nul(given: object) -> bool:
    match given:
        case str():
            return "\0" in given
        case dict():
            return any(map(_has_nul, (*given, *given.values())))
        case list():
            return any(map(_has_nul, given))
        case _:
            return False
