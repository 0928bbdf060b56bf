"""`listing_categories`: the proposals of all products, batch by batch, and what `listings` reads of them.

Products whose texts and whose operators' settings did not change are not ranked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections
from pipeline.listings.categories.propose import Proposer
from pipeline.listings.categories.rules import first_rules
from pipeline.listings.schema import CATEGORIES
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import StagedTable, Table, writers
from pipeline.quality.reuse import Reusable

NAME = "listing_categories"
#: What is read of a product.
_COLUMNS = ["product_id", "title", "vendor", "product_type", "category", "tags"]
_TEXT = pd.StringDtype("pyarrow")


@dataclass
class Counts:
    """What a run did, in products."""

    products: int = 0
    reused: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_engine: Counter[str] = field(default_factory=Counter)

    def add(self, rows: pa.Table) -> None:
        self.products += len(rows)
        self.by_status.update(rows["status"].to_pylist())
        self.by_engine.update(engine or "none" for engine in rows["engine"].to_pylist())


def build_categories(
    fixed_products: Table,
    collections: Table,
    proposer: Proposer,
    folder: Path,
    *,
    previous: Table | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[StagedTable, Counts]:
    """One row a product, in the order and batches of `fixed_products`; `progress` gets (batches done, batches in all)."""
    import_id = fixed_products.metadata.get("import_id", "")
    members = Collections(collections.arrow(["handle", "product_ids"]))
    reusable, counts = Reusable({NAME: previous} if previous is not None else None, NAME), Counts()
    metadata = {"import_id": import_id, "given": proposer.given}
    with writers(folder, {NAME: CATEGORIES}, metadata) as out:
        for number in range(fixed_products.batches):
            products = fixed_products.arrow_batch(number, _COLUMNS)
            rows = _batch(products, proposer, members, reusable, counts)
            counts.add(rows)
            out[NAME].write(rows)
            if progress is not None:
                progress(number + 1, fixed_products.batches)
    return out[NAME].staged, counts


def _batch(products: pa.Table, proposer: Proposer, members: Collections, reusable: Reusable, counts: Counts) -> pa.Table:
    matched = first_rules(products, proposer.settings.category_rules, members).tolist()
    records = products.to_pylist()
    revisions = [_revision(proposer.fingerprint, one, rule) for one, rule in zip(records, matched, strict=True)]
    taken, before = reusable.take([one["product_id"] for one in records], revisions)
    counts.reused += sum(taken)
    rows = []
    for product, rule, revision, known in zip(records, matched, revisions, taken, strict=True):
        if not known:
            found = proposer.propose(product, rule)
            rows.append({"product_id": product["product_id"], "revision": revision if found.settled else None, **found.columns})
    made = pa.Table.from_pylist(rows, schema=CATEGORIES)
    if not before:
        return made
    together = pa.concat_tables([made, before[NAME].cast(CATEGORIES)])
    position = pc.index_in(products["product_id"], value_set=together["product_id"].combine_chunks())
    return together.take(position)


def _revision(fingerprint: bytes, product: Mapping[str, Any], rule: int) -> str:
    texts = [product[name] for name in _COLUMNS]
    return blake2b(orjson.dumps([texts, rule]), digest_size=16, key=fingerprint).hexdigest()


def used(categories: pa.Table, products: pa.Table, default: str | None) -> pd.DataFrame:
    """`category` and `category_source` of a batch's products as listings use them: what is accepted, else the default.

    Raises PipelineError when the rows are of other products."""
    if categories["product_id"].to_pylist() != products["product_id"].to_pylist():
        raise PipelineError("listing_categories and fixed_products do not belong together; materialize listing_categories again")
    accepted = pc.equal(categories["status"], "accepted").to_numpy(zero_copy_only=False)
    category: np.ndarray[Any, Any] = np.where(accepted, np.array(categories["category"].to_pylist(), dtype=object), default)
    source = np.where(accepted, np.array(categories["engine"].to_pylist(), dtype=object), None if default is None else "default")
    return pd.DataFrame({"category": pd.array(category, dtype=_TEXT), "category_source": pd.array(source, dtype=_TEXT)})


def sample(rows: pa.Table, status: str, most: int = 50) -> list[dict[str, Any]]:
    """Products of one status for people, the least sure first."""
    chosen = rows.filter(pc.equal(rows["status"], status)).sort_by([("confidence", "ascending"), ("product_id", "ascending")])
    names: Sequence[str] = ("product_id", "category", "name", "confidence", "engine", "reason", "taxonomy_name")
    return chosen.select(list(names)).slice(0, most).to_pylist()
