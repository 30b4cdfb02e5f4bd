"""The port ``org.frazil.guest`` of the fake hypervisor's domains, with a guest service that agrees to everything.

But for a second sign-on: who is signed on is in a file beside the port, as a guest outlives the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from pathlib import Path

CALLS = ["identify", "set_clock", "sign_on"]


class GuestPort:
    """Listens at `path` until closed; each connection has a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signed_on = path.with_name(path.name + ".signed-on")
        self._clock = path.with_name(path.name + ".clock")
        path.unlink(missing_ok=True)  # an earlier process's
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                sock, _ = self._listening.accept()
                self._open.add(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError), sock.makefile("rb") as lines:
            for said in ({"event": "hello", "calls": CALLS, **self._state()}, self._word()):
                sock.sendall(json.dumps(said).encode() + b"\n")
            for line in lines:
                if line.strip():
                    sock.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        self._open.discard(sock)

    def _state(self) -> dict[str, object]:
        try:
            digest = self._signed_on.read_text()
        except FileNotFoundError:
            return {"waiting": True, "ready": False, "sign_on": None}
        taken = {"user": "someone", "token_sha256": digest, "is": "on"}
        return {"waiting": False, "ready": True, "sign_on": taken}

    def _word(self) -> dict[str, object]:
        state = self._state()
        return {"event": "waiting" if state["waiting"] else "ready", **state}

    def _answer(self, asked: dict[str, object]) -> dict[str, object]:
        if asked["call"] == "set_clock":
            self._clock.write_text(json.dumps(asked["args"]))
        if asked["call"] != "sign_on":
            return {"id": asked["id"], "ok": True, "result": {"calls": CALLS, **self._state()}}
        if self._signed_on.exists():
            return {"id": asked["id"], "ok": False, "error": {"code": "busy", "text": "somebody is signed on"}}
        args = asked["args"]
        assert isinstance(args, dict)
        self._signed_on.write_text(hashlib.sha256(args["token"].encode()).hexdigest())
        return {"id": asked["id"], "ok": True, "result": {"user": args["user"], "uid": 1001}}

    def close(self) -> None:
        """As when the domain ends."""
        self._path.unlink(missing_ok=True)
        self._signed_on.unlink(missing_ok=True)
        self._clock.unlink(missing_ok=True)
        for sock in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listening.close()
