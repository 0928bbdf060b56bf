"""SKUs for variants that have none, an illegal one, or one that another variant has too. Decided for the whole store.

A new SKU comes from the variant's own id, so that it stays when other products come and go; a merchant's own legal SKU is
never given to another variant. Uniqueness ignores case.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b32encode
from collections import Counter
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quality.masks.base import to_mask
from pipeline.quality.masks.identifiers import LEGAL_SKU

#: The shortest limit of the marketplaces (Amazon 40, eBay 50, Google 50 characters).
MAX_SKU = 40
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SUFFIX = 6


@dataclass(frozen=True)
class SkuFacts:
    """One entry a variant: the SKU it gets (null: keeps its own), and whether the source has its SKU more than once."""

    assigned: Any
    shared: Any


def assign_skus(variant_ids: Any, skus: Any, store: str) -> SkuFacts:
    """`variant_ids` and `skus` are string arrays in source order. The oldest variant (smallest numeric id, else the first in
    the source) keeps a shared SKU, the others get a suffix made from their own id."""
    blank = ~to_mask(pc.match_substring_regex(skus, r"\S"))
    legal = to_mask(pc.match_substring_regex(skus, LEGAL_SKU)) & to_mask(pc.less_equal(pc.utf8_length(skus), MAX_SKU))
    keys = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(skus)), "")
    used = keys.filter(pa.array(~blank)).to_pylist()
    repeated = [key for key, times in Counter(used).items() if times > 1] if len(set(used)) < len(used) else []
    shared = pc.is_in(keys, pa.array(repeated, pa.string())).to_numpy(zero_copy_only=False) & ~blank
    assigned: list[str | None] = [None] * len(skus)
    work = np.flatnonzero(blank | ~legal | shared)
    if len(work):
        rows = sorted(work.tolist(), key=lambda row: (_age(variant_ids[row].as_py()), row))
        taken = set(compress(used, legal[~blank].tolist()))
        holders: set[str] = set()
        for row in rows:
            identity, sku = variant_ids[row].as_py(), skus[row].as_py()
            wanted = new_sku(identity, store) if blank[row] else legal_sku(sku)
            kept = bool(legal[row]) and wanted.lower() not in holders
            if not kept:
                assigned[row] = wanted = _free(wanted, identity, taken, bool(blank[row]))
                taken.add(wanted.lower())
            holders.add(wanted.lower())
    return SkuFacts(pa.array(assigned, pa.string()), pa.array(shared))


def _age(variant_id: str) -> tuple[int, int]:
    return (0, int(variant_id)) if variant_id.isdigit() and variant_id.isascii() else (1, 0)


def new_sku(variant_id: str, store: str) -> str:
    """`S` and the numeric id in base 36: injective; else 12 characters of a 60-bit hash of store and id."""
    if variant_id.isascii() and variant_id.isdigit() and not variant_id.startswith("0"):
        number, text = int(variant_id), ""
        while number:
            number, digit = divmod(number, 36)
            text = _DIGITS[digit] + text
        if len(text) <= 20:
            return f"S{text}"
    return "S" + _hash(f"{store}\x1f{variant_id}", 12)


def _hash(text: str, length: int) -> str:
    return b32encode(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()).decode()[:length]


def legal_sku(sku: str) -> str:
    """The SKU in legal characters; where it has to be cut, a hash of the whole keeps two long SKUs apart."""
    # A spreadsheet marks a number as text by an apostrophe in front.
    plain = unicodedata.normalize("NFKD", sku.strip().lstrip("'").replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"[^!#-%(-;=?-\[\]-~ ]", "-", re.sub(r"\s+", " ", plain).strip())
    if not re.search(r"[A-Za-z0-9]", plain):
        plain = f"S{_hash(sku, 12)}"
    return plain if len(plain) <= MAX_SKU else f"{plain[: MAX_SKU - _SUFFIX - 1].rstrip()}-{_hash(sku, _SUFFIX)}"


def _free(wanted: str, variant_id: str, taken: set[str], generated: bool) -> str:
    """`wanted`, or with a suffix if it is taken: of the variant's own id, or counted for a generated one."""
    if wanted.lower() not in taken:
        return wanted
    if not generated:
        suffix = _hash(variant_id, _SUFFIX)
        wanted = f"{wanted[: MAX_SKU - _SUFFIX - 1].rstrip()}-{suffix}"
    candidate, count = wanted, 1
    while candidate.lower() in taken:
        count += 1
        candidate = f"{wanted[: MAX_SKU - 7].rstrip()}-{count}"
    return candidate
