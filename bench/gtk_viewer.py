"""spice-gtk's own client without a window, on the SPICE server at this machine's port; ends with its input.

It runs with the system's Python, where the bindings of the library are (python3-gi, gir1.2-spiceclientglib-2.0).
"""

import sys
import threading
from typing import Any

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import GLib, GObject, SpiceClientGLib  # noqa: E402


def main() -> None:
    loop = GLib.MainLoop()
    session = SpiceClientGLib.Session.new()
    session.set_property("uri", f"spice://127.0.0.1:{sys.argv[1]}")
    channels: list[Any] = []

    def added(_: Any, channel: Any) -> None:
        channels.append(channel)  # the bindings let go of what nobody holds
        channel.connect()

    GObject.Object.connect(session, "channel-new", added)  # the session's own `connect` opens it
    session.connect()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
