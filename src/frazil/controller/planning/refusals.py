"""Why hosts can't take a desktop, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from frazil.controller.planning.facts import HostFacts
from frazil.model import labels
from frazil.model.room import Cost, Room


class Why(Enum):
    """Why a host can't take a desktop. The value is the reason in a few words, as it stands after a host's name.

    They are in the order in which they are looked at: the first that holds is the one that is told.
    """

    LABELS = "without the labels that its pool asks for"
    MAINTENANCE = "in maintenance"
    NOT_CONNECTED = "not connected"
    IMAGE_FAILED = "its image could not be made there"
    NO_IMAGE = "its image is not there yet"
    UNMEASURED = "has not said yet how much memory it has left"
    PRESSURE = "short of memory now"
    MEMORY = "too little memory left"
    LIMIT = "too little left of the memory set aside for desktops"
    DISK = "too little disk left"
    PROCESSORS = "as many desktops as its processors are reckoned to bear"


_WAY_OUT: dict[Why, str] = {
    Why.LABELS: "Give a host the label on its page, or with frazil host label HOST KEY=VALUE, or let the pool ask for "
    "others: frazil pool change POOL --host-label KEY-.",
    Why.MAINTENANCE: "End maintenance on the host's page, or with frazil host maintenance HOST off.",
    Why.NOT_CONNECTED: "See that its server runs and reaches the controller: frazil doctor on the host says more.",
    Why.IMAGE_FAILED: "The image's page, or frazil image show, says what went wrong; mend that, and retry the image.",
    Why.NO_IMAGE: "Wait until it is: the image's page, or frazil image show, tells how far it has come.",
    Why.UNMEASURED: "Wait some seconds: a host tells it soon after it connected.",
    Why.PRESSURE: "It takes desktops again by itself once it has memory. End sessions there that nobody needs.",
    Why.MEMORY: "End sessions or delete desktops that nobody needs, or add memory or a host.",
    Why.LIMIT: "Raise memory_for_desktops_mib in the host's settings, or end sessions that nobody needs.",
    Why.DISK: "Free some disk there: delete images, or desktops that nobody needs.",
    Why.PROCESSORS: "End sessions that nobody needs, add a host, or raise desktops_per_cpu in the host's settings.",
}

NO_HOST = "No host has ever connected to this controller."


@dataclass(frozen=True, slots=True)
class Lack:
    """One host, and what it lacks. left, cost: what it has and what the desktop takes, where that was looked at.

    asked: the labels that a host is to have.
    """

    host: HostFacts
    why: Why
    left: Room | None = None
    cost: Cost | None = None
    asked: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """All the hosts (names, in order) that can't take a desktop for one reason.

    detail: with figures, or what a host says itself; empty where `why` says it all. remedy: the way out.
    """

    why: Why
    hosts: tuple[str, ...]
    detail: str
    remedy: str


def grouped(lacks: Sequence[Lack]) -> tuple[Refusal, ...]:
    """One for each reason, that of most hosts first."""
    by_why: dict[Why, list[Lack]] = {}
    for lack in lacks:
        by_why.setdefault(lack.why, []).append(lack)
    order = list(Why)
    largest_first = sorted(by_why.items(), key=lambda pair: (-len(pair[1]), order.index(pair[0])))
    return tuple(
        Refusal(
            why,
            tuple(sorted(lack.host.name for lack in of_one)),
            _labels(of_one, every=len(by_why) == 1) if why is Why.LABELS else _detail(why, of_one),
            _WAY_OUT[why],
        )
        for why, of_one in largest_first
    )


def in_a_sentence(refusals: Sequence[Refusal], *, image_name: str) -> str:
    """Why none of the hosts can take it."""
    if not refusals:
        return NO_HOST
    if len(refusals) == 1:
        return _of_all(refusals[0], image_name)
    return f"No host can take it now. {'; '.join(in_words(one.why, len(one.hosts)) for one in refusals)}."


def in_words(why: Why, hosts: int) -> str:
    """As many hosts, and why none of them: "12 hosts: too little memory left"."""
    return f"1 host: {why.value}" if hosts == 1 else f"{hosts} hosts: {why.value}"


def _of_all(refusal: Refusal, image_name: str) -> str:
    """A reason that is every host's."""
    match refusal.why:
        case Why.LABELS:
            return refusal.detail
        case Why.MAINTENANCE:
            return "Every host is in maintenance."
        case Why.NOT_CONNECTED:
            return "No host is connected now; its server may be starting or stopped."
        case Why.IMAGE_FAILED:
            return f"The image {image_name} could not be made on any host."
        case Why.NO_IMAGE:
            return f"The image {image_name} is not ready on any connected host yet."
        case Why.UNMEASURED:
            return "The connected hosts have not said yet how much memory they have left."
        case Why.PRESSURE:
            return refusal.detail or "The hosts are short of memory."
        case Why.MEMORY:
            return f"No host has enough memory left: {refusal.detail}"
        case Why.LIMIT:
            return f"The memory set aside for desktops is used: {refusal.detail}"
        case Why.DISK:
            return f"No host has enough disk left: {refusal.detail}"
        case Why.PROCESSORS:
            return "No host can take another desktop: each has as many as its processors are reckoned to bear."


def _labels(lacks: Sequence[Lack], *, every: bool) -> str:
    """What the pool asks for; of `every` host what none has."""
    asked = dict(lacks[0].asked)
    if not every:
        return f"The pool asks for {labels.in_words(asked)}."
    for key, value in sorted(asked.items()):
        if all(lack.host.labels.get(key) != value for lack in lacks):
            return f"No host has the label {key}={value}."
    return f"No host has all of the labels {labels.in_words(asked)}."


def _detail(why: Why, lacks: Sequence[Lack]) -> str:
    """With the figures of the host that lacks least."""
    if why is Why.PRESSURE:
        return lacks[0].host.pressure
    reckoned = [(lack.left, lack.cost) for lack in lacks if lack.left is not None and lack.cost is not None]
    if why in (Why.MEMORY, Why.LIMIT) and reckoned:
        left, cost = max(reckoned, key=lambda pair: pair[0].memory_mib - pair[1].memory_mib)
        return _figures(cost.memory_mib, left.memory_mib)
    if why is Why.DISK and reckoned:
        left, cost = max(reckoned, key=lambda pair: pair[0].disk_mib - pair[1].disk_mib)
        return _figures(cost.disk_mib, left.disk_mib)
    return ""


def _figures(needed_mib: int, left_mib: int) -> str:
    return f"{needed_mib} MiB are needed, the roomiest has {max(left_mib, 0)} MiB."
