"""GraphQL documents for the Admin API 2026-10. The bulk and the paged form of a query are made of one list of fields, in one
order, so that both give the very same records.

Limits of bulk queries: five connections, two nested levels (shopify.dev/docs/api/usage/bulk-operations/queries).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_METAFIELD = "__typename id namespace key type value updatedAt"
_MEDIA = """__typename id alt mediaContentType status preview { image { url width height } }
    ... on MediaImage { mimeType image { url width height } }
    ... on Video { duration sources { url mimeType } }
    ... on ExternalVideo { embedUrl host }
    ... on Model3d { sources { url mimeType } }"""
_PRODUCT = """__typename id legacyResourceId title handle descriptionHtml vendor productType status tags isGiftCard
    createdAt updatedAt publishedAt onlineStoreUrl hasOnlyDefaultVariant variantsCount { count precision }
    seo { title description } category { id fullName isLeaf isArchived }
    options { id name position linkedMetafield { namespace key } optionValues { id name hasVariants linkedMetafieldValue } }"""
#: Nothing that a sale changes: stock is asked for by itself, and a product that was only sold has not changed.
_VARIANT = """__typename id legacyResourceId title displayName sku barcode position price compareAtPrice taxable
    inventoryPolicy createdAt updatedAt selectedOptions { name value }
    unitPriceMeasurement { measuredType quantityUnit quantityValue referenceUnit referenceValue }
    inventoryItem { id tracked requiresShipping countryCodeOfOrigin harmonizedSystemCode unitCost { amount currencyCode }
        measurement { weight { unit value } } }"""
_COLLECTION = "__typename id legacyResourceId title handle descriptionHtml updatedAt sortOrder"
_LEVEL = """__typename id isActive updatedAt
    location { id name isActive isFulfillmentService fulfillsOnlineOrders } quantities(names: ["available"]) { name quantity }"""


@dataclass(frozen=True)
class Node:
    """Fields of a record, and its connections (arguments, size of a page, what is in it) in the order of the query."""

    type: str
    fields: str
    connections: Mapping[str, Connection] = field(default_factory=dict)


@dataclass(frozen=True)
class Connection:
    node: Node
    page: int
    arguments: str = ""


PRODUCT = Node(
    "Product",
    _PRODUCT,
    {
        "variants": Connection(
            Node("ProductVariant", _VARIANT, {"metafields": Connection(Node("Metafield", _METAFIELD), 5)}), 10
        ),
        "media": Connection(Node("Media", _MEDIA), 10, "sortKey: POSITION"),
        "metafields": Connection(Node("Metafield", _METAFIELD), 10),
    },
)
_COLLECTIONS = Node("Collection", _COLLECTION, {"products": Connection(Node("Product", "__typename id"), 250)})
#: Products of a page of changes; about 800 of the 1,000 points that a query may cost.
PRODUCTS_PAGE = 4
#: Variants of a page of stock, and locations of each.
STOCK_PAGE, LEVELS_PAGE = 25, 8


def bulk_products(name: str, since: str | None) -> str:
    search = "" if since is None else f""", query: "updated_at:>='{since}'\""""
    return _bulk(name, f"products(sortKey: UPDATED_AT{search})", PRODUCT)


def bulk_collections(name: str) -> str:
    return _bulk(name, "collections(sortKey: UPDATED_AT)", _COLLECTIONS)


def bulk_product_ids(name: str) -> str:
    return _bulk(name, "products", Node("Product", "id"))


def bulk_inventory(name: str) -> str:
    """By variant: that way a stock import knows whose stock it is without the deprecated `InventoryItem.variant`."""
    levels = f"inventoryLevels {{ edges {{ node {{ {_LEVEL} }} }} }}"
    return f"query {name} {{ productVariants {{ edges {{ node {{ {stock_fields(levels)} }} }} }} }}"


def stock_fields(levels: str) -> str:
    return f"__typename id inventoryPolicy product {{ id }} inventoryItem {{ id tracked {levels} }}"


def _bulk(name: str, root: str, node: Node) -> str:
    return f"query {name} {{ {root} {{ edges {{ node {{ {_bulk_fields(node)} }} }} }} }}"


