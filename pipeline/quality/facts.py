"""Facts of the whole store, learned from a few columns before the batches: SKUs, repeated GTINs, usual spellings, revisions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.platform.tables import Table
from pipeline.quality import gtin, patterns
from pipeline.quality.casing import is_all_caps, is_all_lower, is_shouting_store, learn_lexicon, tokens
from pipeline.quality.context import Context
from pipeline.quality.skus import SkuFacts, assign_skus

#: Different barcodes of one short length that it takes to trust that they lost their zeros.
_PROOF = 3


@dataclass(frozen=True)
class StoreFacts:
    """What `learn` found. Arrays are in the order of the stored tables: `revisions` one a product, the others one a variant.

    `revisions` (16 bytes as hex) cover all that a product's fixed rows, issues and scores are made from.
    """

    context: Context
    revisions: Any
    assigned_sku: Any
    shared_sku: Any
    repeated_variants: tuple[str, ...]


def learn(
    products: Table,
    variants: Table,
    *,
    store: str,
    language: str,
    currency: str,
    version: str,
    flags: frozenset[str] = frozenset(),
) -> StoreFacts:
    """Read the few columns that rules and fixes need of the whole store. `version` is that of the rule set."""
    shop = products.arrow(["product_id", "source_hash", "title", "vendor"])
    wares = variants.arrow(["variant_id", "product_id", "sku", "barcode"])
    ids, skus, barcodes = (wares[name].combine_chunks() for name in ("variant_id", "sku", "barcode"))
    facts = assign_skus(ids, skus, store)
    cleaned = gtin.clean(barcodes)
    paddable = paddable_lengths(cleaned)
    gtins = gtin.keys(gtin.padded(cleaned, paddable))
    duplicates = _repeated(gtins)
    titles = [title for title in shop["title"].to_pylist() if title]
    lexicon, shouting = lexicon_of(titles, shop["vendor"].to_pylist()), is_shouting_store(titles)
    context = Context(store, language, currency, flags, shouting, lexicon, duplicates, paddable)
    settings = (version, store, language, currency, sorted(flags), shouting, sorted(paddable))
    fingerprint = repr(settings).encode()
    shared_gtin = pc.fill_null(pc.is_in(gtins, pa.array(sorted(duplicates), pa.string())), False)
    revisions = _revisions(shop, wares["product_id"], facts, shared_gtin, lexicon, fingerprint)
    return StoreFacts(context, revisions, facts.assigned, facts.shared, tuple(sorted(_repeated(ids))))


def _repeated(values: Any) -> frozenset[str]:
    """Python's sets are several times faster than Arrow's hashes where nearly all values differ."""
    texts = values.drop_null().to_pylist()
    if len(set(texts)) == len(texts):
        return frozenset()
    return frozenset(text for text, times in Counter(texts).items() if times > 1)


def paddable_lengths(cleaned: Any) -> frozenset[int]:
    """Lengths (7, 9, 10, 11) of which nearly all cleaned barcodes are valid GTINs once their leading zeros are back.

    A random number passes the check digit 1 time in 10, so one or two values prove nothing.
    """
    short = cleaned.filter(pc.is_in(pc.binary_length(cleaned), pa.array(gtin.SHORT, pa.int32())))
    short = pc.unique(short.filter(pc.match_substring_regex(short, "^[0-9]+$")))
    found = set()
    for length in gtin.SHORT:
        some = short.filter(pc.equal(pc.binary_length(short), length))
        if len(some) >= _PROOF and gtin.valid(gtin.padded(some, {length})).sum() * 100 >= 95 * len(some):
            found.add(length)
    return frozenset(found)


#: Titles whose spelling a lexicon may decide, before or after other fixes: runs of capitals, no Latin capital, or something
#: that a fix of characters, entities or encoding changes.
_DIRTY = f"[&<]|\\p{{M}}|[\u200c\u200d]|{patterns.CONTROL}|{patterns.INVISIBLE}|{patterns.MOJIBAKE}"


def lexicon_of(titles: Sequence[str], vendors: Sequence[str | None]) -> dict[str, str]:
    """Usual spelling of the store's words; empty where no title shouts or whispers, so that nobody needs it."""
    column = pa.array(titles, pa.string())
    suspects = pc.or_(pc.match_substring_regex(column, r"\p{Lu}{3}"), pc.invert(pc.match_substring_regex(column, "[A-Z]")))
    dirty = pc.match_substring_regex(column, _DIRTY)
    if not pc.any(dirty).as_py() and not any(is_all_caps(t, 1) or is_all_lower(t) for t in column.filter(suspects).to_pylist()):
        return {}
    return learn_lexicon(titles, [vendor for vendor in vendors if vendor])


def _revisions(shop: Any, owners: Any, facts: SkuFacts, shared_gtin: Any, lexicon: Mapping[str, str], fingerprint: bytes) -> Any:
    special = pc.or_(pc.or_(pc.is_valid(facts.assigned), facts.shared), shared_gtin).to_numpy(zero_copy_only=False)
    rows = pa.array(np.flatnonzero(special))
    notes: dict[str, list[str]] = {}
    for owner, *fact in zip(
        *(column.take(rows).to_pylist() for column in (owners, facts.assigned, facts.shared, shared_gtin)), strict=True
    ):
        notes.setdefault(owner, []).append(repr(fact))
    titles = shop["title"]
    dirty = pc.match_substring_regex(titles, _DIRTY)
    cased = pc.or_(pc.match_substring_regex(titles, r"\p{Lu}{3}"), pc.invert(pc.match_substring_regex(titles, "[A-Z]")))
    whole, key = repr(sorted(lexicon.items())), hashlib.blake2b(fingerprint).digest()
    found = []
    for product_id, source, title, is_dirty, is_cased in zip(
        shop["product_id"].to_pylist(), shop["source_hash"].to_pylist(), titles.to_pylist(), dirty.to_pylist(), cased.to_pylist(),
        strict=True,
    ):  # fmt: skip
        words = whole if is_dirty else repr([lexicon.get(word) for word in tokens(title)]) if is_cased else ""
        text = "\x1f".join([source or "", words, *notes.get(product_id, ())])
        found.append(hashlib.blake2b(text.encode(), digest_size=16, key=key).hexdigest())
    return pa.array(found, pa.string())
