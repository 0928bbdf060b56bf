"""Rows of Shopify's product CSV into catalog rows.

Rows of one handle are one product. Rows whose handle comes back later (a sorted sheet) are gathered in a second look,
unless they bring another title: then the handle names two products, and the later one is rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from pipeline.catalog.builder import Builder
from pipeline.catalog.csv_columns import Columns, count_known, find_columns
from pipeline.catalog.csv_records import Record, Records
from pipeline.catalog.shopify_jsonl import Collections
from pipeline.catalog.source import CatalogBatch, RawFile, Scattered
from pipeline.catalog.values import count, flag, handleize, json_text, measure

#: Part of every source_hash: raise it when the same rows begin to mean something else.
_VERSION = "1"
#: A row with any of these is a variant; one with only an image is an image.
_VARIANT_FACTS = ("option1", "option2", "option3", "sku", "barcode", "price", "compare_at_price", "cost", "quantity")
#: A row that begins a product has at least one of these.
_PRODUCT_FACTS = ("title", "description_html", "vendor", "product_type", "tags", "published", "option1_name", "seo_title")
_DEFAULT = "Default Title"

Row = tuple[int, list[str]]


def csv_batches(raw: RawFile, builder: Builder, collections: Collections, *, scattered: bool) -> Iterator[CatalogBatch]:
    """Batches of a product CSV; the last one has the collections."""
    records = Records(raw, count_known, _sound)
    columns = find_columns(records.header, raw.name)
    returning = _returning(raw, columns) if scattered else {}
    products = _Products(columns, records.header, builder, collections)
    for handle, rows, again in _runs(records, columns, products):
        if again and not scattered:
            raise Scattered
        if again:
            continue
        if builder.full:
            yield builder.take(records.done)
        products.add(handle, rows + returning.get(handle, []))
    builder.counts["lines"] += records.blank
    builder.counts["blank_lines"] += records.blank
    builder.counts["characters_dropped"] += records.dropped
    yield builder.take(1.0, collections.rows())


def _sound(fields: list[str]) -> bool:
    """Whether fields in the right number can be a row: prose that was cut apart seldom has so few blanks."""
    return any(fields) and not any("\n" in field and field.count('"') % 2 for field in fields)


def _runs(records: Records, columns: Columns, products: _Products | None) -> Iterator[tuple[str, list[Row], bool]]:
    """Runs of rows with one handle, and whether the handle had a run before. Every row ends with an extra blank cell, so
    that the index -1 of a missing column reads as blank."""
    at = columns.fields["handle"]
    handle = ""
    rows: list[Row] = []
    seen: set[str] = set()
    for record in records:
        if record.fields is None:
            if products is not None:
                products.reject_record(record)
            continue
        found = record.fields[at].strip()
        if found != handle and rows:
            yield handle, rows, handle in seen
            seen.add(handle)
            rows = []
        handle = found
        record.fields.append("")
        rows.append((record.line, record.fields))
        if not handle:
            yield handle, rows, False
            rows = []
    if rows:
        yield handle, rows, handle in seen


def _returning(raw: RawFile, columns: Columns) -> dict[str, list[Row]]:
    """The rows of every handle that stand apart from its first run."""
    later: dict[str, list[Row]] = {}
    for handle, rows, again in _runs(Records(raw, count_known, _sound), columns, None):
        if again:
            later.setdefault(handle, []).extend(rows)
            # their lines are counted where they are added to their product
    return later


class _Products:
    """Turns the rows of one handle into catalog rows."""

    def __init__(self, columns: Columns, header: list[str], builder: Builder, collections: Collections) -> None:
        self._columns, self._at, self._builder, self._collections = columns, columns.fields, builder, collections
        self._facts = [columns.fields[name] for name in _VARIANT_FACTS] + [index for index, _ in columns.locations]
        self._seed = "\x1f".join((_VERSION, builder.currency, *header)).encode()

    def reject_record(self, record: Record) -> None:
        """A record that could not be read; whether it was a variant is not known, so it counts as a line."""
        self._builder.counts["lines"] += 1
        self._builder.counts["broken_lines"] += 1
        self._builder.reject(record.line, "line", None, record.reason, record.source)

    def add(self, handle: str, rows: list[Row]) -> None:
        counts, title = self._builder.counts, self._at["title"]
        counts["lines"] += len(rows)
        counts["product_lines"] += 1
        counts["child_lines"] += len(rows) - 1
        lead = next((row for _, row in rows if row[title]), rows[0][1])
        if not handle:
            self._reject(rows, handle, "it has no handle")
        elif not any(lead[self._at[name]] for name in _PRODUCT_FACTS):
            self._reject(rows, handle, "no row of its handle introduces the product")
        else:
            self._add(handle, self._of_title(handle, rows, lead[title]), lead)

    def _reject(self, rows: Iterable[Row], handle: str, reason: str) -> None:
        for line, row in rows:
            variant = self._is_variant(row)
            self._builder.counts["variants_seen"] += variant
            self._builder.reject(line, "variant" if variant else "line", handle or None, reason, ", ".join(row))

    def _is_variant(self, row: list[str]) -> bool:
        return any(row[index] for index in self._facts)

    def _of_title(self, handle: str, rows: list[Row], title: str) -> list[Row]:
        """The rows of the product with this title; a row with another one, and what follows it, is another product's."""
        ours: list[Row] = []
        others: list[Row] = []
        mine = True
        for line, row in rows:
            said = row[self._at["title"]]
            mine = said == title if said else mine
            (ours if mine else others).append((line, row))
        if others:
            self._reject(others, handle, "its handle belongs to a product with another title")
        return ours

    def _add(self, handle: str, rows: list[Row], lead: list[str]) -> None:
        variant_rows = [(line, row) for line, row in rows if self._is_variant(row)]
        if not variant_rows:
            variant_rows = [(line, row) for line, row in rows if row is lead]
        at = self._at
        hidden = lead[at["option1_name"]] in ("Title", "") and all(
            row[at["option1"]] in (_DEFAULT, "") and not row[at["option2"]] and not row[at["option3"]] for _, row in variant_rows
        )
        ids: dict[str, None] = {}
        variants: list[tuple[Any, ...]] = []
        inventory: list[tuple[Any, ...]] = []
        for position, (line, row) in enumerate(variant_rows, 1):
            options = [None if hidden else row[at[name]] or None for name in ("option1", "option2", "option3")]
            variant_id = _unused(f"{handle.replace('/', '%2F')}/{'/'.join(filter(None, options)) or _DEFAULT}", ids)
            variants.append(self._variant(variant_id, handle, position, options, line, row))
            inventory.extend(self._inventory(variant_id, handle, row))
        self._builder.counts["variants_seen"] += len(variants)
        self._builder.counts["idle_rows"] += sum(not self._is_variant(row) and not row[at["image"]] for _, row in rows[1:])
        self._builder.add(self._product(handle, rows, lead, hidden), variants, inventory)

    def _product(self, handle: str, rows: list[Row], lead: list[str], hidden: bool) -> tuple[Any, ...]:
        at = self._at
        text = {name: lead[at[name]] or None for name in ("title", "description_html", "vendor", "product_type", "category")}
        names = [None if hidden else lead[at[f"option{number}_name"]] or None for number in (1, 2, 3)]
        title = lead[at["collection"]].strip()
        if title:
            self._collections.add(handleize(title), {"handle": handleize(title), "title": title})
            self._collections.member(handleize(title), handle)
        return (
            handle,
            handle,
            text["title"],
            text["description_html"],
            text["vendor"],
            text["product_type"],
            text["category"],
            [tag.strip() for tag in lead[at["tags"]].split(",") if tag.strip()],
            _status(lead[at["status"]], lead[at["published"]]),
            flag(lead[at["gift_card"]]) or False,
            lead[at["seo_title"]] or None,
            lead[at["seo_description"]] or None,
            *names,
            self._images(rows),
            json_text({key: lead[index] for index, key in self._columns.metafields if lead[index]}),
            blake2b(self._seed + "\x1e".join("\x1f".join(row) for _, row in rows).encode(), digest_size=16).hexdigest(),
            rows[0][0],
        )

    def _images(self, rows: list[Row]) -> list[str]:
        """Addresses by `Image Position`; those without one keep their place in the file."""
        placed = []
        for order, (_, row) in enumerate(rows, 1):
            url = row[self._at["image"]].strip()
            if url:
                position = count(row[self._at["image_position"]])
                placed.append((order if position is None else position, order, url))
        return list(dict.fromkeys(url for _, _, url in sorted(placed)))

    def _variant(
        self, variant_id: str, handle: str, position: int, options: list[str | None], line: int, row: list[str]
    ) -> tuple[Any, ...]:
        at = self._at
        weight = measure(row[at["grams"]])
        self._builder.counts["unreadable_weights"] += bool(row[at["grams"]].strip()) and weight is None
        return (
            variant_id,
            handle,
            position,
            row[at["sku"]] or None,
            row[at["barcode"]] or None,
            *options,
            row[at["price"]].strip() or None,
            row[at["compare_at_price"]].strip() or None,
            row[at["cost"]].strip() or None,
            weight,
            row[at["variant_image"]].strip() or None,
            flag(row[at["requires_shipping"]]),
            self._markets(row),
            json_text({key: row[index] for index, key in self._columns.variant_metafields if row[index]}),
            line,
        )

    def _markets(self, row: list[str]) -> str | None:
        """What each market says of a variant, in that market's own currency, therefore as text."""
        markets: dict[str, dict[str, Any]] = {}
        for index, market, field in self._columns.markets:
            cell = row[index].strip()
            if cell:
                markets.setdefault(market, {})[field] = flag(cell) if field == "included" else cell
        return json_text(markets)

    def _inventory(self, variant_id: str, handle: str, row: list[str]) -> Iterator[tuple[Any, ...]]:
        at = self._at
        tracked = None if at["tracker"] < 0 else bool(row[at["tracker"]].strip())
        oversell = None if at["policy"] < 0 else row[at["policy"]].strip().lower() in ("continue", "true")
        stock = [(place, row[index].strip()) for index, place in self._columns.locations]
        cells: list[tuple[str | None, str]] = [(place, cell) for place, cell in stock if cell.lower() not in ("", "not stocked")]
        for place, cell in cells or [(None, row[at["quantity"]].strip())]:
            available = count(cell)
            self._builder.counts["unreadable_stock"] += bool(cell) and available is None
            yield variant_id, handle, place, available, tracked, oversell


def _status(status: str, published: str) -> str:
    """Shopify's three statuses; what is not one of them ("unlisted") is kept out of marketplaces like a draft."""
    said = status.strip().lower()
    if not said:
        return "draft" if flag(published) is False else "active"
    return said if said in ("active", "archived") else "draft"


def _unused(wanted: str, ids: dict[str, None]) -> str:
    found, repeat = wanted, 1
    while found in ids:
        repeat += 1
        found = f"{wanted}~{repeat}"
    ids[found] = None
    return found
