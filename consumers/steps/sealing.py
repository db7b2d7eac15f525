"""Sealing of salt records: anybody can seal with the committee's public key, only the private key opens.

The seal is libsodium's sealed box (X25519 and XSalsa20-Poly1305, by PyNaCl). Every sealed record has the same
length, so that its size says nothing of what is in it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from blake3 import blake3
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from ...statemachine.records import SealedSalt

LENGTH = 4096
"""Bytes of a record before it is sealed, filled up with spaces."""


class SealError(ValueError):
    """A key that is none, a record that is too long, or a seal that this key does not open."""


def make_keypair() -> tuple[str, str]:
    """Make a new (private, public) key pair, each as base64 text."""
    private = PrivateKey.generate()
    return _text(bytes(private)), _text(bytes(private.public_key))


def key_id(public: str) -> str:
    """Name a public key: the first 16 hexadecimal digits of its blake3 sum."""
    return blake3(_key(public, "public")).hexdigest()[:16]


def seal(public: str, record: Mapping[str, Any]) -> SealedSalt:
    """Seal a record of plain JSON values, filled up to `LENGTH` bytes. Raises `SealError`."""
    plain = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    if len(plain) > LENGTH:
        raise SealError(f"a salt record of {len(plain)} bytes does not fit into {LENGTH}")
    box = SealedBox(PublicKey(_key(public, "public")))
    return SealedSalt(key_id=key_id(public), sealed=_text(box.encrypt(plain.ljust(LENGTH))))


def open_sealed(private: str, sealed: SealedSalt) -> dict[str, Any]:
    """Open a sealed record. Raises `SealError` where the key is another or the seal was changed."""
    box = SealedBox(PrivateKey(_key(private, "private")))
    try:
        record: dict[str, Any] = json.loads(box.decrypt(base64.b64decode(sealed.sealed, validate=True)))
    except (CryptoError, ValueError) as error:
        raise SealError(f"this key does not open what was sealed for {sealed.key_id}") from error
    return record


def _key(text: str, which: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise SealError(f"the {which} key is not base64") from error
    if len(key) != PublicKey.SIZE:
        raise SealError(f"the {which} key has {len(key)} bytes, not {PublicKey.SIZE}")
    return key


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
