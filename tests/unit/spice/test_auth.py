"""The password exchange."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from frazil.model.errors import LocalProtocolError, RemoteProtocolError
from frazil.spice.auth import ENCRYPTED_BYTES, PASSWORD_MAX_BYTES, TicketKey, _oaep, encrypt_password
from frazil.spice.link import PUBLIC_KEY_BYTES

KEY = TicketKey()


@given(st.binary(max_size=PASSWORD_MAX_BYTES).filter(lambda p: b"\0" not in p))
def test_passwords_come_back(password: bytes) -> None:
    block = encrypt_password(KEY.public_der, password)
    assert len(block) == ENCRYPTED_BYTES
    assert KEY.decrypt(block) == password


def test_the_key_fits_its_field() -> None:
    assert len(KEY.public_der) == PUBLIC_KEY_BYTES


def test_another_servers_block_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="this server's key"):
        KEY.decrypt(encrypt_password(TicketKey().public_der, b"ticket"))


@pytest.mark.parametrize("block", [b"", bytes(127), bytes(128), b"\xff" * 128, bytes(129)])
def test_garbage_is_refused(block: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        KEY.decrypt(block)


@pytest.mark.parametrize("plain", [b"", b"no end", b"x" * 61 + b"\0"])
def test_a_block_without_a_password_is_refused(plain: bytes) -> None:
    public = serialization.load_der_public_key(KEY.public_der)
    assert isinstance(public, rsa.RSAPublicKey)
    with pytest.raises(RemoteProtocolError, match="NUL"):
        KEY.decrypt(public.encrypt(plain, _oaep()))


@pytest.mark.parametrize("password", [b"x" * 61, b"a\0b"])
def test_what_does_not_fit_is_our_fault(password: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        encrypt_password(KEY.public_der, password)


def test_a_key_that_is_spoilt_anywhere_is_taken_or_refused() -> None:
    refused = 0
    for at in range(PUBLIC_KEY_BYTES):
        for byte in (0, 1, 3, 0xFF):
            spoilt = bytearray(KEY.public_der)
            spoilt[at] = byte
            try:
                encrypt_password(bytes(spoilt), b"")
            except RemoteProtocolError:
                refused += 1
    assert refused > 50


def test_a_reply_without_the_right_key_is_the_servers_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="no public key"):
        encrypt_password(bytes(162), b"")
    big = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    der = big.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(RemoteProtocolError, match="1024"):
        encrypt_password(der, b"")
