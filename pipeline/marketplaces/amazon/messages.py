"""Messages of JSON_LISTINGS_FEED v2, one SKU and kind each, without their `messageId` (it is assigned when a feed is packed).

create   UPDATE: the whole listing with offer, stock and images; a parent LISTING_PRODUCT_ONLY without them; an offer on an item
         that Amazon's catalog has already (column `item_id`) LISTING_OFFER_ONLY: the item, condition, offer, stock. Idempotent.
update   PATCH that replaces the content attributes present. Price, stock and images are never in it: a repricer or a person
         may own them. Search terms that are gone are deleted (never required, nobody sees them); a description, bullet points or
         facts that are gone stay, because product types require some of them and refuse the whole message.
         A child's relationship is resent only when its parent is created in the same plan: Amazon limits relationships most.
         Attributes that the product type lets nobody change later are left out; an offer on an existing item only its condition.
price    PATCH that merges our offer to all buyers into `purchasable_offer`: business prices, which are an offer to another
         audience, and what else people set there stays as it is, and so does a sale that we do not know of. A sale with dates is
         `discounted_price`, which begins and ends by itself; one that was sent and is called off is taken back with a null.
         A sale without dates cannot be one: then our_price is what a buyer pays now, and list_price the price before; without
         such a sale list_price is deleted.
quantity PATCH that merges the quantity into `fulfillment_availability`, merchant fulfilled; handling times stay.
images   PATCH: main and up to eight others replaced, the locators behind them deleted.
delete   DELETE in feed `product`.

Messages are written by whole columns: `sku` stands first, `operationType` second, because packing puts the message id before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.marketplaces.amazon.json_columns import glued, listed, present, quoted, where
from pipeline.marketplaces.amazon.options import limits
from pipeline.marketplaces.amazon.product_types.types import NO_TYPES, ProductTypes
from pipeline.marketplaces.amazon.validate import content_problems, image_problems, sku_problems, usable
from pipeline.marketplaces.amazon.values import Attributes, Values, attributes_object, stock
from pipeline.marketplaces.base import NO_MESSAGES, Outcome, message_table
from pipeline.marketplaces.columns import Mask, Problems, integer, mask, pylist, refusal, text
from pipeline.marketplaces.offers import parents, price_problems, quantity_problems
from pipeline.model.listing import Account, FeedKind, InvalidMessage, Site

#: Price and stock patches name no product type of their own.
_ANY_TYPE = '"PRODUCT"'
_NOTHING: frozenset[str] = frozenset()
_KINDS = ("create", "update", "price", "quantity", "images", "delete")
#: Kinds of change of a live listing, and the feed that carries each.
_FEEDS: Mapping[str, FeedKind] = {"update": "product", "price": "price", "quantity": "inventory", "images": "images"}
#: Makes the payloads of rows and their pictures.
Writer = Callable[[pd.DataFrame, pa.ListArray], pa.Array]


def _patched(attributes: Attributes, op: str = "replace") -> list[pa.Array]:
    """Patches of the attributes that each row has."""
    return [glued(f'{{"op":"{op}","path":"/attributes/{name}","value":', value, "}") for name, value in attributes.items()]


def _deleted(name: str, selectors: str, gone: pa.Array) -> pa.Array:
    """A patch that deletes an attribute where it is gone."""
    return where(gone, pa.repeat(f'{{"op":"delete","path":"/attributes/{name}","value":[{selectors}]}}', len(gone)))


def _patch(sku: pa.Array, product_type: pa.Array | str, patches: Iterable[pa.Array]) -> pa.Array:
    head = ('{"sku":', quoted(sku), ',"operationType":"PATCH","productType":', product_type)
    return glued(*head, ',"patches":[', listed(patches), "]}")


def create(rows: pd.DataFrame, shown: pa.ListArray, site: Site, account: Account, types: ProductTypes = NO_TYPES) -> pa.Array:
    """Whole listings; `shown` are their pictures."""
    values, parent, offers = Values(rows, site, account, types), parents(rows), offers_only(rows)
    product = {
        **values.content(),
        **values.family(np.ones(len(rows), bool)),
        **values.list_price(),
        **values.images(shown),
    }
    if offers.any():
        product = {name: where(~offers, value) for name, value in product.items()} | values.existing_item()
    attributes = values.known({**product, **values.condition(), **values.offer(), **values.stock()})
    requirements = pc.if_else(
        pa.array(parent), "LISTING_PRODUCT_ONLY", pc.if_else(pa.array(offers), "LISTING_OFFER_ONLY", "LISTING")
    )
    head = ('{"sku":', quoted(text(rows, "sku")), ',"operationType":"UPDATE","productType":', quoted(text(rows, "category")))
    return glued(*head, ',"requirements":"', requirements, '","attributes":', attributes_object(attributes), "}")


def update(
    rows: pd.DataFrame, new_parents: set[str], site: Site, account: Account, types: ProductTypes = NO_TYPES
) -> pa.Array:  # fmt: skip
    """Changed content; children of `new_parents` are put into their families again."""
    values, offers = Values(rows, site, account, types), offers_only(rows)
    related = mask(pc.is_in(text(rows, "parent_sku"), value_set=pa.array(sorted(new_parents), pa.string())))
    content = values.content()
    attributes = values.known({**content, **values.family(related)}, live=True)
    gone = _deleted("generic_keyword", values.no_keywords(), pc.is_null(content["generic_keyword"]))
    if offers.any():
        attributes = {name: where(~offers, value) for name, value in attributes.items()}
        attributes["condition_type"] = where(offers, values.condition()["condition_type"])
        gone = where(~offers, gone)
    return _patch(text(rows, "sku"), quoted(text(rows, "category")), [*_patched(attributes), gone])


def price(rows: pd.DataFrame, site: Site, account: Account) -> pa.Array:
    values = Values(rows, site, account)
    before = values.list_price()
    no_sale = _deleted("list_price", values.no_list_price(), pc.is_null(before["list_price"]))
    withdrawn = rows["sale_withdrawn"].to_numpy(bool) if "sale_withdrawn" in rows else None
    return _patch(text(rows, "sku"), _ANY_TYPE, [*_patched(values.offer(withdrawn), "merge"), *_patched(before), no_sale])


def quantity(sku: pa.Array, amount: pa.Array) -> pa.Array:
    return _patch(sku, _ANY_TYPE, _patched({"fulfillment_availability": stock(amount)}, "merge"))


def _quantity_of(rows: pd.DataFrame) -> pa.Array:
    return quantity(text(rows, "sku"), integer(rows, "quantity"))


def images(rows: pd.DataFrame, shown: pa.ListArray, site: Site, account: Account) -> pa.Array:
    values = Values(rows, site, account)
    pictures = values.images(shown)
    gone = [_deleted(name, values.no_picture(), pc.is_null(value)) for name, value in pictures.items()]
    product_type = pc.coalesce(quoted(present(text(rows, "category"))), _ANY_TYPE)
    return _patch(text(rows, "sku"), product_type, [*_patched(pictures), *gone])


def delete(sku: pa.Array) -> pa.Array:
    return glued('{"sku":', quoted(sku), ',"operationType":"DELETE"}')


def offers_only(rows: pd.DataFrame) -> Mask:
    """Rows that are an offer on an item of Amazon's catalog, and no item of their own."""
    return mask(pc.is_valid(text(rows, "item_id")))


