#!/usr/bin/env python3
"""Boots a built image under plain QEMU without KVM and times it. Prints one JSON object as its last line.

    python3 bench/boot.py IMAGE_DIRECTORY [--vcpus 1 --vcpus 2] [--idle-s 60] [--screenshot FILE.png] [--vga qxl-vga]

IMAGE_DIRECTORY holds disk.qcow2 and, for direct kernel boot, kernel, initrd and cmdline. The disk is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

BOOT_DEADLINE_S = 180.0
PERSON = {"user": "anna", "full_name": "Anna Kiss"}
AGENT_TRY_S = 1.0
Reply = dict[str, object]


class JsonLines:
    """A UNIX socket that carries one JSON object a line. Every read has a deadline."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, message: Reply) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, *, timeout_s: float) -> Reply:
        """The next object. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing came in time")
            self._socket.settimeout(left)
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the other end closed")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line.lstrip(b"\xff"))
        assert isinstance(message, dict)
        return message


class PlainGuest:
    """One image running under QEMU's own emulation, with a disposable overlay. Use as a context manager."""

    def __init__(
        self, image: Path, *, vcpus: int = 1, memory_mib: int = 768, vga: str = "qxl-vga", console: bool = False,
        append: str = "", network: bool = False, cpu: str = "max",
    ) -> None:  # fmt: skip
        self._image, self._vcpus, self._memory_mib, self._vga = image, vcpus, memory_mib, vga
        self._console, self._append, self._network, self._cpu = console, append, network, cpu
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.directory = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="frazil-boot-")))
            overlay = self.directory / "overlay.qcow2"
            base = (self._image / "disk.qcow2").resolve()
            subprocess.run(
                ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base), str(overlay)], check=True
            )
            self.started = time.monotonic()
            self.process = subprocess.Popen(self._command(overlay), stdin=subprocess.DEVNULL)
            undo.callback(self._end)
            self.qmp = JsonLines(self._socket("qmp"))
            undo.callback(self.qmp.close)
            self.qmp.receive(timeout_s=10)
            self.monitor("qmp_capabilities")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _socket(self, name: str) -> Path:
        """Where QEMU listens; waits for it to be there (QEMU makes its sockets before it daemonizes or runs)."""
        path = self.directory / name
        deadline = time.monotonic() + 20
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("QEMU did not start; see its words above")
            time.sleep(0.01)
        return path

    def _command(self, overlay: Path) -> list[str]:
        at = self.directory
        thread = "multi" if self._vcpus > 1 else "single"
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-cpu", self._cpu,
            "-accel", f"tcg,tb-size=64,thread={thread}", "-m", str(self._memory_mib), "-smp", str(self._vcpus),
            "-rtc", "base=utc", "-display", "none",
            "-qmp", f"unix:{at}/qmp,server=on,wait=off",
            "-drive", f"if=none,id=disk,file={overlay},format=qcow2,discard=unmap,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=qga,path={at}/qga,server=on,wait=off",
            "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
            "-chardev", f"socket,id=guest,path={at}/guest,server=on,wait=off",
            "-device", "virtserialport,chardev=guest,name=org.frazil.guest",
            "-spice", f"unix=on,addr={at}/spice,disable-ticketing=on",
            "-chardev", "spicevmc,id=vdagent,name=vdagent",
            "-device", "virtserialport,chardev=vdagent,name=com.redhat.spice.0",
            "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
            "-device", self._vga + (",vgamem_mb=16" if self._vga == "qxl-vga" else ""),
            "-device", "intel-hda", "-audiodev", "spice,id=sound", "-device", "hda-duplex,audiodev=sound",
            "-device", "virtio-rng-pci", "-device", "pcie-root-port,id=plug,chassis=1",
        ]  # fmt: skip
        if self._network:
            command += ["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net"]
        if (self._image / "kernel").is_file():
            line = (self._image / "cmdline").read_text(encoding="utf-8").strip()
            command += ["-kernel", str(self._image / "kernel"), "-initrd", str(self._image / "initrd")]
            command += ["-append", f"{line} {self._append}".strip()]
        if self._console:
            command += ["-serial", f"file:{at}/console"]
        return command

    def monitor(self, name: str, **arguments: object) -> object:
        """One QMP command; events that come before its answer are dropped."""
        self.qmp.send({"execute": name, "arguments": arguments})
        while True:
            message = self.qmp.receive(timeout_s=30)
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']}")
            if "return" in message:
                return message["return"]

    def agent_up(self) -> float:
        """Seconds from the start to the guest agent's first answer."""
        agent = self._agent = JsonLines(self._socket("qga"))
        self._undo.callback(agent.close)
        mark = 0
        deadline = self.started + BOOT_DEADLINE_S
        while time.monotonic() < deadline:
            mark += 1
            agent.send({"execute": "guest-sync", "arguments": {"id": mark}})
            try:
                while agent.receive(timeout_s=AGENT_TRY_S).get("return") != mark:
                    pass
            except TimeoutError:
                continue
            return time.monotonic() - self.started
        raise TimeoutError(f"no answer from the guest agent within {BOOT_DEADLINE_S:.0f} s")

    def agent(self, name: str, **arguments: object) -> object:
        self._agent.send({"execute": name, "arguments": arguments})
        while True:  # answers to the tries before the guest was up come first
            message = self._agent.receive(timeout_s=30)
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']}")
            if "return" in message and not isinstance(message["return"], int):
                return message["return"]
            if "return" in message and name == "guest-file-open":
                return message["return"]

    def run(self, script: str, *, timeout_s: float = 60) -> tuple[int, str]:
        """Exit code and output (both streams) of a shell script in the guest, run as root."""
        import base64

        started = self.agent(
            "guest-exec", path="/bin/sh", arg=["-c", f"exec 2>&1\n{script}"], **{"capture-output": True}
        )
        assert isinstance(started, dict)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.agent("guest-exec-status", pid=started["pid"])
            assert isinstance(status, dict)
            if status["exited"]:
                text = base64.b64decode(str(status.get("out-data", ""))).decode("utf-8", "replace")
                return int(status.get("exitcode", -1)), text
            time.sleep(0.1)
        raise TimeoutError(f"the guest did not end {script!r} in time")

    def service(self) -> JsonLines:
        """A new connection to the guest service's port."""
        return JsonLines(self._socket("guest"))

    def ready(self, port: JsonLines) -> float:
        """Sign a person on as soon as the screen waits; seconds from the start to the panel of their desktop."""
        self._event(port, "waiting")
        port.send({"id": 0, "call": "sign_on", "args": {**PERSON, "token": secrets.token_urlsafe(32)}})
        self._event(port, "ready")
        return time.monotonic() - self.started

    def _event(self, port: JsonLines, name: str) -> None:
        while port.receive(timeout_s=self.started + BOOT_DEADLINE_S - time.monotonic()).get("event") != name:
            pass

    def screenshot(self, path: Path) -> None:
        self.monitor("screendump", filename=str(path.resolve()), format="png")

    def press(self, *keys: str) -> None:
        """Keys by QEMU's names, held together."""
        self.monitor("send-key", keys=[{"type": "qcode", "data": key} for key in keys], **{"hold-time": 60})

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(image: Path, *, vcpus: int, idle_s: float, vga: str, screenshot: Path | None) -> Reply:
    with PlainGuest(image, vcpus=vcpus, vga=vga) as guest:
        port = guest.service()
        agent_s = guest.agent_up()
        ready_s = guest.ready(port)
        result: Reply = {"vcpus": vcpus, "vga": vga, "agent_s": round(agent_s, 2), "ready_s": round(ready_s, 2)}
        result["cpu_s_to_ready"] = round(guest.cpu_seconds(), 1)
        if idle_s:
            time.sleep(20)  # what is started last may settle: this is the measurement, not a wait for a state
            before = guest.cpu_seconds()
            time.sleep(idle_s)
            result["idle_share_of_a_core"] = round((guest.cpu_seconds() - before) / idle_s, 4)
        result["resident_mib"] = round(guest.resident_mib())
        if screenshot is not None:
            guest.screenshot(screenshot)
        return result


def sizes(image: Path) -> Iterator[tuple[str, int]]:
    for name in ("disk.qcow2", "kernel", "initrd"):
        file = image / name
        if file.is_file():
            yield name, file.stat().st_blocks * 512


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--vcpus", type=int, action="append")
    parser.add_argument("--idle-s", type=float, default=60.0)
    parser.add_argument("--vga", default="qxl-vga", choices=["qxl-vga", "virtio-vga", "VGA"])
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args(argv)
    if shutil.which("qemu-system-x86_64") is None:
        print("qemu-system-x86_64 is not installed (package qemu-system-x86)", file=sys.stderr)
        return 1
    runs = []
    for vcpus in options.vcpus or [1, 2]:
        print(f"booting with {vcpus} vCPU ...", file=sys.stderr)
        runs.append(
            measure(options.image, vcpus=vcpus, idle_s=options.idle_s, vga=options.vga, screenshot=options.screenshot)
        )
    print(json.dumps({"image": options.image.name, "bytes": dict(sizes(options.image)), "runs": runs}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
