"""Merging of equal pages (KSM) while Frazil has desktops. Blocking.

The kernel's own advisor sets the pace where there is one (Linux 6.8, Documentation/admin-guide/mm/ksm.rst);
`ksm_rules` do elsewhere. What was found is written down before anything is changed, and put back at the end: pages
that are merged then stay so, since desktops outlive the server. Where something else runs KSM, it is left alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import structlog

from frazil.server.density import ksm_rules
from frazil.server.density.ksm_rules import NOTHING_YET, Bout, Mode

log = structlog.get_logger(__name__)

SYSFS = Path("/sys/kernel/mm/ksm")
ADVISOR_MAX_CPU = 20
"""Per cent of one CPU at most."""
OTHERS = ("ksmtuned", "momd")
_RESTORED = (
    "advisor_mode", "advisor_max_cpu", "advisor_target_scan_time", "smart_scan", "pages_to_scan", "sleep_millisecs",
    "run",
)  # fmt: skip
"""In the order of putting back: the advisor forbids `pages_to_scan`, and changing it resets that."""


@dataclass(frozen=True, slots=True)
class Merging:
    """What merging is doing, in words, and how much memory it saves now."""

    words: str
    saved_mib: int


class Ksm:
    """One host's KSM. `wanted`: the setting; `found_file`: where what was found is kept until it is put back."""

    def __init__(self, *, wanted: bool, found_file: Path, sysfs: Path = SYSFS, proc: Path = Path("/proc")) -> None:
        self._sysfs = sysfs
        self._proc = proc
        self._found_file = found_file
        self._mode: Mode = NOTHING_YET
        self._refusal = self._why_not(wanted=wanted)

    def _why_not(self, *, wanted: bool) -> str:
        """Why KSM is not ours to run; empty when it is."""
        if not wanted:
            return "Equal memory is not merged: it is switched off in the settings."
        if not os.access(self._sysfs / "run", os.W_OK):
            return "Equal memory is not merged: this host's kernel does not offer it (KSM)."
        for name in self._running():
            if name in OTHERS:
                return f"Equal memory is merged by another program of this host ({name}); Frazil leaves it alone."
        if not self._found_file.exists() and self._number("run") == 1:
            return "Equal memory is merged as this host's administrator set it; Frazil leaves it alone."
        return ""

    def _running(self) -> set[str]:
        names = set()
        for place in self._proc.iterdir():
            if place.name.isdecimal():
                try:
                    names.add((place / "comm").read_text(encoding="utf-8", errors="replace").strip())
                except OSError:
                    continue  # it ended meanwhile
        return names

    def look(self, *, own_mib: int, desktops: int) -> Merging:
        """Begin, go on or rest, by what desktops have for themselves now; says how merging is."""
        if self._refusal:
            return Merging(self._refusal, self._saved_mib())
        before = self._mode
        self._mode = ksm_rules.follow(
            before, own_mib=own_mib, desktops=desktops, passes=self._number("full_scans"),
            merged_pages=self._number("pages_sharing"),
        )  # fmt: skip
        try:
            if isinstance(self._mode, Bout):
                if not isinstance(before, Bout):
                    self._begin()
                if not self._has("advisor_mode"):
                    self._set("pages_to_scan", ksm_rules.pages_to_scan(own_mib))
            elif isinstance(before, Bout):
                self._set("run", 0)
                log.info("ksm-rests", saved_mib=self._saved_mib())
        except OSError as exc:
            self._refusal = f"Equal memory is not merged: the kernel refuses it ({exc.strerror})."
            log.warning("ksm-refused", why=str(exc))
        words = (
            "Equal memory of desktops is being looked for and merged."
            if isinstance(self._mode, Bout)
            else "Equal memory of desktops is merged; it is looked for again when they have written more."
        )
        return Merging(self._refusal or words, self._saved_mib())

    def _begin(self) -> None:
        self._keep_found()
        if self._has("advisor_mode"):
            self._set("advisor_mode", "scan-time")
            self._set("advisor_target_scan_time", ksm_rules.PASS_S)
            self._set("advisor_max_cpu", ADVISOR_MAX_CPU)
        else:
            self._set("sleep_millisecs", ksm_rules.SLEEP_MS)
        if self._has("smart_scan"):
            self._set("smart_scan", 1)
        self._set("run", 1)
        log.info("ksm-begins", advisor=self._has("advisor_mode"))

    def _keep_found(self) -> None:
        """Write down what stands there now, unless an earlier life of ours did: then these values are its own."""
        if self._found_file.exists():
            return
        found = {name: self._text(name) for name in _RESTORED if self._has(name)}
        part = self._found_file.with_suffix(".new")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(self._found_file)

    def put_back(self) -> None:
        """Leave KSM as it was found. Harmless when nothing was changed."""
        try:
            found = json.loads(self._found_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError as exc:
            log.warning("ksm-found-unreadable", why=str(exc))
            found = {"run": "0"}
        for name in _RESTORED:
            if name not in found or (name == "pages_to_scan" and found.get("advisor_mode", "none") != "none"):
                continue
            try:
                self._set(name, found[name])
            except OSError as exc:
                log.warning("ksm-not-put-back", setting=name, why=str(exc))
        self._found_file.unlink()
        self._mode = NOTHING_YET
        log.info("ksm-put-back", run=found.get("run"))

    def _saved_mib(self) -> int:
        """What merging saves: pages that share another's, less the kernel's notes about pages (`general_profit`)."""
        if not self._has("pages_sharing"):
            return 0
        if self._has("general_profit"):
            return max(0, self._number("general_profit") >> 20)
        return self._number("pages_sharing") * ksm_rules.PAGE_KIB >> 10

    def _has(self, name: str) -> bool:
        return (self._sysfs / name).exists()

    def _number(self, name: str) -> int:
        return int(self._text(name))

    def _text(self, name: str) -> str:
        """A value; of a choice like `[none] scan-time`, the chosen one."""
        text = (self._sysfs / name).read_text(encoding="ascii").strip()
        chosen = [word.strip("[]") for word in text.split() if word.startswith("[")]
        return chosen[0] if chosen else text

    def _set(self, name: str, value: object) -> None:
        (self._sysfs / name).write_text(f"{value}\n", encoding="ascii")