def _bulk_fields(node: Node) -> str:
    parts = [node.fields]
    for name, connection in node.connections.items():
        arguments = f"({connection.arguments})" if connection.arguments else ""
        parts.append(f"{name}{arguments} {{ edges {{ node {{ {_bulk_fields(connection.node)} }} }} }}")
    return " ".join(parts)


def _paged_fields(node: Node, divide: int) -> str:
    return " ".join([node.fields, *(_paged(name, connection, divide) for name, connection in node.connections.items())])


def _paged(name: str, connection: Connection, divide: int, after: str = "") -> str:
    more = "".join(f", {part}" for part in (after, connection.arguments) if part)
    size = max(1, connection.page // divide)
    fields = _paged_fields(connection.node, divide)
    return f"{name}(first: {size}{more}) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }}"


def products_page(divide: int) -> str:
    """A page of changed products with the first page of each connection; `divide` makes all pages smaller."""
    return (
        f"query ProductsPage($after: String, $query: String!) {{ products(first: {max(1, PRODUCTS_PAGE // divide)},"
        f" after: $after, query: $query, sortKey: UPDATED_AT) {{ nodes {{ {_paged_fields(PRODUCT, divide)} }}"
        " pageInfo { hasNextPage endCursor } } }"
    )


def connection_page(node: Node, name: str, divide: int) -> str:
    """A further page of one connection of one record."""
    paged = _paged(name, node.connections[name], divide, "after: $after")
    return f"query Further($id: ID!, $after: String!) {{ node(id: $id) {{ ... on {node.type} {{ {paged} }} }} }}"


def stock_page(divide: int) -> str:
    """The stock of some variants, by their ids."""
    size = max(1, LEVELS_PAGE // divide)
    levels = f"inventoryLevels(first: {size}) {{ nodes {{ {_LEVEL} }} pageInfo {{ hasNextPage endCursor }} }}"
    return f"query Stock($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on ProductVariant {{ {stock_fields(levels)} }} }} }}"


def levels_page(divide: int) -> str:
    """A further page of the stock of one inventory item."""
    size = max(1, LEVELS_PAGE * 2 // divide)
    levels = f"inventoryLevels(first: {size}, after: $after) {{ nodes {{ {_LEVEL} }} pageInfo {{ hasNextPage endCursor }} }}"
    return f"query Levels($id: ID!, $after: String!) {{ inventoryItem(id: $id) {{ {levels} }} }}"


NEWEST = """query Newest($query: String!) {
    shop { currencyCode }
    products(first: 1, sortKey: UPDATED_AT, reverse: true) { nodes { id updatedAt } }
    productsCount(limit: null) { count precision }
    changed: productsCount(limit: 10000, query: $query) { count precision }
}"""

DELETED = """query Deleted($after: String, $query: String!) {
    events(first: 250, after: $after, sortKey: CREATED_AT, query: $query) {
        nodes { __typename id createdAt ... on BasicEvent { subjectId subjectType } }
        pageInfo { hasNextPage endCursor }
    }
}"""

RUN_BULK = """mutation RunBulk($query: String!) {
    bulkOperationRunQuery(query: $query, groupObjects: false) {
        bulkOperation { id status createdAt } userErrors { field message code }
    }
}"""

POLL_BULK = """query PollBulk($id: ID!) {
    bulkOperation(id: $id) {
        id status errorCode createdAt completedAt objectCount rootObjectCount fileSize url partialDataUrl
    }
}"""

CANCEL_BULK = """mutation CancelBulk($id: ID!) {
    bulkOperationCancel(id: $id) { bulkOperation { id status } userErrors { field message } }
}"""

RECENT_BULK = """query RecentBulk {
    bulkOperations(first: 50, sortKey: CREATED_AT, reverse: true) { nodes { id type status createdAt query } }
}"""

HEALTH = """query Health {
    shop { name myshopifyDomain currencyCode }
    currentAppInstallation { accessScopes { handle } }
    publicApiVersions { handle supported }
}"""

LOCATIONS = """query Locations {
    locations(first: 250, includeInactive: true) { nodes { id name isActive } }
}"""
