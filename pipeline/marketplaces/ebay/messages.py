"""Requests of eBay's bulk XML (Large Merchant Services): one message a single SKU or family and kind.

create   AddFixedPriceItem. A family is one request under its parent's SKU; its children have none of their own.
update   ReviseFixedPriceItem of the listing's content; for a family with all its variations that can be listed, so that a new
         child is added. A live variation that is left out stays as it is.
price, quantity  ReviseInventoryStatus, one SKU a request (eBay takes four): a failed answer names the request, but no SKU.
images   ReviseFixedPriceItem with the pictures alone (eBay replaces them as a whole).
delete   EndFixedPriceItem; of one child of a family that stays: a revision that deletes the variation.
Listings are tracked by SKU. A sale shows no list price: eBay's strike-through price is for approved sellers only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from pipeline.marketplaces.columns import Problems, pylist, refusal, tuples
from pipeline.marketplaces.ebay.items import Family, Items, Row, family, shown_images
from pipeline.marketplaces.ebay.validate import (
    account_problems,
    family_problems,
    listing_problems,
    sellable_problems,
    sku_problems,
    usable,
)
from pipeline.marketplaces.ebay.xml import add, limits, request, serialize
from pipeline.marketplaces.offers import price_problems, quantity_problems
from pipeline.model.listing import Account, FeedKind, InvalidMessage, Message, Site
from pipeline.model.money import format_minor

ADD, REVISE, END, STATUS = "AddFixedPriceItem", "ReviseFixedPriceItem", "EndFixedPriceItem", "ReviseInventoryStatus"
_NOTHING: frozenset[str] = frozenset()
_SENT = frozenset({"create", "update", "price", "quantity", "images", "delete"})
#: A child that a plan keeps out of its family's request.
_KEPT_OUT = frozenset({"blocked", "hold", "out_of_scope", "delete"})
#: Sentences of one refused family: enough to act on, not one for each of 250 variations.
_MOST_PROBLEMS = 10


def messages(
    rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account
) -> Iterator[Message | InvalidMessage]:
    """Messages in the order of the rows; what eBay would refuse as InvalidMessage, for a family also its new children."""
    kinds = [changes.get(sku, _NOTHING) for sku in pylist(rows, "sku")]
    products = pylist(rows, "product_id")
    touched = {product for product, wants in zip(products, kinds, strict=True) if wants & _SENT}
    affected = [position for position, product in enumerate(products) if product in touched]
    if affected:
        chosen = rows.iloc[affected] if len(affected) < len(rows) else rows
        yield from _Plan(chosen, [kinds[position] for position in affected], site, account).messages()


class _Plan:
    """The rows of the affected products as tuples, with their problems and changes."""

    def __init__(self, rows: pd.DataFrame, kinds: list[frozenset[str]], site: Site, account: Account) -> None:
        shown = tuples(usable(rows))
        columns = (shown if column == "images" else pylist(rows, column) for column in Row._fields)
        self.rows = [Row._make(values) for values in zip(*columns, strict=True)]
        self.kinds = kinds
        self.items = Items(site, account)
        self.account_problems = account_problems(account.settings)
        self.found: dict[str, Problems] = {
            "sku": sku_problems(rows),
            "listing": listing_problems(rows),
            "sellable": sellable_problems(rows),
            "price": price_problems(rows, site),
            "quantity": quantity_problems(rows, limits()["message"]["quantity"]),
        }
        self.faulty = frozenset[int]().union(*(found.positions for found in self.found.values()))
        blocked = (rows["status"] == "blocked").fillna(False).tolist()
        self.children: dict[str, list[int]] = {}
        for position, row in enumerate(self.rows):
            if row.role == "child" and row.parent_sku and not blocked[position] and not kinds[position] & _KEPT_OUT:
                self.children.setdefault(row.parent_sku, []).append(position)

    def problems(self, position: int, *names: str) -> tuple[str, ...]:
        if position not in self.faulty:
            return ()
        return tuple(problem for name in ("sku", *names) for problem in self.found[name].at(position))

    def messages(self) -> Iterator[Message | InvalidMessage]:
        covered: set[str] = set()  # parents whose new listing already says price and stock
        refused: set[str] = set()
        for position, (row, wants) in enumerate(zip(self.rows, self.kinds, strict=True)):
            if row.role == "parent":
                outcomes = list(self._family(position, wants))
                if "create" in wants:
                    covered.add(row.sku)
                if any(isinstance(one, InvalidMessage) and one.feed == "product" for one in outcomes):
                    refused.add(row.sku)
                yield from outcomes
            elif row.role == "child":
                yield from self._child(position, wants, row.parent_sku in covered, row.parent_sku in refused)
            else:
                yield from self._single(position, wants)

    def _single(self, position: int, wants: frozenset[str]) -> Iterator[Message | InvalidMessage]:
        row = self.rows[position]
        if "delete" in wants:
            yield self._end(row.sku)
            return
        content = (*self.problems(position, "listing", "sellable"), *self.account_problems)
        no_picture = () if row.images else ("there is no picture with an https address that eBay can read",)
        if "create" in wants:
            problems = (*content, *self.found["price"].at(position), *self.found["quantity"].at(position), *no_picture)
            if row.quantity == 0:
                problems += ("the quantity is 0, and eBay takes a new listing only with stock",)
            yield self._listing(row, None, True, problems)
            return
        if "update" in wants:
            yield self._listing(row, None, False, content)
        yield from self._status(position, wants)
        if "images" in wants:
            yield self._pictures(row, None, (*self.problems(position), *no_picture))

    def _family(self, position: int, wants: frozenset[str]) -> Iterator[Message | InvalidMessage]:
        row = self.rows[position]
        if "delete" in wants:
            yield self._end(row.sku)
            return
        members = self.children.get(row.sku, [])
        listed = family(row, [self.rows[member] for member in members])
        of_children = frozenset[str]().union(*(self.kinds[member] for member in members))
        new = "create" in wants
        revised = "update" in wants or not of_children.isdisjoint({"create", "update"})
        no_picture = () if shown_images(row, listed) else ("there is no picture with an https address that eBay can read",)
        if new or revised:
            problems = [*self.problems(position, "listing"), *self.account_problems]
            problems += family_problems(listed.names, listed.values)
            for member in members:
                of_child = self.problems(member, "sellable", "price", "quantity")
                problems += [f"{self.rows[member].sku}: {problem}" for problem in of_child]
            if new:
                problems += no_picture
                if members and not any(child.quantity for child in listed.children):
                    problems.append("no variation has stock, and eBay takes a new listing only with stock")
            yield self._listing(row, listed, new, tuple(problems[:_MOST_PROBLEMS]))
        if not new and ("images" in wants or "images" in of_children):
            yield self._pictures(row, listed, (*self.problems(position), *no_picture))

    def _child(self, position: int, wants: frozenset[str], covered: bool, refused: bool) -> Iterator[Message | InvalidMessage]:
        row = self.rows[position]
        if "delete" in wants:
            yield self._delete_variation(row.sku, row.parent_sku or "")
        elif refused and "create" in wants:
            yield refusal(row.sku, "product", (f"its family {row.parent_sku} cannot be listed",))
        elif not covered and "create" not in wants:
            yield from self._status(position, wants)

    def _status(self, position: int, wants: frozenset[str]) -> Iterator[Message | InvalidMessage]:
        row = self.rows[position]
        feeds: tuple[tuple[str, FeedKind], ...] = (("price", "price"), ("quantity", "inventory"))
        for kind, feed in feeds:
            if kind not in wants:
                continue
            problems = self.problems(position, kind)
            if problems:
                yield refusal(row.sku, feed, problems)
            else:
                price = row.price if kind == "price" else None
                yield inventory_status(self.items, row.sku, feed, price, row.quantity if kind == "quantity" else None)

    def _listing(self, row: Row, members: Family | None, new: bool, problems: tuple[str, ...]) -> Message | InvalidMessage:
        if problems:
            return refusal(row.sku, "product", problems)
        operation = ADD if new else REVISE
        form = self.items.form(operation, row, members, new)
        if form.misplaced:
            return refusal(row.sku, "product", (f"element {form.misplaced} is out of order in the request",))
        return Message(row.sku, "product", operation, serialize(self.items.fill(form, row, members, new)))

    def _pictures(self, row: Row, members: Family | None, problems: tuple[str, ...]) -> Message | InvalidMessage:
        if problems:
            return refusal(row.sku, "images", problems)
        root = request(REVISE, self.items.account.store, row.sku, self.items.site.language)
        self.items.pictures(root, row, members)
        return Message(row.sku, "images", REVISE, serialize(root))

    def _end(self, sku: str) -> Message:
        return end(self.items, sku)

    def _delete_variation(self, sku: str, parent_sku: str) -> Message:
        return delete_variation(self.items, sku, parent_sku)


def inventory_status(items: Items, sku: str, feed: FeedKind, price: int | None, quantity: int | None) -> Message:
    """Price or quantity of one live SKU."""
    root = request(STATUS, items.account.store, sku, items.site.language)
    status = add(root, "InventoryStatus")
    add(status, "SKU", sku)
    if price is not None:
        add(status, "StartPrice", format_minor(price, items.site.currency), currencyID=items.site.currency)
    if quantity is not None:
        add(status, "Quantity", str(quantity))
    return Message(sku, feed, STATUS, serialize(root))


def end(items: Items, sku: str) -> Message:
    """End the listing of a single or of a whole family."""
    root = request(END, items.account.store, sku, items.site.language)
    add(root, "EndingReason", "NotAvailable")
    add(root, "SKU", sku)
    return Message(sku, "product", END, serialize(root))


def delete_variation(items: Items, sku: str, parent_sku: str) -> Message:
    """Take one variation out of a family that stays."""
    root = request(REVISE, items.account.store, sku, items.site.language)
    item = add(root, "Item")
    add(item, "SKU", parent_sku)
    variation = add(add(item, "Variations"), "Variation")
    add(variation, "SKU", sku)
    add(variation, "Delete", "true")
    return Message(sku, "product", REVISE, serialize(root))


def deletions(rows: pd.DataFrame, items: Items) -> Iterator[Message]:
    """Ended listings, and deleted variations of families that stay; a child goes with its parent without a message of its own."""
    skus, roles, parents = (pylist(rows, column) for column in ("sku", "role", "parent_sku"))
    ended = {sku for sku, role in zip(skus, roles, strict=True) if role == "parent"}
    for sku, role, parent in zip(skus, roles, parents, strict=True):
        if role != "child":
            yield end(items, sku)
        elif parent not in ended:
            yield delete_variation(items, sku, parent)


def zero_quantities(rows: pd.DataFrame, items: Items) -> Iterator[Message]:
    for sku, role in zip(pylist(rows, "sku"), pylist(rows, "role"), strict=True):
        if role != "parent":
            yield inventory_status(items, sku, "inventory", None, 0)
