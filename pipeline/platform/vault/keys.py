"""Master keys of the vault: what a good one is, and wrapping data keys with them. Where they lie is in `key_files.py`.

A key management service would be another `KeyProvider`; only the wrapping of data keys goes through it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Protocol

from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.vault import aead

_KID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=?")
#: Fewer distinct bytes than this do not come from a random source: 32 random ones have fewer once in 10^37 keys.
_MIN_DISTINCT = 8
#: What the shop system before this one shipped as its key.
_PLACEHOLDER = "your-32-byte-encryption-key"
_ADVICE = "make one with: pipeline keys generate"


class KeyFormatError(UsageError):
    """Keys that cannot be used; never quotes one."""


class UnknownKeyError(PipelineError):
    """An envelope names a key that is not there."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"credential is sealed with the key {kid}, which is not among the keys given")


class DecryptError(PipelineError):
    """Another key under the same name, altered bytes, or another row's envelope: which of them cannot be told."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"credential cannot be decrypted (kid {kid})")


class KeyProvider(Protocol):
    """Wraps data keys under master keys. Raises UnknownKeyError and DecryptError."""

    @property
    def primary(self) -> str:
        """The key that wraps."""

    def wrap(self, dek: bytes, aad: bytes) -> tuple[str, bytes]:
        """The name of the primary key, and the data key wrapped by it."""

    def unwrap(self, kid: str, blob: bytes, aad: bytes) -> bytes:
        """The data key, if `kid` wrapped it with this `aad`."""


class Keyring:
    """Master keys in this process's memory, by name; the first is the primary one."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    @property
    def primary(self) -> str:
        return next(iter(self._keys))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def wrap(self, dek: bytes, aad: bytes) -> tuple[str, bytes]:
        kid = self.primary
        return kid, aead.encrypt(self._keys[kid], dek, _bound(kid, aad))

    def unwrap(self, kid: str, blob: bytes, aad: bytes) -> bytes:
        if kid not in self._keys:
            raise UnknownKeyError(kid)
        dek = aead.decrypt(self._keys[kid], blob, _bound(kid, aad))
        if dek is None:
            raise DecryptError(kid)
        return dek


class LazyKeys:
    """Keys that are looked for when first needed, since most commands and runs need none: `find` to open, `make` to seal."""

    def __init__(self, find: Callable[[], Keyring], make: Callable[[], Keyring]) -> None:
        self._find, self._make = cache(find), cache(make)

    @property
    def primary(self) -> str:
        return self._find().primary

    def wrap(self, dek: bytes, aad: bytes) -> tuple[str, bytes]:
        return self._make().wrap(dek, aad)

    def unwrap(self, kid: str, blob: bytes, aad: bytes) -> bytes:
        return self._find().unwrap(kid, blob, aad)


def is_key_name(name: str) -> bool:
    """1 to 32 lower-case letters, digits, hyphens and underscores, a letter or digit first."""
    return bool(_KID.fullmatch(name))


def parse_keys(text: str, where: str) -> Keyring:
    """`kid:base64` entries, one a line or between commas, the primary one first; lines that begin with # are comments.

    Raises KeyFormatError that names the entry by its number or name."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    entries = [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]
    if not entries:
        raise KeyFormatError(f"{where} holds no key; put its content back, or move it away and {_ADVICE}")
    found: dict[str, bytes] = {}
    for number, entry in enumerate(entries, 1):
        kid, key = _parse_entry(entry, f"key {number} in {where}")
        if kid in found:
            raise KeyFormatError(f"{where} has two keys named {kid}; give each a name of its own")
        twin = next((name for name, known in found.items() if known == key), None)
        if twin is not None:
            raise KeyFormatError(f"{where} has the same key as {twin} and as {kid}; {_ADVICE}")
        found[kid] = key
    return Keyring(found)


def format_key(kid: str, key: bytes) -> str:
    """One line of a key file, without its end."""
    return f"{kid}:{base64.b64encode(key).decode()}"


def _parse_entry(entry: str, what: str) -> tuple[str, bytes]:
    if _PLACEHOLDER in entry:
        raise KeyFormatError(f"{what} is the placeholder of an example configuration, which everybody knows; {_ADVICE}")
    kid, colon, text = (part.strip() for part in entry.partition(":"))
    if not colon or not is_key_name(kid):  # without a name the entry may be a bare key: not quoted
        raise KeyFormatError(
            f"{what} must look like name:base64, with a name of lower-case letters, digits, hyphens, underscores; {_ADVICE}"
        )
    standard = text.replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(standard.rstrip("=") + "=", validate=True) if _BASE64.fullmatch(standard) else b""
    except binascii.Error:
        key = b""
    if len(key) != aead.KEY_BYTES:
        raise KeyFormatError(f"{what} ({kid}) is not {aead.KEY_BYTES} random bytes in base64; a passphrase is no key; {_ADVICE}")
    if len(set(key)) < _MIN_DISTINCT or all(32 <= byte < 127 for byte in key):
        raise KeyFormatError(f"{what} ({kid}) is not random but a text or a pattern; {_ADVICE}")
    return kid, key


def _bound(kid: str, aad: bytes) -> bytes:
    return aead.associated_data("dek", {"kid": kid}, aad)
