"""Templates to pages: one Jinja environment a language, made once; every text is escaped, every name must exist."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from frazil.controller.portal import labels_form
from frazil.controller.portal.commands import command
from frazil.controller.portal.reader import Languages
from frazil.controller.portal.views import Frame

TEMPLATES_DIR = Path(__file__).parent / "templates"
STATIC_DIR = Path(__file__).parent / "static"
STATIC_PATH = "/static"


class Assets:
    """Addresses of static files that change with their content, so that browsers may keep them for ever."""

    def __init__(self, directory: Path = STATIC_DIR) -> None:
        self._directory = directory
        self._known: dict[str, tuple[int, str]] = {}

    def __call__(self, name: str) -> str:
        """The address of the file `name`; without a version when it is not there (then its request says so)."""
        try:
            changed = (self._directory / name).stat().st_mtime_ns
        except OSError:
            return f"{STATIC_PATH}/{quote(name)}"
        known = self._known.get(name)
        if known is None or known[0] != changed:
            digest = hashlib.sha256((self._directory / name).read_bytes()).hexdigest()[:12]
            known = self._known[name] = (changed, digest)
        return f"{STATIC_PATH}/{quote(name)}?v={known[1]}"


class Templates:
    """Renders `templates/NAME.html` with a frame and that page's view."""

    def __init__(self, languages: Languages, assets: Assets) -> None:
        self._environments: Mapping[str, Environment] = {
            code: _environment(languages, code, assets) for code in languages.by_code
        }

    def render(self, name: str, frame: Frame, view: object) -> str:
        """The page `name` in the frame's language."""
        return (
            self._environments[frame.reader.language.code].get_template(f"{name}.html").render(frame=frame, view=view)
        )


def _environment(languages: Languages, code: str, assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        languages.by_code[code].words, newstyle=True
    )
    environment.globals.update(asset=assets, command=command, label_words=labels_form.text)
    return environment
