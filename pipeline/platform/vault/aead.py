"""AES-256-GCM as the vault uses it: a random nonce before each ciphertext, and associated data that cannot be confused."""

from __future__ import annotations

import os
from collections.abc import Mapping

NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
#: No kind is a prefix of another, so that data of one kind is never data of the other.
KINDS = ("credential", "dek")


def associated_data(kind: str, fields: Mapping[str, str], rest: bytes = b"") -> bytes:
    """Injective: other fields give other bytes, because every name and value stands behind its length."""
    if kind not in KINDS:
        raise ValueError(f"not a kind of associated data: {kind}")
    parts = [b"v1\0", kind.encode()]
    for name in sorted(fields):
        for text in (name, fields[name]):
            encoded = text.encode()
            parts += [len(encoded).to_bytes(4, "big"), encoded]
    return b"".join([*parts, rest])


def encrypt(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """nonce | ciphertext | tag"""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def decrypt(key: bytes, blob: bytes, aad: bytes) -> bytes | None:
    """The plaintext; None for another key, altered bytes or other associated data, which cannot be told apart."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], aad)
    except InvalidTag:
        return None
