"""Messages of JSON_LISTINGS_FEED v2, one SKU and kind each, without their `messageId` (it is assigned when a feed is packed).

create   UPDATE: the whole listing with offer, stock and images; a parent LISTING_PRODUCT_ONLY without them. Idempotent.
update   PATCH that replaces the content attributes present. Price, stock and images are never in it: a repricer or a person
         may own them. Search terms that are gone are deleted (never required, nobody sees them); a description, bullet points or
         facts that are gone stay, because product types require some of them and refuse the whole message.
         A child's relationship is resent only when its parent is created in the same plan: Amazon limits relationships most.
price    PATCH that replaces `purchasable_offer` whole; without a sale `list_price` is deleted. A Shopify sale has no end date,
         and `discounted_price` needs one: so our_price is what a buyer pays now, list_price the price before the sale.
quantity PATCH of `fulfillment_availability`, merchant fulfilled.
images   PATCH: main and up to eight others replaced, the locators behind them deleted.
delete   DELETE in feed `product`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import pandas as pd

from pipeline.marketplaces.amazon.options import limits, tables
from pipeline.marketplaces.amazon.validate import (
    content_problems,
    image_problems,
    sku_problems,
    usable,
)
from pipeline.marketplaces.amazon.values import LOCATORS, Row, Values
from pipeline.marketplaces.columns import pylist, refusal
from pipeline.marketplaces.offers import price_problems, quantity_problems
from pipeline.model.listing import Account, FeedKind, InvalidMessage, Message, Site

#: Price and stock patches name no product type of their own.
_ANY_TYPE = "PRODUCT"
_NOTHING: frozenset[str] = frozenset()
_SENT = frozenset({"create", "update", "price", "quantity", "images", "delete"})


def stock(quantity: int) -> list[dict[str, Any]]:
    return [{"fulfillment_channel_code": "DEFAULT", "quantity": quantity}]


def _replace(name: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": f"/attributes/{name}", "value": value}


def _delete(name: str, selectors: dict[str, str]) -> dict[str, Any]:
    return {"op": "delete", "path": f"/attributes/{name}", "value": [selectors]}


def _dump(message: dict[str, Any]) -> bytes:
    """`sku` stands first, `operationType` second: packing puts the message id before, and reads the SKU's bytes."""
    return orjson.dumps(message)


def _patch(sku: str, product_type: str, patches: list[dict[str, Any]]) -> bytes:
    return _dump({"sku": sku, "operationType": "PATCH", "productType": product_type, "patches": patches})


def create(row: Row, values: Values) -> bytes:
    attributes = values.content(row)
    attributes.update(values.family(row, related=True))
    requirements = "LISTING_PRODUCT_ONLY"
    if row.role != "parent":
        requirements = "LISTING"
        attributes["condition_type"] = values.fact(tables()["conditions"][row.condition])
        attributes["purchasable_offer"] = values.offer(row.price or 0)
        before = values.list_price(row)
        if before:
            attributes["list_price"] = before
        attributes["fulfillment_availability"] = stock(row.quantity or 0)
    attributes.update(values.images(row))
    return _dump(
        {
            "sku": row.sku,
            "operationType": "UPDATE",
            "productType": row.category,
            "requirements": requirements,
            "attributes": attributes,
        }
    )


def update(row: Row, values: Values, new_family: bool) -> bytes:
    attributes = values.content(row)
    attributes.update(values.family(row, related=new_family))
    patches = [_replace(name, value) for name, value in attributes.items()]
    if "generic_keyword" not in attributes:
        patches.append(_delete("generic_keyword", {"marketplace_id": values.place, "language_tag": values.language}))
    return _patch(row.sku, row.category, patches)


def price(row: Row, values: Values) -> bytes:
    before = values.list_price(row)
    selectors = {"marketplace_id": values.place, "currency": values.currency}
    second = _replace("list_price", before) if before else _delete("list_price", selectors)
    return _patch(row.sku, _ANY_TYPE, [_replace("purchasable_offer", values.offer(row.price or 0)), second])


def quantity(sku: str, amount: int) -> bytes:
    return _patch(sku, _ANY_TYPE, [_replace("fulfillment_availability", stock(amount))])


