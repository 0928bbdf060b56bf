"""Rows of products into Arrow batches: bounds of a batch, limits of a product, one bad row = one rejected row.

Sources give plain tuples; columns are built once a batch. What a line or a cell means belongs to the sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.schema import COLLECTIONS, INVENTORY, PRODUCTS, REJECTED, SCHEMAS, VARIANTS
from pipeline.catalog.source import CatalogBatch
from pipeline.catalog.values import excerpt, minor_units
from pipeline.platform.tables import BATCH_PRODUCTS, BATCH_VARIANTS

#: Beyond these a product is rejected, never cut silently. Shopify's own: 2,048 variants and 250 media a product
#: (shopify.dev changelog 2025-10-15); the longest real titles and bodies are far below.
MAX_VARIANTS, MAX_IMAGES, MAX_TITLE, MAX_HTML, MAX_KEY = 2_048, 250, 10_000, 1_000_000, 1_000

#: Rows that are packed into Arrow at once: few enough to still be in the processor's cache.
_PACK = 1_000

#: The tuple of a variant: `VARIANTS` without `price_text`, and the three amounts as text.
_VARIANT_TEXTS = pa.schema(
    [
        pa.field(field.name, pa.string() if field.name in ("price", "compare_at_price", "cost") else field.type)
        for field in VARIANTS
        if field.name != "price_text"
    ]
)
_P_ID, _P_HANDLE, _P_TITLE, _P_HTML = (PRODUCTS.get_field_index(n) for n in ("product_id", "handle", "title", "description_html"))
_P_IMAGES, _P_LINE = PRODUCTS.get_field_index("images"), PRODUCTS.get_field_index("line")
_V_ID, _V_PRODUCT, _V_LINE = 0, 1, _VARIANT_TEXTS.get_field_index("line")

Row = Sequence[Any]


class Builder:
    """Collects products until a batch is full. `counts` are control totals that the source adds to."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.counts: Counter[str] = Counter()
        self._products: list[Row] = []
        self._variants: list[Row] = []
        self._inventory: list[Row] = []
        self._rejected: list[Row] = []
        self._packed: dict[str, list[pa.Table]] = {"products": [], "variants": [], "inventory": []}
        self._packed_rows = [0, 0]  # products, variants

    @property
    def full(self) -> bool:
        return (
            self._packed_rows[0] + len(self._products) >= BATCH_PRODUCTS
            or self._packed_rows[1] + len(self._variants) >= BATCH_VARIANTS
            or len(self._rejected) >= 2 * BATCH_VARIANTS
        )

    def reject(self, line: int, kind: str, key: str | None, reason: str, source: str | bytes = "") -> None:
        self._rejected.append((line, kind, key and excerpt(key), reason, excerpt(source)))

    def reject_product(self, line: int, key: str | None, reason: str, variants: Iterable[tuple[int, str | None]]) -> None:
        """A product and, each as a row of its own, its variants: (line, key)."""
        self.reject(line, "product", key, reason)
        for variant_line, variant_key in variants:
            self.reject(variant_line, "variant", variant_key, "its product was rejected")

    def add(self, product: Row, variants: Sequence[Row], inventory: Sequence[Row]) -> None:
        """One product: tuples in the order of PRODUCTS, of `_VARIANT_TEXTS` and of INVENTORY."""
        try:
            reason = self._over_limit(product, variants)
        except TypeError:
            reason = "a field has the wrong type"
        if reason:
            self._drop(product, variants, reason)
            return
        self._products.append(product)
        self._variants.extend(variants)
        self._inventory.extend(inventory)
        if len(self._variants) >= _PACK or len(self._products) >= _PACK:
            self._pack()

    def take(self, done: float, collections: Sequence[Row] = ()) -> CatalogBatch:
        """The batch so far, and start the next one."""
        self._pack()
        tables = {name: pa.concat_tables(parts) for name, parts in self._packed.items()}
        tables["variants"] = self._read_amounts(tables["variants"])
        tables |= {"collections": _table(collections, COLLECTIONS), "rejected_rows": _table(self._rejected, REJECTED)}
        batch = CatalogBatch({name: tables[name] for name in SCHEMAS}, self.counts, done)
        self.counts = Counter()
        self._rejected = []
        self._packed = {name: [] for name in self._packed}
        self._packed_rows = [0, 0]
        return batch

    def _pack(self) -> None:
        """Rows so far into Arrow, while they are still in the processor's cache."""
        products, variants = self._columns()
        self._packed["products"].append(pa.Table.from_arrays(products, schema=PRODUCTS))
        self._packed["variants"].append(pa.Table.from_arrays(variants, schema=_VARIANT_TEXTS))
        self._packed["inventory"].append(self._inventory_table())
        self._packed_rows[0] += len(self._products)
        self._packed_rows[1] += len(self._variants)
        self._products, self._variants, self._inventory = [], [], []

    def _over_limit(self, product: Row, variants: Sequence[Row]) -> str | None:
        if len(variants) > MAX_VARIANTS:
            return f"more than {MAX_VARIANTS} variants"
        if len(product[_P_IMAGES]) > MAX_IMAGES:
            return f"more than {MAX_IMAGES} images"
        if len(product[_P_TITLE] or "") > MAX_TITLE:
            return f"its title is longer than {MAX_TITLE} characters"
        if len(product[_P_HTML] or "") > MAX_HTML:
            return f"its description is longer than {MAX_HTML} characters"
        if len(product[_P_ID]) > MAX_KEY or len(product[_P_HANDLE] or "") > MAX_KEY:
            return f"its handle is longer than {MAX_KEY} characters"
        return None

    def _drop(self, product: Row, variants: Iterable[Row], reason: str) -> None:
        self.reject_product(product[_P_LINE], product[_P_ID], reason, ((row[_V_LINE], row[_V_ID]) for row in variants))

    def _columns(self) -> tuple[list[pa.Array], list[pa.Array]]:
        columns = _arrays(self._products, PRODUCTS), _arrays(self._variants, _VARIANT_TEXTS)
        if columns[0] is None or columns[1] is None:
            self._reject_misfits()
            columns = _arrays(self._products, PRODUCTS), _arrays(self._variants, _VARIANT_TEXTS)
        products, variants = columns
        if products is None or variants is None:
            raise AssertionError("rows of the right types must make columns")
        return products, variants

    def _reject_misfits(self) -> None:
        """Only after a column could not be built: numbers become text where text is wanted, other types reject their row."""
        bad_products: dict[Any, str] = {}
        products = []
        for row in self._products:
            fitted, field = _fit(row, PRODUCTS)
            if field is None:
                products.append(fitted)
            else:
                bad_products[row[_P_ID]] = reason = f"{field} has the wrong type"
                self.reject(row[_P_LINE], "product", str(row[_P_ID]), reason)
        variants, bad_variants = [], set()
        for row in self._variants:
            fitted, field = _fit(row, _VARIANT_TEXTS)
            if row[_V_PRODUCT] in bad_products:
                field, reason = "product", "its product was rejected"
            else:
                reason = f"{field} has the wrong type"
            if field is None:
                variants.append(fitted)
            else:
                bad_variants.add(row[_V_ID])
                self.reject(row[_V_LINE], "variant", str(row[_V_ID]), reason)
        self._products, self._variants = products, variants
        self._inventory = [row for row in self._inventory if row[0] not in bad_variants]

    def _inventory_table(self) -> pa.Table:
        columns = _arrays(self._inventory, INVENTORY)
        if columns is None:
            fitted = [_fit(row, INVENTORY) for row in self._inventory]
            self.counts["unreadable_stock"] += sum(field is not None for _, field in fitted)
            unknown = (None,) * (len(INVENTORY) - 2)
            self._inventory = [row if field is None else (*row[:2], *unknown) for row, field in fitted]
            columns = _arrays(self._inventory, INVENTORY)
        return pa.Table.from_arrays(columns, schema=INVENTORY)

    def _read_amounts(self, texts: pa.Table) -> pa.Table:
        """Variants as `VARIANTS` from variants as `_VARIANT_TEXTS`: once a batch, since compiling a pattern costs more than a
        thousand short texts."""
        columns = dict(zip(texts.column_names, texts.columns, strict=True))
        read = {name: minor_units(columns[name], self.currency) for name in ("price", "compare_at_price", "cost")}
        read["price_text"] = _unread({name: columns[name] for name in ("price", "compare_at_price")}, read)
        read["weight_grams"] = pc.round(columns["weight_grams"], 3)  # a product of floats
        self.counts["unreadable_prices"] += len(texts) - read["price_text"].null_count
        columns |= read
        return pa.Table.from_arrays([columns[name] for name in VARIANTS.names], schema=VARIANTS)


