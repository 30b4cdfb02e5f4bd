"""`frazil up` refuses what would not work: bad certificates, a port in use, bad settings. Nothing is started then."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.harness.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil")]
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])


def _key(path: Path) -> Path:
    subprocess.run(
        ["openssl", "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path)],
        check=True, timeout=30,
    )  # fmt: skip
    return path


def _certificate(path: Path, key: Path, *, ended: bool = False) -> Path:
    """For localhost; `ended`: it was valid for a day long ago."""
    builder = x509.CertificateBuilder(
        issuer_name=NAME, subject_name=NAME, serial_number=1,
        public_key=serialization.load_pem_private_key(key.read_bytes(), None).public_key(),  # type: ignore[arg-type]
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2020, 1, 2, tzinfo=UTC) if ended else datetime(2120, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    signer = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    made = builder.sign(signer, hashes.SHA256())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


Pair = tuple[Path | None, Path | None]
BAD_PAIRS: dict[str, tuple[Callable[[Path], Pair], str]] = {
    "garbage": (
        lambda place: (_write(place / "c.pem", "garbage"), _key(place / "k.pem")),
        "holds no certificate in PEM form",
    ),
    "garbage key": (
        lambda place: (_certificate(place / "c.pem", _key(place / "k.pem")), _write(place / "l.pem", "garbage")),
        "holds no private key in PEM form",
    ),
    "another's key": (
        lambda place: (_certificate(place / "c.pem", _key(place / "k.pem")), _key(place / "l.pem")),
        "is not that of the first certificate",
    ),
    "expired": (
        lambda place: (_certificate(place / "c.pem", _key(place / "k.pem"), ended=True), place / "k.pem"),
        "expired on 2020-01-02",
    ),
    "not there": (lambda place: (place / "nowhere.pem", _key(place / "k.pem")), "can't be read: No such file"),
    "a directory": (lambda place: (place, _key(place / "k.pem")), "can't be read: Is a directory"),
    "no key": (lambda place: (_certificate(place / "c.pem", _key(place / "k.pem")), None), "tls_key is missing"),
    "no certificate": (lambda place: (None, _key(place / "k.pem")), "tls_certificate is missing"),
}


@pytest.mark.real
@pytest.mark.parametrize("name", BAD_PAIRS)
def test_a_bad_certificate_stops_the_start(place: Path, name: str) -> None:
    make, words = BAD_PAIRS[name]
    certificate, key = make(place)
    with Stack(tls_certificate=certificate, tls_key=key) as stack:
        done = stack.frazil("up", "--no-first-desktop")
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (stack.settings.tls_dir / "gateway.pem").exists()
        assert not stack.settings.local_socket.exists(), "no process was started"
        if name != "expired":
            return
        # it comes up as soon as that is mended
        stack.config.write_text("".join(line for line in _lines(stack) if not line.startswith("tls_")))
        stack.start()
        stack.stop()


def _lines(stack: Stack) -> list[str]:
    return stack.config.read_text().splitlines(keepends=True)


@pytest.mark.real
def test_a_port_in_use_is_named_with_its_holder(own_stack: Stack) -> None:
    address, _, port = own_stack.settings.listen.rpartition(":")
    with socket.create_server((address, int(port))):
        done = own_stack.frazil("up", "--no-first-desktop")
        assert done.returncode == 1
        assert f"Port {port} is in use by" in done.stderr
        assert f"(process {os.getpid()})" in done.stderr
        assert "set another port: listen in" in done.stderr
        assert not own_stack.settings.local_socket.exists()
    own_stack.start()


@pytest.mark.parametrize("command", ["up", "doctor", "gateway"])
def test_a_bad_setting_stops_whatever_reads_it(place: Path, command: str) -> None:
    """Every kind of bad setting: tests/unit/test_settings."""
    places = "".join(f"{kind}_dir = '{place / kind}'\n" for kind in ("state", "run", "log"))
    file = _write(place / "frazil.toml", f"{places}guest_network = 'open'\n")
    done = subprocess.run(
        [sys.executable, "-m", "frazil.cli.main", command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, cwd="/",
        env={**os.environ, "FRAZIL_CONFIG": str(file), "HOME": str(place)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}: guest_network is 'open'" in done.stderr
    assert 'Like this: guest_network = "nat"' in done.stderr
    assert [path.name for path in place.iterdir()] == ["frazil.toml"], "nothing was made"
