"""What a machine says to the real spice-server when it goes to another host (`spice-migration.h`)."""

from __future__ import annotations

import ctypes

from tests.harness.spice_library import Instance, interface

NO_PORT = -1
_TOLD = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Moving:
    """`linked` once the server's clients are linked to the other one, or can't be; `ended` when they are gone."""

    def __init__(self, library: ctypes.CDLL, server: ctypes.c_void_p, *, switches: bool) -> None:
        self.linked = False
        self.ended = False
        self._library = library
        self._server = server
        self._interface = interface(
            "migration",
            1,
            1,
            [("migrate_connect_complete", _TOLD(self._on_linked)), ("migrate_end_complete", _TOLD(self._on_ended))],
        )
        self._instance = Instance(ctypes.addressof(self._interface), None)
        if not switches:
            assert library.spice_server_add_interface(server, ctypes.byref(self._instance)) == 0

    def begin(self, host: str, port: int, tls_port: int, subject: str) -> None:
        """Have clients linked there."""
        self.linked = False
        named = subject.encode() if subject else None
        assert self._library.spice_server_migrate_connect(self._server, host.encode(), port, tls_port, named) == 0

    def end(self, *, there: bool) -> None:
        """The machine is there, or stays here."""
        self._library.spice_server_migrate_start(self._server)
        if there:
            self._library.spice_server_vm_stop(self._server)
        self._library.spice_server_migrate_end(self._server, int(there))

    def switch(self, host: str, port: int, tls_port: int, subject: str) -> None:
        """The machine is there."""
        named = subject.encode() if subject else None
        assert self._library.spice_server_migrate_info(self._server, host.encode(), port, tls_port, named) == 0
        assert self._library.spice_server_migrate_switch(self._server) == 0

    def _on_linked(self, _instance: int) -> None:
        self.linked = True

    def _on_ended(self, _instance: int) -> None:
        self.ended = True
