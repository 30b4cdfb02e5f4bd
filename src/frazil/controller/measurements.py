"""Every measurement that Prometheus can read: what it means, and the alert that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule of Prometheus. `lasts`: for so long the expression has to hold."""

    name: str
    expr: str
    lasts: str
    severity: Literal["critical", "warning"]
    summary: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """`alerts` is empty only where `without` says what it is for instead."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    means: str
    alerts: tuple[Alert, ...] = ()
    without: str = ""


MEASUREMENTS: tuple[Measurement, ...] = (
    Measurement("frazil_build_info", "gauge", ("version",), "1; the version is a label.", without="graphs"),
    Measurement(
        "frazil_leads", "gauge", ("controller",), "1 if this controller leads, else 0. One alone always leads.",
        (Alert("FrazilNobodyLeads", "max(frazil_leads) < 1", "1m", "critical",
               "No controller leads: no desktop is started or given up."),),
    ),
    Measurement(
        "frazil_look_age_seconds", "gauge", ("controller",),
        "Since this controller last looked at everything; it does so every 15 s at least.",
        (Alert("FrazilLooksNoMore", "frazil_look_age_seconds > 90", "1m", "critical",
               "A controller has stopped looking after desktops; its log says why, most often that the database is "
               "away."),),
    ),
    Measurement(
        "frazil_look_seconds", "histogram", ("controller",), "How long reading everything and planning took.",
        (Alert("FrazilLooksSlowly",
               "histogram_quantile(0.95, rate(frazil_look_seconds_bucket[10m])) > 5", "10m", "warning",
               "Planning takes seconds: the database or the controller's processors are too slow for this many "
               "desktops."),),
    ),
    Measurement(
        "frazil_request_seconds", "histogram", ("controller", "method", "route", "status"),
        "Until a call's answer began. `route` is a call of the API, or `page`; `status` is 2xx, 3xx, 4xx or 5xx.",
        (Alert("FrazilCallsFail", 'sum(rate(frazil_request_seconds_count{status="5xx"}[5m])) > 0.05', "5m", "critical",
               "Calls fail inside the controller; its log names them."),
         Alert("FrazilSessionsOpenSlowly",
               'histogram_quantile(0.99, sum by (le) (rate(frazil_request_seconds_bucket{route="/api/v1/sessions",'
               'method="POST"}[10m]))) > 2', "10m", "warning",
               "Opening a session takes seconds."),),
    ),
    Measurement(
        "frazil_host_up", "gauge", ("host",), "1 if the host was heard from in the last 15 s, else 0.",
        (Alert("FrazilHostSilent", "frazil_host_up == 0", "1m", "critical",
               "Nothing is heard from a host. What runs on it may go on; nothing new can be done with it."),),
    ),
    Measurement(
        "frazil_host_maintenance", "gauge", ("host",), "1 if the host is in maintenance, else 0.",
        (Alert("FrazilMaintenanceForgotten", "frazil_host_maintenance == 1", "24h", "warning",
               "A host has been in maintenance for a day: `frazil host maintenance HOST off`."),),
    ),
    Measurement("frazil_host_desktops", "gauge", ("host",), "Desktops that are placed on the host.", without="graphs"),
    Measurement(
        "frazil_host_memory_available_bytes", "gauge", ("host",), "Memory that the host's kernel could still give out.",
        (Alert("FrazilHostShortOfMemory", "frazil_host_memory_available_bytes < 5e8", "5m", "critical",
               "A host has less than 500 MB of memory left: desktops on it may be killed."),),
    ),
    Measurement(
        "frazil_host_disk_free_bytes", "gauge", ("host",), "Free space where the host keeps desktops' disks.",
        (Alert("FrazilHostShortOfDisk", "frazil_host_disk_free_bytes < 5e9", "10m", "warning",
               "A host has less than 5 GB of disk left: at 512 MiB it starts no more desktops, and later those that "
               "run stand still."),),
    ),
    Measurement(
        "frazil_host_busy_ratio", "gauge", ("host",), "How many wait for each of the host's processors; 1 is all busy.",
        (Alert("FrazilHostOverloaded", "frazil_host_busy_ratio > 4", "15m", "warning",
               "A host has had four times more to do than its processors can, for a quarter of an hour."),),
    ),
    Measurement(
        "frazil_host_strays", "gauge", ("host",), "Domains, disks and images on the host that Frazil does not know.",
        (Alert("FrazilStrays", "frazil_host_strays > 0", "1h", "warning",
               "A host has things that Frazil does not know, and does not touch: `frazil host list`."),),
    ),
    Measurement(
        "frazil_pool_desktops", "gauge", ("pool", "phase"), "A pool's desktops by what they are doing.",
        (Alert("FrazilDesktopsFailed", 'frazil_pool_desktops{phase="failed"} > 0', "10m", "warning",
               "Desktops have failed; the console says why, and what to do."),
         Alert("FrazilDesktopsUnknown", 'frazil_pool_desktops{phase="unknown"} > 0', "10m", "warning",
               "Of some desktops it is not known what they are doing, since their host is silent or can't look."),),
    ),
    Measurement(
        "frazil_pool_desktops_most", "gauge", ("pool",), "How many desktops the pool may have.",
        (Alert("FrazilPoolFull", "sum by (pool) (frazil_pool_desktops) >= on (pool) frazil_pool_desktops_most", "10m",
               "warning", "A pool has as many desktops as it may: who comes next has to wait."),),
    ),
    Measurement(
        "frazil_pool_spares", "gauge", ("pool",), "Desktops that are ready and nobody's.",
        (Alert("FrazilNoSpares", "frazil_pool_spares == 0 and frazil_pool_spares_wanted > 0", "10m", "warning",
               "A pool has had no desktop ready for ten minutes: who comes next has to wait for one."),),
    ),
    Measurement(
        "frazil_pool_spares_wanted", "gauge", ("pool",), "How many the pool is to keep ready.",
        without="FrazilNoSpares, above",
    ),
    Measurement(
        "frazil_pool_people_waiting", "gauge", ("pool",), "People whose session is open and whose desktop is not up.",
        (Alert("FrazilPeopleWait", "frazil_pool_people_waiting > 0", "5m", "critical",
               "Somebody has been waiting for a desktop for five minutes."),),
    ),
    Measurement(
        "frazil_pool_start_seconds", "gauge", ("pool", "share"),
        "Within how long that share of the pool's last starts was ready: 0.5 is half of them.", without="graphs",
    ),
    Measurement(
        "frazil_sessions", "gauge", ("pool", "state"), "Open sessions: `viewed` by somebody now, or `left`.",
        without="graphs",
    ),
    Measurement(
        "frazil_short", "gauge", (), "1 if a desktop or a spare is wanted that no host has room for, else 0.",
        (Alert("FrazilShortOfRoom", "frazil_short == 1", "10m", "warning",
               "No host has room for a desktop that is wanted: `frazil desktop explain` says what is missing."),),
    ),
    Measurement(
        "frazil_images_failed", "gauge", ("image",), "Hosts on which the image could not be made.",
        (Alert("FrazilImageFailed", "frazil_images_failed > 0", "5m", "warning",
               "A host could not build or take an image: the image's page says why."),),
    ),
    Measurement(
        "frazil_operations_running", "gauge", ("kind",), "Slow calls that are under way.",
        (Alert("FrazilOperationNeverEnds", "frazil_operations_running > 0", "6h", "warning",
               "A slow call has been under way for six hours."),),
    ),
    Measurement("frazil_viewers", "gauge", (), "Viewers whose lines are measured.", without="graphs"),
    Measurement(
        "frazil_viewer_latency_seconds", "gauge", ("share",),
        "There and back between gateway and viewers: that share of all viewers has less.",
        (Alert("FrazilLinesSlow", 'frazil_viewer_latency_seconds{share="0.5"} > 0.2', "15m", "warning",
               "Half of all viewers are more than 200 ms away: a network is overloaded."),),
    ),
    Measurement(
        "frazil_events_total", "counter", ("kind", "outcome"),
        "What happened since this controller began, as the audit log has it (`frazil events`).",
        (Alert("FrazilSignInsRefused", 'sum(increase(frazil_events_total{kind="login.refused"}[10m])) > 50', "1m",
               "warning", "Many sign-ins are refused: somebody may be guessing passwords. "
               "`frazil events --kind login.refused`"),),
    ),
)  # fmt: skip
