"""The vault's envelopes: what was sealed opens, for its own row, and nothing else does."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import traceback
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.vault import aead
from pipeline.platform.vault.envelope import MalformedEnvelope, Vault
from pipeline.platform.vault.keys import DecryptError, Keyring, UnknownKeyError
from pipeline_tests.reference import reference

CANARY = "CANARY-token"
TOKEN = {"refresh_token": Secret(CANARY), "client_secret": Secret("ünïcode ☕")}
PLACE = {"store_id": UUID(int=1), "marketplace": "amazon", "marketplace_id": "ATVPDKIKX0DER"}
KEYS = {name: bytes(range(number, number + 32)) for number, name in enumerate(("k1", "k2", "k3"))}


def vault(*names: str) -> Vault:
    return Vault(Keyring({name: KEYS[name] for name in names or ("k1",)}))


def test_the_wire_format() -> None:
    envelope = vault("k2", "k1").seal(TOKEN, **PLACE)
    assert set(envelope) == {"v", "alg", "kid", "dek", "ct"}
    assert (envelope["v"], envelope["alg"], envelope["kid"]) == (1, "A256GCM", "k2")
    assert len(base64.b64decode(envelope["dek"])) == 60
    plaintext = json.dumps({name: secret.reveal() for name, secret in TOKEN.items()}, sort_keys=True)
    assert len(base64.b64decode(envelope["ct"])) == 12 + len(plaintext.encode()) + 16
    assert CANARY not in json.dumps(envelope)


def test_the_ciphertext_is_what_the_documentation_says() -> None:
    """Another implementation, written from the wire format alone, opens it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    envelope = vault().seal(TOKEN, **PLACE)
    fields = (b"marketplace", b"amazon", b"marketplace_id", b"ATVPDKIKX0DER", b"store_id", str(UUID(int=1)).encode())
    place = b"v1\0credential" + b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    wrapped, ciphertext = (base64.b64decode(envelope[name]) for name in ("dek", "ct"))
    named = b"v1\0dek" + b"\0\0\0\x03kid" + b"\0\0\0\x02k1" + place
    dek = AESGCM(KEYS["k1"]).decrypt(wrapped[:12], wrapped[12:], named)
    assert json.loads(AESGCM(dek).decrypt(ciphertext[:12], ciphertext[12:], place))["refresh_token"] == CANARY


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_sealed_opens(texts: dict[str, str]) -> None:
    sealed = vault().seal({name: Secret(value) for name, value in texts.items()}, **PLACE)
    stored = json.loads(json.dumps(sealed))
    assert {name: secret.reveal() for name, secret in vault().open(stored, **PLACE).items()} == texts


def test_nothing_repeats() -> None:
    envelopes = [vault().seal(TOKEN, **PLACE) for _ in range(50)]
    for name in ("dek", "ct"):
        nonces = {base64.b64decode(envelope[name])[:12] for envelope in envelopes}
        assert len(nonces) == 50


def refused(envelope: Any, error: type[PipelineError], opener: Vault | None = None, **place: Any) -> str:
    for attempt in ((opener or vault()).open, (opener or vault()).rewrap):
        with pytest.raises(error) as caught:
            attempt(envelope, **{**PLACE, **place})
        assert caught.value.__cause__ is None and (caught.value.__context__ is None or caught.value.__suppress_context__)
        shown = "".join(traceback.format_exception(caught.value))
        assert CANARY not in shown and "InvalidTag" not in shown
    return str(caught.value)


def flips(blob: bytes) -> list[bytes]:
    return [blob[:index] + bytes([blob[index] ^ 1 << bit]) + blob[index + 1 :] for index in range(len(blob)) for bit in range(8)]


def test_every_flipped_bit_is_refused() -> None:
    envelope = vault().seal(TOKEN, **PLACE)
    tried = 0
    for name in ("dek", "ct"):
        for altered in flips(base64.b64decode(envelope[name])):
            with pytest.raises(DecryptError, match=r"^credential cannot be decrypted \(kid k1\)$"):
                vault().open({**envelope, name: base64.b64encode(altered).decode()}, **PLACE)
            tried += 1
    assert tried == 8 * sum(len(base64.b64decode(envelope[name])) for name in ("dek", "ct")) > 1000


@pytest.mark.parametrize(
    "place",
    [
        {"store_id": UUID(int=2)},
        {"marketplace": "ebay"},
        {"marketplace_id": ""},
        {"marketplace_id": "A1F83G8C2ARO7P"},
        {"marketplace": "amazonA", "marketplace_id": "TVPDKIKX0DER"},
        {"marketplace": "ATVPDKIKX0DER", "marketplace_id": "amazon"},
    ],
)
def test_another_place_is_refused(place: dict[str, Any]) -> None:
    assert refused(vault().seal(TOKEN, **PLACE), DecryptError, **place) == "credential cannot be decrypted (kid k1)"