def images(row: Row, values: Values) -> bytes:
    shown = values.images(row)
    patches = [_replace(name, value) for name, value in shown.items()]
    patches += [_delete(name, {"marketplace_id": values.place}) for name in LOCATORS if name not in shown]
    return _patch(row.sku, row.category or _ANY_TYPE, patches)


def delete(sku: str) -> bytes:
    return _dump({"sku": sku, "operationType": "DELETE"})


class _Checked:
    """The problems of the rows that need a message, found per kind on whole columns and only where the kind occurs."""

    def __init__(self, rows: pd.DataFrame, kinds: list[frozenset[str]], images: list[tuple[str, ...]], values: Values) -> None:
        present = frozenset[str]().union(*kinds)
        new = "create" in present
        self._found = {"sku": sku_problems(rows)}
        if new or "update" in present:
            self._found["update"] = content_problems(rows, values.site, values.exempt)
        if new or "price" in present:
            self._found["price"] = price_problems(rows, values.site)
        if new or "quantity" in present:
            self._found["quantity"] = quantity_problems(rows, limits()["message"]["quantity"])
        if new or "images" in present:
            self._found["images"] = image_problems(rows, images)
        self._faulty = frozenset[int]().union(*(found.positions for found in self._found.values()))

    def at(self, position: int, *kinds: str) -> tuple[str, ...]:
        if position not in self._faulty:
            return ()
        return tuple(problem for kind in ("sku", *kinds) for problem in self._found[kind].at(position))


def messages(
    rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account
) -> Iterator[Message | InvalidMessage]:
    """Messages in the order of the rows, a parent before its children; what Amazon would refuse as InvalidMessage."""
    every = [changes.get(sku, _NOTHING) & _SENT for sku in pylist(rows, "sku")]
    wanted = [position for position, kinds in enumerate(every) if kinds]
    if not wanted:
        return
    chosen = rows.iloc[wanted] if len(wanted) < len(rows) else rows
    kinds = [every[position] for position in wanted]
    values = Values(site, account)
    shown = usable(chosen)
    checked = _Checked(chosen, kinds, shown, values)
    new_parents: set[str] = set()
    refused_parents: set[str] = set()
    columns = (shown if column == "images" else pylist(chosen, column) for column in Row._fields)
    for position, (record, wants) in enumerate(zip(zip(*columns, strict=True), kinds, strict=True)):
        row = Row._make(record)
        parent = row.role == "parent"
        if "delete" in wants:
            yield Message(row.sku, "product", "DELETE", delete(row.sku))
            continue
        if "create" in wants:
            problems = checked.at(position, "update", "price", "quantity", "images")
            if row.role == "child" and row.parent_sku in refused_parents:
                problems += (f"its family {row.parent_sku} cannot be listed",)
            if parent:
                (refused_parents if problems else new_parents).add(row.sku)
            yield _either(row.sku, "product", "UPDATE", problems, create, row, values)
            continue
        if "update" in wants:
            problems = checked.at(position, "update")
            yield _either(row.sku, "product", "PATCH", problems, update, row, values, row.parent_sku in new_parents)
        if "price" in wants and not parent:
            yield _either(row.sku, "price", "PATCH", checked.at(position, "price"), price, row, values)
        if "quantity" in wants and not parent:
            yield _either(row.sku, "inventory", "PATCH", checked.at(position, "quantity"), quantity, row.sku, row.quantity)
        if "images" in wants:
            yield _either(row.sku, "images", "PATCH", checked.at(position, "images"), images, row, values)


def _either(
    sku: str, feed: FeedKind, operation: str, problems: tuple[str, ...], build: Callable[..., bytes], *given: Any
) -> Message | InvalidMessage:
    return refusal(sku, feed, problems) if problems else Message(sku, feed, operation, build(*given))


def deletions(rows: pd.DataFrame) -> Iterator[Message]:
    """Children before their parents: Amazon keeps a parent's page while a child points at it."""
    skus, roles = pylist(rows, "sku"), pylist(rows, "role")
    for last in (False, True):
        for sku, role in zip(skus, roles, strict=True):
            if (role == "parent") is last:
                yield Message(sku, "product", "DELETE", delete(sku))


def zero_quantities(rows: pd.DataFrame) -> Iterator[Message]:
    for sku, role in zip(pylist(rows, "sku"), pylist(rows, "role"), strict=True):
        if role != "parent":
            yield Message(sku, "inventory", "PATCH", quantity(sku, 0))
