"""The options of how much somebody, or a group together, may use."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli.validated import valid
from frazil.model.quota import ORDER, Amounts
from frazil.wire.quota import AmountsField, QuotaChange

MaxDesktops = Annotated[
    int | None, typer.Option("--max-desktops", min=0, help="Desktops, running or not, at most; 0: no limit.")
]
MaxVcpus = Annotated[
    int | None, typer.Option("--max-vcpus", min=0, help="Virtual CPUs of running desktops, at most; 0: no limit.")
]
MaxMemory = Annotated[
    int | None,
    typer.Option("--max-memory", metavar="MIB", min=0, help="Memory of running desktops, at most; 0: no limit."),
]
MaxSessions = Annotated[
    int | None, typer.Option("--max-sessions", min=0, help="Sessions open at the same time, at most; 0: no limit.")
]


def change(
    *, desktops: int | None, vcpus: int | None, memory_mib: int | None, sessions: int | None
) -> QuotaChange | None:
    """What the options ask for; None when they ask for nothing."""
    asked = valid(QuotaChange, desktops=desktops, vcpus=vcpus, memory_mib=memory_mib, sessions=sessions)
    return asked if asked.model_fields_set else None


def pairs(quota: AmountsField, used: AmountsField) -> list[tuple[str, str]]:
    """What is shown of a quota, and of what is used."""
    return [("Uses", _uses(quota.value(), used.value()))]


def _uses(quota: Amounts, used: Amounts) -> str:
    words = {"desktops": "desktops", "vcpus": "vCPU", "memory_mib": "MiB of memory", "sessions": "open sessions"}
    return ", ".join(
        f"{used.of(what)} of at most {quota.of(what)} {words[what]}"
        if quota.of(what)
        else f"{used.of(what)} {words[what]}"
        for what in ORDER
    )
