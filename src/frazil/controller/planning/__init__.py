"""Pure planning: values in, actions out."""

from frazil.controller.planning.actions import (
    Action,
    Announce,
    EndOperation,
    Fail,
    MakeSpare,
    Pause,
    Place,
    Plan,
    RemoveDesktop,
    RemoveImage,
    RemovePool,
    StartAgain,
    WantAbsent,
)
from frazil.controller.planning.facts import (
    DesktopFacts,
    Facts,
    HostFacts,
    ImageFacts,
    OperationFacts,
    PoolFacts,
)
from frazil.controller.planning.plan import plan

__all__ = [
    "Action",
    "Announce",
    "DesktopFacts",
    "EndOperation",
    "Facts",
    "Fail",
    "HostFacts",
    "ImageFacts",
    "MakeSpare",
    "OperationFacts",
    "Pause",
    "Place",
    "Plan",
    "PoolFacts",
    "RemoveDesktop",
    "RemoveImage",
    "RemovePool",
    "StartAgain",
    "WantAbsent",
    "plan",
]
