"""A TCP port for a QEMU whose SPICE server has none: gives it each connection as its own.

    python bench/spice_port.py MONITOR

QEMU reads and writes the connections itself, as if the port were its own; nothing stands between. MONITOR is a socket
of its monitor (QMP). Prints the port, and ends with its standard input.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from monitor import Monitor


def serve(monitor: Monitor, listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            monitor.add_viewer(connection)


def main(path: Path) -> None:
    monitor = Monitor(path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        threading.Thread(target=serve, args=(monitor, listening), daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
