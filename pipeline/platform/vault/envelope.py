"""The vault: credentials sealed for one row, so that a copy in another row, or under another store, does not open.

Wire format v1, a JSON object: `{"v": 1, "alg": "A256GCM", "kid": ..., "dek": ..., "ct": ...}`. A random data key encrypts the
credentials (`ct`); the master key `kid` encrypts the data key (`dek`). Both are base64 of nonce, ciphertext, tag. The
associated data of both is the place: store id, marketplace, marketplace id.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.vault import aead
from pipeline.platform.vault.keys import DecryptError, KeyProvider, is_key_name

_FIELDS = {"v", "alg", "kid", "dek", "ct"}
_VERSION, _ALGORITHM = 1, "A256GCM"
_OVERHEAD = aead.NONCE_BYTES + aead.TAG_BYTES


class MalformedEnvelope(PipelineError):
    """What lies in the database is no envelope of this version."""

    def __init__(self) -> None:
        super().__init__("credential is stored in a form that is not the vault's")


class Vault:
    """Seals and opens credentials. `store_id` is the id of the row in `stores`, never a key or domain, which may change.

    Errors are UnknownKeyError, DecryptError and MalformedEnvelope; none of them contains data, nor has a cause that does."""

    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys

    @property
    def primary(self) -> str:
        """The name of the key that seals."""
        return self._keys.primary

    def require_key(self) -> None:
        """Raises KeyFormatError when there is no key yet; `seal` might make one."""
        _ = self.primary

    def seal(self, credentials: Mapping[str, Secret], *, store_id: UUID, marketplace: str, marketplace_id: str) -> dict[str, Any]:
        """The envelope, with a data key of its own each time."""
        aad = _place(store_id, marketplace, marketplace_id)
        plaintext = json.dumps({name: secret.reveal() for name, secret in credentials.items()}, sort_keys=True).encode()
        dek = os.urandom(aead.KEY_BYTES)
        kid, wrapped = self._keys.wrap(dek, aad)
        return _envelope(kid, wrapped, aead.encrypt(dek, plaintext, aad))

    def open(self, envelope: Mapping[str, Any], *, store_id: UUID, marketplace: str, marketplace_id: str) -> dict[str, Secret]:
        """The credentials by name."""
        aad = _place(store_id, marketplace, marketplace_id)
        kid, wrapped, ciphertext = _parts(envelope)
        plaintext = aead.decrypt(self._keys.unwrap(kid, wrapped, aad), ciphertext, aad)
        if plaintext is None:
            raise DecryptError(kid)
        return {name: Secret(value) for name, value in json.loads(plaintext).items()}

    def rewrap(self, envelope: Mapping[str, Any], *, store_id: UUID, marketplace: str, marketplace_id: str) -> dict[str, Any]:
        """The same ciphertext, its data key under the primary master key."""
        aad = _place(store_id, marketplace, marketplace_id)
        kid, wrapped, ciphertext = _parts(envelope)
        return _envelope(*self._keys.wrap(self._keys.unwrap(kid, wrapped, aad), aad), ciphertext)


def _place(store_id: UUID, marketplace: str, marketplace_id: str) -> bytes:
    fields = {"store_id": str(store_id), "marketplace": marketplace, "marketplace_id": marketplace_id}
    return aead.associated_data("credential", fields)


def _envelope(kid: str, wrapped: bytes, ciphertext: bytes) -> dict[str, Any]:
    texts = {name: base64.b64encode(blob).decode() for name, blob in (("dek", wrapped), ("ct", ciphertext))}
    return {"v": _VERSION, "alg": _ALGORITHM, "kid": kid, **texts}


def _parts(envelope: Mapping[str, Any]) -> tuple[str, bytes, bytes]:
    """kid, wrapped data key, ciphertext"""
    kid = envelope.get("kid") if isinstance(envelope, Mapping) else None
    if (
        not isinstance(kid, str)
        or not is_key_name(kid)
        or set(envelope) != _FIELDS
        or (envelope["v"], envelope["alg"]) != (_VERSION, _ALGORITHM)
    ):
        raise MalformedEnvelope
    wrapped, ciphertext = _decoded(envelope["dek"]), _decoded(envelope["ct"])
    if len(wrapped) != aead.KEY_BYTES + _OVERHEAD or len(ciphertext) < _OVERHEAD:
        raise MalformedEnvelope
    return kid, wrapped, ciphertext


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise MalformedEnvelope
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedEnvelope from None