def messages(
    rows: pd.DataFrame, changes: Mapping[str, frozenset[str]], site: Site, account: Account, types: ProductTypes = NO_TYPES
) -> Outcome:
    """Messages in the order of the rows, a parent before its children; what Amazon would refuse as InvalidMessage."""
    every = [changes.get(sku, _NOTHING) for sku in pylist(rows, "sku")]
    wanted = [position for position, kinds in enumerate(every) if kinds]
    chosen = rows.iloc[wanted] if len(wanted) < len(rows) else rows
    return _Plan(chosen, [every[position] for position in wanted], site, account, types).outcome()


class _Plan:
    """The rows that need a message: what each wants, and the problems of what it wants."""

    def __init__(
        self, rows: pd.DataFrame, kinds: list[frozenset[str]], site: Site, account: Account, types: ProductTypes
    ) -> None:  # fmt: skip
        self.rows, self.site, self.account, self.types = rows, site, account, types
        self.sku, self.shown = text(rows, "sku"), usable(rows)
        asked = {kind: np.fromiter((kind in wants for wants in kinds), bool, len(rows)) for kind in _KINDS}
        live, sold = ~(asked["delete"] | asked["create"]), ~parents(rows)
        self.wants: dict[str, Mask] = {
            "delete": asked["delete"],
            "create": asked["create"] & ~asked["delete"],
            "update": asked["update"] & live,
            "price": asked["price"] & live & sold,
            "quantity": asked["quantity"] & live & sold,
            "images": asked["images"] & live & ~offers_only(rows),
        }
        self.refused: list[InvalidMessage] = []
        self._made: dict[FeedKind, list[tuple[str, Mask, pa.Array]]] = {}

    def outcome(self) -> Outcome:
        wants, site, account, types = self.wants, self.site, self.account, self.types
        found = self._problems()
        self._say("product", "DELETE", wants["delete"], lambda rows, shown: delete(text(rows, "sku")))
        created = self._good_creates(found)
        self._say("product", "UPDATE", created, lambda rows, shown: create(rows, shown, site, account, types))
        new = set(self.sku.filter(pa.array(created & parents(self.rows))).to_pylist())
        good = {kind: self._good(feed, wants[kind], found, kind) for kind, feed in _FEEDS.items()}
        self._say("product", "PATCH", good["update"], lambda rows, shown: update(rows, new, site, account, types))
        self._say("price", "PATCH", good["price"], lambda rows, shown: price(rows, site, account))
        self._say(
            "inventory", "PATCH", good["quantity"], lambda rows, shown: quantity(text(rows, "sku"), integer(rows, "quantity"))
        )
        self._say("images", "PATCH", good["images"], lambda rows, shown: images(rows, shown, site, account))
        return Outcome(self._table(), tuple(self.refused))

    def _problems(self) -> dict[str, Problems]:
        """By kind of change, found on whole columns and only where the kind occurs."""
        wants, rows, new = self.wants, self.rows, self.wants["create"].any()
        found = {"sku": sku_problems(rows)}
        if new or wants["update"].any():
            found["update"] = content_problems(rows, self.site, bool(self.account.settings.get("gtin_exempt", False)))
        if new or wants["price"].any():
            found["price"] = price_problems(rows, self.site)
        if new or wants["quantity"].any():
            found["quantity"] = quantity_problems(rows, limits()["message"]["quantity"])
        if new or wants["images"].any():
            found["images"] = image_problems(rows, self.shown)
        return found

    def _good(self, feed: FeedKind, wanted: Mask, found: Mapping[str, Problems], *kinds: str) -> Mask:
        """The wanted rows without a problem; the others are refused."""
        asked = [found[kind] for kind in ("sku", *kinds) if kind in found]
        good: Mask = wanted.copy()
        for position in sorted({position for problems in asked for position in problems.positions if wanted[position]}):
            good[position] = False
            reasons = (problem for problems in asked for problem in problems.at(position))
            self.refused.append(refusal(self.sku[position].as_py(), feed, reasons))
        return good

    def _good_creates(self, found: Mapping[str, Problems]) -> Mask:
        """A new parent that is refused takes its new children along."""
        wanted, is_parent, parent = self.wants["create"], parents(self.rows), text(self.rows, "parent_sku")
        faulty = {position for problems in found.values() for position in problems.positions}
        of_family = Problems()
        for position in faulty:
            if wanted[position] and is_parent[position]:
                sku = self.sku[position]
                of_family.add(mask(pc.equal(parent, sku)), f"its family {sku.as_py()} cannot be listed")
        return self._good("product", wanted, {**found, "": of_family}, "update", "price", "quantity", "images", "")

    def _say(self, feed: FeedKind, operation: str, chosen: Mask, write: Writer) -> None:
        if chosen.any():
            whole = chosen.all()
            rows = self.rows if whole else self.rows[chosen]
            shown = self.shown if whole else self.shown.filter(pa.array(chosen))
            self._made.setdefault(feed, []).append((operation, chosen, write(rows, shown)))

    def _table(self) -> pa.Table:
        """All messages, feed by feed in the order of the rows."""
        tables = []
        for feed, made in self._made.items():
            places = np.concatenate([np.flatnonzero(chosen) for _, chosen, _ in made])
            parts = [message_table(self.sku.filter(pa.array(chosen)), feed, operation, said) for operation, chosen, said in made]
            table = pa.concat_tables(parts)
            tables.append(table if len(made) == 1 else table.take(pa.array(np.argsort(places, kind="stable"))))
        return pa.concat_tables([NO_MESSAGES, *tables])


def deletions(rows: pd.DataFrame) -> pa.Table:
    """Children before their parents: Amazon keeps a parent's page while a child points at it."""
    last = parents(rows)
    sku = text(pd.concat([rows[~last], rows[last]]), "sku")
    return message_table(sku, "product", "DELETE", delete(sku))


def zero_quantities(rows: pd.DataFrame) -> pa.Table:
    sku = text(rows[~parents(rows)], "sku")
    return message_table(sku, "inventory", "PATCH", quantity(sku, pa.repeat(0, len(sku))))