def test_parts_of_two_rows_do_not_mix() -> None:
    place = {**PLACE, "store_id": UUID(int=2)}
    one, other = vault().seal(TOKEN, **PLACE), vault().seal(TOKEN, **place)
    again = vault().seal(TOKEN, **PLACE)
    for name, donor in itertools.product(("dek", "ct"), (other, again)):
        mixed = {**one, name: donor[name]}
        with pytest.raises(DecryptError):
            vault().open(mixed, **PLACE)
        with pytest.raises(DecryptError):
            vault().open(mixed, **place)
    swapped = {**one, "dek": one["ct"][: len(one["dek"])], "ct": one["dek"]}
    with pytest.raises(PipelineError):
        vault().open(swapped, **PLACE)


def test_another_key_under_the_same_name_is_refused() -> None:
    sealed = vault().seal(TOKEN, **PLACE)
    assert refused(sealed, DecryptError, Vault(Keyring({"k1": KEYS["k2"]}))) == "credential cannot be decrypted (kid k1)"
    assert refused({**sealed, "kid": "k2"}, DecryptError, vault("k1", "k2")) == "credential cannot be decrypted (kid k2)"


def test_a_renamed_key_is_refused() -> None:
    """The name is bound too: an envelope cannot be moved to another name of the same key."""
    sealed = vault().seal(TOKEN, **PLACE)
    refused({**sealed, "kid": "k9"}, DecryptError, Vault(Keyring({"k9": KEYS["k1"]})))


def test_an_unknown_key_is_named() -> None:
    assert "the key k1, which is not among" in refused(vault().seal(TOKEN, **PLACE), UnknownKeyError, vault("k2", "k3"))


def change(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda envelope: {**envelope, name: value}


@pytest.mark.parametrize(
    "damage",
    [
        change("v", 2), change("v", "1"), change("v", None), change("alg", "A128GCM"), change("alg", ["A256GCM"]),
        change("kid", 1),
        change("kid", ""), change("kid", "K1"), change("kid", "k1\n"), change("kid", "k" * 33), change("kid", "\x1b[2J"),
        change("dek", ""), change("dek", "AAAA"), change("dek", None), change("dek", "!" * 80), change("dek", "é" * 80),
        change("ct", ""), change("ct", base64.b64encode(bytes(27)).decode()), change("ct", [1]), change("more", 1),
        lambda envelope: {name: value for name, value in envelope.items() if name != "alg"},
        lambda envelope: {}, lambda envelope: {"refresh_token": CANARY}, lambda envelope: CANARY, lambda envelope: [CANARY],
        lambda envelope: None,
    ],
)  # fmt: skip
def test_another_form_is_refused(damage: Callable[[dict[str, Any]], Any]) -> None:
    said = refused(damage(vault().seal(TOKEN, **PLACE)), MalformedEnvelope)
    assert said == "credential is stored in a form that is not the vault's"


def test_rewrapping_changes_the_key_and_nothing_else() -> None:
    old = vault().seal(TOKEN, **PLACE)
    new = vault("k2", "k1").rewrap(copy.deepcopy(old), **PLACE)
    assert (new["kid"], new["ct"]) == ("k2", old["ct"])
    assert new["dek"] != old["dek"]
    assert vault("k2").open(new, **PLACE) == TOKEN
    refused(new, UnknownKeyError, vault("k1"))


_FIELDS = st.dictionaries(st.text(max_size=6).filter(str.isascii), st.text(alphabet="xyz\0\x01", max_size=6), max_size=4)


@given(_FIELDS, _FIELDS)
def test_associated_data_is_injective(one: dict[str, str], other: dict[str, str]) -> None:
    assert (aead.associated_data("credential", one) == aead.associated_data("credential", other)) == (one == other)


def test_associated_data_of_neighbors_differ() -> None:
    assert aead.associated_data("credential", {"a": "x", "b": "yz"}) != aead.associated_data("credential", {"a": "xy", "b": "z"})
    for one, other in itertools.permutations(aead.KINDS, 2):
        assert not one.startswith(other)
    with pytest.raises(ValueError, match="not a kind"):
        aead.associated_data("cred", {})


def test_wycheproof() -> None:
    """All vectors through the primitive; it refuses nonces that the vault never makes before it looks at anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    found = {"as stated": 0, "nonce refused": 0}
    vault_sizes = {"valid": 0, "invalid": 0}
    for group in json.loads(reference("crypto", "aes_gcm_test.json").read_bytes())["testGroups"]:
        for case in group["tests"]:
            key, nonce, aad, message = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg"))
            sealed = bytes.fromhex(case["ct"]) + bytes.fromhex(case["tag"])
            try:
                result = "valid" if AESGCM(key).decrypt(nonce, sealed, aad) == message else "other plaintext"
            except InvalidTag:
                result = "invalid"
            except ValueError:
                assert group["ivSize"] in (0, 8, 16, 32, 48, 2056)
                found["nonce refused"] += 1
                continue
            assert result == case["result"], case["tcId"]
            found["as stated"] += 1
            if (group["keySize"], group["ivSize"]) == (256, 96):
                # The same through the vault's own functions.
                opened = aead.decrypt(key, nonce + sealed, aad)
                assert opened == (message if result == "valid" else None), case["tcId"]
                vault_sizes[result] += 1
    assert found == {"as stated": 283, "nonce refused": 33}
    assert vault_sizes == {"valid": 39, "invalid": 27}
