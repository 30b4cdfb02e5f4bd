"""Measurements for Prometheus: what is declared is told, and what is told is declared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from frazil.controller.measurements import MEASUREMENTS
from frazil.controller.metrics import Measures, Moment, render
from frazil.controller.planning import Facts, OperationFacts
from frazil.model.desktop import Guest, Phase, State
from frazil.wire.hostlink import HostLoad
from frazil.wire.sessions import Line
from tests.unit.controller.planning.build import BROKEN, NOW, desktop, host, image, pool

FACTS = Facts(
    now=NOW,
    hosts={"h1": host(busy=0.5), "h2": host("h2", up=False, silent=True, maintenance=True)},
    pools=(pool(spares=2, max_desktops=9), pool("p2", spares=3, deleting=True)),
    desktops=(
        desktop("d1"),
        desktop("d2", assigned=True, in_use=True, idle_since=None),
        desktop("d3", assigned=True, in_use=True, idle_since=NOW - timedelta(minutes=1)),
        desktop("d4", assigned=True, in_use=True, seen=(State.RUNNING, Guest.SILENT)),
        desktop("d5", host_id="h2", assigned=True, in_use=True),
        desktop("d6", failure=BROKEN),
        desktop("d7", kept_until=NOW, seen=(State.RUNNING, Guest.READY)),
    ),
    images=(image(on_hosts={"h1": ("failed", BROKEN), "h2": ("ready", None)}),),
    operations=(OperationFacts(id="o1", kind="pool.delete", target_id="p2"),),
)
LINE = Line(session_id="s", links=2, latency_ms=40.0, stalls=0, to_viewer_bytes=1, to_desktop_bytes=1)
MOMENT = Moment(
    leads=True,
    facts=FACTS,
    age_s=3.5,
    short=True,
    loads={"h1": HostLoad(memory_available_mib=2, disk_free_mib=3, load1=1.0)},
    strays={"h2": 4},
    starts={"p1": [3.0, 1.0, 2.0]},
    lines=(LINE, LINE.model_copy(update={"latency_ms": 80.0}), LINE.model_copy(update={"latency_ms": None})),
)


def _measured() -> Measures:
    measures = Measures(2)
    measures.events.update({("login.refused", "refused"): 7})
    measures.answered("POST", "/api/v1/sessions", 201, 0.3)
    measures.answered("GET", "page", 500, 0.02)
    measures.looked(0.2)
    return measures


def _samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation or family.name.startswith(("process_", "python_")), family.name
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def _of(samples: Mapping[tuple[tuple[str, str], ...], float], *values: str) -> float:
    return samples[next(labels for labels in samples if {value for _, value in labels} == set(values))]


def test_what_the_last_look_found_is_told() -> None:
    told = _samples(render(_measured(), MOMENT).decode())
    assert _of(told["frazil_leads"], "2") == 1
    assert _of(told["frazil_look_age_seconds"], "2") == 3.5
    assert told["frazil_short"] == {(): 1}
    assert (_of(told["frazil_host_up"], "h1"), _of(told["frazil_host_up"], "h2")) == (1, 0)
    assert (_of(told["frazil_host_maintenance"], "h1"), _of(told["frazil_host_maintenance"], "h2")) == (0, 1)
    assert len(told["frazil_host_busy_ratio"]) == 1, "of a host that is not heard from nothing is known"
    assert _of(told["frazil_host_desktops"], "h1") == 6
    assert told["frazil_host_memory_available_bytes"] == {(("host", "h1"),): 2 << 20}
    assert told["frazil_host_disk_free_bytes"] == {(("host", "h1"),): 3 << 20}
    assert (_of(told["frazil_host_strays"], "h1"), _of(told["frazil_host_strays"], "h2")) == (0, 4)
    phases = told["frazil_pool_desktops"]
    assert len(phases) == 2 * len(Phase), "those that are 0 too, so that no line of a graph ends"
    counts = {phase: _of(phases, "p1", phase) for phase in ("ready", "starting", "unknown", "failed")}
    assert counts == {"ready": 4, "starting": 1, "unknown": 1, "failed": 1}
    assert _of(told["frazil_pool_spares"], "p1") == 1
    assert (_of(told["frazil_pool_spares_wanted"], "p1"), _of(told["frazil_pool_spares_wanted"], "p2")) == (2, 0)
    assert _of(told["frazil_pool_desktops_most"], "p1") == 9
    assert _of(told["frazil_pool_people_waiting"], "p1") == 1
    assert (_of(told["frazil_sessions"], "p1", "viewed"), _of(told["frazil_sessions"], "p1", "left")) == (3, 1)
    assert (_of(told["frazil_pool_start_seconds"], "p1", "0.5"), len(told["frazil_pool_start_seconds"])) == (2.0, 2)
    assert told["frazil_images_failed"] == {(("image", FACTS.images[0].name),): 1}
    assert _of(told["frazil_operations_running"], "pool.delete") == 1
    assert told["frazil_viewers"] == {(): 3}
    assert _of(told["frazil_viewer_latency_seconds"], "0.95") == 0.08
    assert _of(told["frazil_events_total"], "login.refused", "refused") == 7
    assert _of(told["frazil_request_seconds_count"], "2", "POST", "/api/v1/sessions", "2xx") == 1
    assert _of(told["frazil_request_seconds_count"], "2", "GET", "page", "5xx") == 1
    assert _of(told["frazil_look_seconds_count"], "2") == 1
    assert told["process_resident_memory_bytes"][()] > 1 << 20


def test_before_the_first_look_nothing_is_told_of_it() -> None:
    told = _samples(render(Measures(), replace(MOMENT, facts=None, age_s=None)).decode())
    assert {"frazil_leads", "frazil_viewers", "frazil_build_info"} <= told.keys()
    assert not [name for name in told if name.startswith(("frazil_host", "frazil_pool", "frazil_look_age"))]


def test_what_is_declared_is_told_with_its_labels_and_the_other_way_round() -> None:
    text = render(_measured(), MOMENT).decode()
    families = {
        one.name + ("_total" if one.type == "counter" else ""): one for one in text_string_to_metric_families(text)
    }
    ours = {name: one for name, one in families.items() if name.startswith("frazil_") and not name.endswith("_created")}
    declared = {one.name: one for one in MEASUREMENTS}
    assert ours.keys() == declared.keys()
    for name, family in ours.items():
        assert family.type == declared[name].kind
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(declared[name].labels), name


def test_every_measurement_has_an_alert_or_says_why_not_and_alerts_ask_for_what_there_is() -> None:
    labels = {one.name: set(one.labels) for one in MEASUREMENTS}
    names = [alert.name for one in MEASUREMENTS for alert in one.alerts]
    assert len(set(names)) == len(names) > 15
    for one in MEASUREMENTS:
        assert bool(one.alerts) != bool(one.without), one.name
        for alert in one.alerts:
            asked = re.findall(r"(frazil_[a-z_]+?)(?:_bucket|_count|_sum)?(?=[\[{ )]|$)(?:\{([^}]*)\})?", alert.expr)
            assert one.name in {name for name, _ in asked}, alert.name
            for name, given in asked:
                assert set(re.findall(r"(\w+)=", given)) <= labels[name], alert.name
