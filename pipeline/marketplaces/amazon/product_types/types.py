"""The definitions that a connection knows, by product type, and which of them speaks about a listing."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.amazon.product_types.definition import MAX_BYTES, Attribute, Definition
from pipeline.marketplaces.base import Definitions, StoredDefinition
from pipeline.marketplaces.columns import Mask, pylist, text
from pipeline.model.errors import BadInputError

Requirements = Literal["LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY"]
#: Definitions in memory at once; each has some 10 MB. A batch of a catalog rarely has more product types.
_KEPT = 32


@lru_cache(maxsize=_KEPT)
def _read(product_type: str, stored: StoredDefinition) -> Definition:
    return Definition(product_type, stored.document(MAX_BYTES))


class ProductTypes:
    """What is known of product types. Documents are read when the first listing needs them."""

    def __init__(self, stored: Definitions) -> None:
        self._stored = stored
        self._broken: dict[tuple[str, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._stored)

    def definition(self, product_type: str | None, requirements: Requirements = "LISTING") -> Definition | None:
        """The definition, None where none is known (or it cannot be used; `problem` says why)."""
        found = self._stored.get((product_type or "", requirements))
        if product_type is None or found is None or found.deflated is None or (product_type, requirements) in self._broken:
            return None
        try:
            definition = _read(product_type, found)
            definition.validator  # noqa: B018 (compiles it: a schema that cannot be is found here, not in a listing)
        except BadInputError as error:
            self._broken[product_type, requirements] = str(error)
            return None
        return definition

    def problem(self, product_type: str) -> str | None:
        """Why no listing can have this product type: Amazon does not have it, or what is kept of it is damaged."""
        found = self._stored.get((product_type, "LISTING"))
        if found is None or found.problem:
            return found.problem if found else None
        self.definition(product_type)
        broken = self._broken.get((product_type, "LISTING"))
        return f"{product_type}: {broken}." if broken else None

    def having(self, rows: pd.DataFrame, test: Callable[[Attribute], bool], name: str) -> Mask | None:
        """Rows whose product type has an attribute that passes the test, or is not known; None for all of them."""
        encoded = text(rows, "category").dictionary_encode(null_encoding="encode")
        fits = []
        for category in encoded.dictionary.to_pylist():
            definition = self.definition(category)
            attribute = definition.attributes.get(name) if definition else None
            fits.append(definition is None or (attribute is not None and test(attribute)))
        if all(fits):
            return None
        found: Mask = pa.array(fits).take(encoded.indices).to_numpy(zero_copy_only=False)
        return found


NO_TYPES = ProductTypes({})


def requirements_of(rows: pd.DataFrame) -> list[Requirements]:
    """Which set of requirements each listing is sent with: a parent has no offer, an offer on an existing item no product."""
    return [
        "LISTING_PRODUCT_ONLY" if role == "parent" else "LISTING_OFFER_ONLY" if item else "LISTING"
        for role, item in zip(pylist(rows, "role"), pylist(rows, "item_id"), strict=True)
    ]