def _unread(said: dict[str, pa.Array], read: dict[str, pa.Array]) -> pa.Array:
    """The words of the price that could not be read, else those of the list price, else null."""
    words = pa.nulls(len(said["price"]), pa.string())
    for name in ("compare_at_price", "price"):
        if said[name].null_count < read[name].null_count:
            words = pc.if_else(pc.and_(pc.is_valid(said[name]), pc.is_null(read[name])), said[name], words)
    return words


def _arrays(rows: Sequence[Row], schema: pa.Schema) -> list[pa.Array] | None:
    """Columns of rows, or None when some value has the wrong type."""
    if not rows:
        return [pa.array([], field.type) for field in schema]
    try:
        return [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns = _arrays(rows, schema)
    if columns is None:
        raise AssertionError(f"rows of the wrong types for {schema.names}")
    return pa.Table.from_arrays(columns, schema=schema)


def _fit(row: Row, schema: pa.Schema) -> tuple[Row, str | None]:
    """The row with numbers as text where text is wanted, and the first field that does not fit its type."""
    values: list[Any] = []
    for value, field in zip(row, schema, strict=True):
        fits = value is None
        if not fits and pa.types.is_string(field.type):
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(value)
            fits = isinstance(value, str)
        elif not fits and pa.types.is_list(field.type):
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif not fits and pa.types.is_boolean(field.type):
            fits = isinstance(value, bool)
        elif not fits and pa.types.is_integer(field.type):
            bits = field.type.bit_width - 1
            fits = isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
        elif not fits:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits:
            return row, str(field.name)
        values.append(value)
    return tuple(values), None
