"""A real SPICE back end: QEMU under emulation with a boot sector that types back what is typed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

BOOT_DEADLINE_S = 30.0
ANSWER_DEADLINE_S = 60.0
BANNER = b"Frazil test guest\r\n> "


def boot_sector() -> bytes:
    """16-bit code: print the banner by BIOS calls, then echo each key; 512 bytes with the mark of a boot sector."""
    code = bytes.fromhex(
        "31c0"  # 00 xor ax, ax
        "8ed8"  # 02 mov ds, ax
        "b90020"  # 04 mov cx, 0x2000
        "b401"  # 07 mov ah, 0x01
        "cd10"  # 09 int 0x10: no text cursor, which would blink
        "be277c"  # 0b mov si, 0x7c27 (the banner)
        "ac"  # 0e lodsb
        "84c0"  # 0f test al, al
        "7406"  # 11 jz 0x19
        "b40e"  # 13 mov ah, 0x0e
        "cd10"  # 15 int 0x10
        "ebf5"  # 17 jmp 0x0e
        "b021"  # 19 mov al, '!'
        "e6e9"  # 1b out 0xe9, al: tells the test that keys are read from here on
        "30e4"  # 1d xor ah, ah
        "cd16"  # 1f int 0x16
        "b40e"  # 21 mov ah, 0x0e
        "cd10"  # 23 int 0x10
        "ebf6"  # 25 jmp 0x1d
    )
    return (code + BANNER + b"\0").ljust(510, b"\0") + b"\x55\xaa"


class BackEnd:
    """One QEMU. Its SPICE server listens on a UNIX socket and takes any password, as one with SKIPAUTH does."""

    def __init__(
        self, directory: Path, *more: str, boot: bytes | None = None, spice: str = "", port: int | None = None
    ) -> None:
        """`more` are further words of QEMU's command line, `spice` further options of its SPICE server.

        `boot`: another boot sector, which says `!` too when it is there. `port`: of 127.0.0.1, instead of the socket,
        over which spice-server compresses nothing but the first picture.
        """
        self.socket = directory / "spice.sock"
        where = f"unix=on,addr={self.socket}" if port is None else f"addr=127.0.0.1,port={port}"
        disk = directory / "boot.img"
        disk.write_bytes((boot or boot_sector()).ljust(1 << 20, b"\0"))
        booted = directory / "booted"
        os.mkfifo(booted)
        command = [
            "qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", "64", "-display", "none", "-nodefaults",
            "-vga", "std", "-device", "qemu-xhci", "-device", "usb-tablet", "-device", "virtio-serial-pci",
            "-drive", f"file={disk},format=raw,if=none,id=d", "-device", "ide-hd,drive=d",
            "-spice", f"{where},disable-ticketing=on{spice and ','}{spice}",
            "-chardev", "spicevmc,id=agent,name=vdagent",
            "-device", "virtserialport,chardev=agent,name=com.redhat.spice.0",
            "-chardev", f"file,id=booted,path={booted}", "-device", "isa-debugcon,iobase=0xe9,chardev=booted",
            "-qmp", "stdio", *more,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        try:
            # Without O_NONBLOCK a QEMU that ends at once would be waited for for ever.
            with open(os.open(booted, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as word:
                self._greet()
                byte: bytes | None = b""
                while select.select([word], [], [], BOOT_DEADLINE_S)[0] and (byte := word.read(1)) != b"!":
                    assert byte, "QEMU ended before its guest had booted"
                assert byte == b"!", "the guest did not boot in time"
        except BaseException:
            self.kill()
            raise

    def _greet(self) -> None:
        assert "QMP" in self._heard()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> object:
        """One QMP command; its answer."""
        self._to.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._to.flush()
        while True:
            message = self._heard()
            assert "error" not in message, message
            if "return" in message:
                return message["return"]

    def _heard(self) -> dict[str, object]:
        """QEMU's next message. One that says nothing is killed at the deadline."""
        late = threading.Timer(ANSWER_DEADLINE_S, self._process.kill)
        late.start()
        try:
            message = json.loads(self._from.readline() or '{"error": "QEMU ended"}')
        finally:
            late.cancel()
        assert isinstance(message, dict)
        return message

    def screenshot(self, file: Path) -> None:
        """What the guest's screen shows now, as a PNG."""
        self.ask("screendump", filename=str(file), format="png")

    def channels(self) -> set[int]:
        """The types of the SPICE channels that are linked now."""
        seen = self.ask("query-spice")
        assert isinstance(seen, dict)
        return {channel["channel-type"] for channel in seen.get("channels", [])}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._to.close()
        self._from.close()
