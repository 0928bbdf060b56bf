"""What a source says of prices beside price, compare-at price and cost: prices of a market, dated sales, floors and ceilings.

Where it says so is a setting of the connection: a market's columns, and metafields of the variant, else of its product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pyarrow as pa

from pipeline.listings.amounts import Amounts, Mask, Texts, amounts, moments
from pipeline.model.listing import Site
from pipeline.stores.export_settings import ExportSettings


@dataclass(frozen=True)
class PriceFacts:
    """Each aligned with the variants; None where no setting asks for it."""

    market: Amounts | None = None
    market_before: Amounts | None = None  # compare-at
    sale: Amounts | None = None
    starts: list[datetime | None] | None = None
    ends: list[datetime | None] | None = None
    bad_dates: Mask | None = None
    floor: Amounts | None = None
    ceiling: Amounts | None = None


NO_FACTS = PriceFacts()


def price_facts(
    variants: pa.Table, of_products: pa.Array, settings: ExportSettings, *, store_currency: str, site: Site, sales: bool
) -> PriceFacts:
    """Facts of `variants` (columns sku, metafields, market_prices); `of_products` are the metafields of the product of each.

    Plain amounts are of the store's currency for a sale, of the site's for the rest. `sales`: the marketplace takes sales with
    dates."""
    metafields = _Metafields(variants["metafields"].combine_chunks(), of_products)

    def money(texts: Texts, plain: str) -> Amounts:
        return amounts(texts, store_currency=store_currency, site_currency=site.currency, plain=plain)

    market = before = sale = floor = ceiling = None
    if settings.price_market:
        columns = _market(variants["market_prices"].combine_chunks(), settings.price_market)
        market, before = (money(texts, site.currency) for texts in columns)
    starts = ends = bad_dates = None
    if sales and settings.sale_starts_metafield and settings.sale_ends_metafield:
        zone = ZoneInfo(site.extra.get("tz", "UTC"))
        starts, no_start = moments(metafields.texts(settings.sale_starts_metafield), zone, end=False)
        ends, no_end = moments(metafields.texts(settings.sale_ends_metafield), zone, end=True)
        half = np.array([(start is None) != (end is None) for start, end in zip(starts, ends, strict=True)], dtype=bool)
        turned = [bool(start and end and start >= end) for start, end in zip(starts, ends, strict=True)]
        bad_dates = no_start | no_end | half | np.array(turned, dtype=bool)
        if settings.sale_price_metafield:
            sale = money(metafields.texts(settings.sale_price_metafield), store_currency)
    skus = variants["sku"].to_pylist()
    own = [settings.price_bounds.get(sku or "") for sku in skus] if settings.price_bounds else []
    if settings.price_floor_metafield or own:
        texts = metafields.texts(settings.price_floor_metafield)
        floor = money(_over(texts, [bound and bound.floor for bound in own]), site.currency)
    if settings.price_ceiling_metafield or own:
        texts = metafields.texts(settings.price_ceiling_metafield)
        ceiling = money(_over(texts, [bound and bound.ceiling for bound in own]), site.currency)
    return PriceFacts(market, before, sale, starts, ends, bad_dates, floor, ceiling)


def _over(texts: Texts, stronger: list[object]) -> Texts:
    """A bound that the settings name for a SKU counts instead of the source's."""
    return texts if not stronger else [
        text if bound is None else f"{bound:f}" for text, bound in zip(texts, stronger, strict=True)
    ]  # fmt: skip


class _Metafields:
    """JSON objects "namespace.key" -> text of variants and, row by row, of their products."""

    def __init__(self, of_variants: pa.Array, of_products: pa.Array) -> None:
        self._columns = [column.to_pylist() for column in (of_variants, of_products)]

    def texts(self, name: str | None) -> Texts:
        """The values of one metafield."""
        first, second = self._columns
        if not name:
            return [None] * len(first)
        return [_text(own, name) or _text(shared, name) for own, shared in zip(first, second, strict=True)]


def _text(document: str | None, name: str) -> str | None:
    if not document or name not in document:  # cheaper than to parse each
        return None
    value = _parsed(document).get(name)
    return value if isinstance(value, str) else None


def _parsed(document: str) -> Mapping[str, object]:
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _market(documents: pa.Array, market: str) -> tuple[Texts, Texts]:
    """Price and compare-at price of one market; nothing where the variant is not included in it."""

    @cache
    def read(document: str) -> tuple[str | None, str | None]:
        found = _parsed(document).get(market)
        if not isinstance(found, dict) or found.get("included") is False or not found.get("price"):
            return None, None
        return str(found["price"]), str(found.get("compare_at_price") or "") or None

    pairs = [read(document) if document else (None, None) for document in documents.to_pylist()]
    return [price for price, _ in pairs], [before for _, before in pairs]
