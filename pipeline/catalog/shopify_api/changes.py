"""Small changes without a bulk operation: pages of products, of their stock and of deletions, as the records of a bulk file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import orjson

from pipeline.catalog.shopify_api import queries
from pipeline.catalog.shopify_api.client import Shop, TooExpensive
from pipeline.catalog.shopify_api.queries import Node

#: The smallest pages are 1/_SMALLEST of the usual ones.
_SMALLEST = 16
Record = dict[str, Any]


class Pages:
    """Asks a shop page by page, with smaller pages once it finds a query too expensive."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._divide = 1
        self.variants: list[str] = []  # ids, of the products that were read

    def products(self, since: str) -> Iterator[bytes]:
        """Lines of all products that changed, each followed by its children."""
        after: str | None = None
        while True:
            variables = {"after": after, "query": f"updated_at:>='{since}'"}
            page = self._ask(queries.products_page, variables)["products"]
            for record in page["nodes"]:
                yield from self._lines(queries.PRODUCT, record, None)
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def stock(self, variants: list[str]) -> Iterator[bytes]:
        """Lines of the stock of these variants, each followed by its levels."""
        start = 0
        while start < len(variants):
            size = max(1, queries.STOCK_PAGE // self._divide)
            ids = variants[start : start + size]
            for record in self._ask(queries.stock_page, {"ids": ids})["nodes"]:
                if record is None:  # deleted since
                    continue
                item = record["inventoryItem"]
                levels = item.pop("inventoryLevels")
                yield _line(record)
                owner = itemgetter("inventoryItem")
                for level in self._all(levels, queries.levels_page, {"id": item["id"]}, owner, "inventoryLevels"):
                    yield _line({**level, "__parentId": record["id"]})
            start += len(ids)

    def deleted(self, since: str) -> Iterator[bytes]:
        """Lines with the ids of products that were deleted. Shopify keeps such events for a year."""
        search = f"subject_type:PRODUCT AND action:destroy AND created_at:>='{since}'"
        after: str | None = None
        while True:
            page = self._shop.ask(queries.DELETED, {"after": after, "query": search})["events"]
            for event in page["nodes"]:
                if event.get("subjectId"):
                    yield _line({"id": event["subjectId"], "deletedAt": event["createdAt"]})
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _lines(self, node: Node, record: Record, parent: str | None) -> Iterator[bytes]:
        pages = {name: record.pop(name) for name in node.connections}
        identity = record["id"]
        if node.type == "ProductVariant":
            self.variants.append(identity)
        yield _line(record if parent is None else {**record, "__parentId": parent})
        for name, page in pages.items():
            child = node.connections[name].node
            further = partial(queries.connection_page, node, name)
            for item in self._all(page, further, {"id": identity}, itemgetter("node"), name):
                yield from self._lines(child, item, identity)

    def _all(
        self,
        page: Mapping[str, Any],
        query: Callable[[int], str],
        variables: Mapping[str, Any],
        owner: Callable[[Any], Mapping[str, Any] | None],
        name: str,
    ) -> Iterator[Record]:
        """The records of a connection from its first page on; the rest of one whose owner was deleted meanwhile is left out."""
        while True:
            yield from page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            found = owner(self._ask(query, {**variables, "after": page["pageInfo"]["endCursor"]}))
            if found is None:
                return
            page = found[name]

    def _ask(self, query: Callable[[int], str], variables: Mapping[str, Any]) -> dict[str, Any]:
        while True:
            try:
                return self._shop.ask(query(self._divide), variables)
            except TooExpensive:
                if self._divide >= _SMALLEST:
                    raise
                self._divide *= 2


def _line(record: Record) -> bytes:
    return orjson.dumps(record) + b"\n"
