"""`listing_categories`: the proposals of all products, batch by batch, and what `listings` reads of them.

Products whose texts and whose operators' settings did not change are not ranked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.assortment import Collections
from pipeline.listings.categories.propose import Proposer
from pipeline.listings.categories.rules import first_rules
from pipeline.listings.schema import CATEGORIES
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import StagedTable, Table, to_frame, writers
from pipeline.quality.reuse import Reusable

NAME = "listing_categories"
#: What is read of a product.
OF_PRODUCT = ["product_id", "title", "vendor", "product_type", "category", "tags"]


#: What listings read of it.
USED = ["product_id", "category", "status", "engine", "attributes"]

#: What people read of it.
SHOWN = ["product_id", "category", "name", "status", "confidence", "engine", "reason", "taxonomy_name"]


@dataclass
class Counts:
    """How many products there are, and how many of them were not ranked again."""

    products: int = 0
    reused: int = 0


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
            products = fixed_products.arrow_batch(number, OF_PRODUCT)
            rows = _batch(products, proposer, members, reusable, counts)
            counts.products += len(rows)
            out[NAME].write(rows)
            if progress is not None:
                progress(number + 1, fixed_products.batches)
    return out[NAME].staged, counts


def _batch(products: pa.Table, proposer: Proposer, members: Collections, reusable: Reusable, counts: Counts) -> pa.Table:
    matched = first_rules(products, proposer.settings.category_rules, members).tolist()
    records = products.to_pylist()
    revisions = [_revision(proposer, one, rule) for one, rule in zip(records, matched, strict=True)]
    taken, before = reusable.take([one["product_id"] for one in records], revisions)
    counts.reused += sum(taken)
    rows = []
    for product, rule, revision, known in zip(records, matched, revisions, taken, strict=True):
        if not known:
            found = proposer.propose(product, rule)
            rows.append({"product_id": product["product_id"], "revision": revision, **vars(found)})
    made = pa.Table.from_pylist(rows, schema=CATEGORIES)
    if not before:
        return made
    together = pa.concat_tables([made, before[NAME].cast(CATEGORIES)])
    position = pc.index_in(products["product_id"], value_set=together["product_id"].combine_chunks())
    return together.take(position)


def _revision(proposer: Proposer, product: Mapping[str, Any], rule: int) -> str:
    texts = [product[name] for name in OF_PRODUCT]
    suggested = list(proposer.suggested.get(product["title"] or "", ()))
    return blake2b(orjson.dumps([texts, rule, suggested]), digest_size=16, key=proposer.fingerprint).hexdigest()


def used(categories: pa.Table, products: pa.Table, default: str | None) -> pd.DataFrame:
    """`category`, `category_source` and `category_attributes` of a batch's products as listings use them: what is accepted, else
    the default. Raises PipelineError when the rows are of other products."""
    if categories["product_id"].to_pylist() != products["product_id"].to_pylist():
        raise PipelineError("listing_categories and fixed_products do not belong together; materialize listing_categories again")
    accepted = pc.equal(categories["status"], "accepted")
    source = None if default is None else "default"
    columns = {
        "category": pc.if_else(accepted, categories["category"], pa.scalar(default, pa.string())),
        "category_source": pc.if_else(accepted, categories["engine"], pa.scalar(source, pa.string())),
        "category_attributes": pc.if_else(accepted, categories["attributes"], pa.scalar(None, pa.string())),
    }
    return to_frame(pa.table(columns))


def tally(categories: Table, column: str) -> Counter[str]:
    """Products by status or engine."""
    found: Counter[str] = Counter()
    for number in range(categories.batches):
        found.update(value or "none" for value in categories.arrow_batch(number, [column])[column].to_pylist())
    return found


def sample(categories: pa.Table, status: str, most: int = 50) -> list[dict[str, Any]]:
    """Products of one status, the least sure first; of a table of the columns SHOWN."""
    chosen = categories.filter(pc.equal(categories["status"], status))
    chosen = chosen.sort_by([("confidence", "ascending"), ("product_id", "ascending")]).slice(0, most)
    rows: list[dict[str, Any]] = chosen.to_pylist()
    return rows
