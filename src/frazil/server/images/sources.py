"""Where packages come from: the host's own apt sources, narrowed to the suites of the guest's system.

No registry's address is written down in Frazil; a host that installs its own packages knows a mirror already.
Sources: sources.list(5), both its one-line and its deb822 form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frazil.model.errors import InvalidInput

# Settings of the host's apt without which its mirror may not be reachable or trusted.
_CARRIED_SETTING = re.compile(
    r"Acquire::(https?|ftp)::\S*proxy\S*|Acquire::Check-(Valid-Until|Date)|Acquire::Retries", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One archive: where, which suite, which parts, signed by which keyring file ("" is apt's default)."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str

    def line(self) -> str:
        """As a line of sources.list."""
        option = f" [signed-by={self.signed_by}]" if self.signed_by else ""
        return f"deb{option} {self.uri} {self.suite} {' '.join(self.components)}"


def parse_one_line(text: str) -> Iterator[Source]:
    """Sources of a `.list` file. Lines that are no binary sources are left out."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<parts>[^#]*)", line)
        if match is None:
            continue
        options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
        signed_by = next((value for key, value in options.items() if key.lower() == "signed-by"), "")
        yield Source(
            uri=match["uri"], suite=match["suite"], components=tuple(match["parts"].split()), signed_by=signed_by
        )


def parse_deb822(text: str) -> Iterator[Source]:
    """Sources of a `.sources` file. Disabled ones are left out."""
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t") and key:
                fields[key] += "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        signed_by = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    # A key written into the stanza itself can't be said in one line; apt's own keyrings are used then.
                    signed_by=signed_by if signed_by.startswith("/") else "",
                )


def host_sources(etc_apt: Path = Path("/etc/apt")) -> tuple[Source, ...]:
    """All binary sources of this host, in apt's order."""
    found: list[Source] = []
    for file in [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".list":
            found += parse_one_line(text)
        elif file.suffix == ".sources":
            found += parse_deb822(text)
    return tuple(found)


def guest_sources(
    *, suite: str, components: Sequence[str], host: Sequence[Source], mirror: str | None = None
) -> tuple[Source, ...]:
    """The archives for a guest of `suite`: it, its updates and its security suite, as far as the host has them.

    mirror: an archive to use for `suite` instead. Raises InvalidInput where neither names the suite.
    """
    if mirror is not None:
        return (Source(uri=mirror, suite=suite, components=tuple(components), signed_by=""),)
    wanted = {suite, f"{suite}-updates", f"{suite}-security", f"{suite}/updates"}
    found: dict[Source, None] = {}
    for source in host:
        parts = tuple(part for part in components if part in source.components)
        if source.suite in wanted and parts:
            found.setdefault(Source(uri=source.uri, suite=source.suite, components=parts, signed_by=source.signed_by))
    if not any(source.suite == suite for source in found):
        raise InvalidInput(
            f"This host's apt sources have no suite {suite}, of which the image is made.",
            remedy=f"Give an archive that has it: `frazil image build … --mirror URL`, or add {suite} to /etc/apt.",
            field="mirror",
        )
    return tuple(found)


def carried_settings(apt_config_dump: str) -> tuple[str, ...]:
    """The lines of `apt-config dump` that the guest's installation needs as well: proxies, retries, date checks."""
    return tuple(
        line.strip().removesuffix(";")
        for line in apt_config_dump.splitlines()
        if _CARRIED_SETTING.match(line) and not line.rstrip().endswith('"";')
    )
