"""A window beside the viewer, with a file in it that can be dragged away. Run by the system's Python (python3-gi).

    drag_source.py FILE LEFT TOP

Prints `there` when it is there and `over` when a drag is, and ends when its standard input does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

SIDE = 80


def main(file: Path, left: int, top: int) -> None:
    window = Gtk.Window(type=Gtk.WindowType.POPUP)
    window.set_default_size(SIDE, SIDE)
    window.move(left, top)
    grip = Gtk.EventBox()
    grip.add(Gtk.Label(label="a file"))
    grip.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
    grip.drag_source_add_uri_targets()

    def give(_: Any, __: Any, data: Any, ___: int, ____: int) -> None:
        data.set_uris([file.as_uri()])

    grip.connect("drag-data-get", give)
    window.add(grip)
    window.connect("map-event", lambda *_: print("there", flush=True))
    grip.connect("drag-end", lambda *_: print("over", flush=True))
    window.show_all()
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP, lambda *_: Gtk.main_quit())
    Gtk.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
