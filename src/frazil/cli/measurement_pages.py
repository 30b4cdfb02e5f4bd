"""docs/reference/metrics.md and alerts.yml, from `frazil.controller.measurements`."""

from __future__ import annotations

import json

from frazil.controller.measurements import MEASUREMENTS, Alert

_MADE = "Made by `python -m frazil.cli.reference docs/reference`; do not edit."
_HEAD = f"""<!-- {_MADE} -->

# Measurements

`GET /api/v1/metrics` has them in Prometheus's text format, for auditors, pool administrators and administrators;
[how to read and watch them](../howto/watch.md). [alerts.yml](alerts.yml) has all the alerts below as rules.

With several controllers, whichever one answers tells; what is of a controller itself has its number in the label
`controller`. Beside these there are `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`
and the like, of the controller that answers.
"""


def metrics_page() -> str:
    """docs/reference/metrics.md"""
    parts = [_HEAD]
    for one in MEASUREMENTS:
        labels = f"Labels: {', '.join(f'`{label}`' for label in one.labels)}." if one.labels else "No labels."
        parts.append(f"\n## `{one.name}`\n\nA {one.kind}. {labels} {one.means}\n")
        parts.extend(map(_told, one.alerts))
        if one.without:
            parts.append(f"\nNo alert of its own; for {one.without}.\n")
    return "".join(parts)


def _told(alert: Alert) -> str:
    return f"\n**{alert.name}** ({alert.severity}), when for {alert.lasts}:\n\n    {alert.expr}\n\n{alert.summary}\n"


def alerts_file() -> str:
    """docs/reference/alerts.yml: a file of rules for Prometheus. Texts are written as JSON, which YAML takes."""
    lines = [f"# {_MADE}", "groups:", "  - name: frazil", "    rules:"]
    for one in MEASUREMENTS:
        for alert in one.alerts:
            lines += [
                f"      - alert: {alert.name}",
                f"        expr: {json.dumps(alert.expr)}",
                f"        for: {alert.lasts}",
                "        labels:",
                f"          severity: {alert.severity}",
                "        annotations:",
                f"          summary: {json.dumps(alert.summary)}",
            ]
    return "\n".join(lines) + "\n"
