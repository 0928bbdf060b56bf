"""Bulk queries of the fake shop: checked as Shopify checks them, then rendered as ungrouped JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from graphql import (
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    parse,
    validate,
)

from pipeline_tests.fakes.shopify_data import Object, ShopData

#: Roots that stand together before their children follow.
_BLOCK = 20
MAX_CONNECTIONS = 5


class Invalid(Exception):
    """What Shopify answers with code INVALID."""


def bulk_lines(schema: GraphQLSchema, data: ShopData, query: str) -> list[bytes]:
    """The lines of the result, each without line feed. Raises Invalid."""
    return list(_render(*_checked(schema, query), data))


def _checked(schema: GraphQLSchema, query: str) -> tuple[FieldNode, SelectionSetNode]:
    try:
        document = parse(query)
    except Exception as error:
        raise Invalid(str(error)) from None
    problems = validate(schema, document)
    if problems:
        raise Invalid(problems[0].message)
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    if len(operation.selection_set.selections) != 1:
        raise Invalid("Bulk queries cannot contain more than one top level field")
    (root,) = operation.selection_set.selections
    if not isinstance(root, FieldNode) or root.name.value in ("node", "nodes") or root.selection_set is None:
        raise Invalid("Bulk queries cannot contain this top level field")
    depth, connections = _measure(root, 0)
    if connections == 0:
        raise Invalid("Bulk queries must contain at least one connection")
    if connections > MAX_CONNECTIONS or depth > 3:
        raise Invalid("Bulk queries may contain five connections, two levels below the first")
    return root, root.selection_set


def _measure(field: FieldNode, depth: int) -> tuple[int, int]:
    """Deepest nesting and number of connections at and below a field."""
    connection = _node(field) is not None
    depth += connection
    deepest, total = depth, int(connection)
    for child in _fields(_node(field) or field.selection_set):
        below, count = _measure(child, depth)
        deepest, total = max(deepest, below), total + count
    return deepest, total


def _fields(selections: SelectionSetNode | None) -> Iterator[FieldNode]:
    for item in selections.selections if selections else ():
        if isinstance(item, FieldNode):
            yield item
        elif isinstance(item, InlineFragmentNode):
            yield from _fields(item.selection_set)


def _node(field: FieldNode) -> SelectionSetNode | None:
    """What is asked of each node, for a connection asked with `edges { node { ... } }`."""
    for edges in _fields(field.selection_set):
        if edges.name.value == "edges":
            for node in _fields(edges.selection_set):
                if node.name.value == "node":
                    return node.selection_set
    return None


def roots(data: ShopData, name: str, search: str) -> list[Object]:
    """The objects of a top level connection, filtered by a search for a time of change."""
    found = {
        "products": lambda: list(data.products.values()),
        "collections": lambda: list(data.collections.values()),
        "productVariants": data.variants,
    }[name]()
    since = re.search(r"updated_at:>='([^']+)'", search)
    return [item for item in found if item["updatedAt"] >= since[1]] if since else found


def _render(root: FieldNode, selections: SelectionSetNode, data: ShopData) -> Iterator[bytes]:
    arguments = {argument.name.value: argument.value for argument in root.arguments}
    search = arguments.get("query")
    assert search is None or isinstance(search, StringValueNode)
    node = _node(root)
    if node is None:
        raise Invalid("Bulk queries must contain at least one connection")
    project = _compile(node)
    waiting: list[list[bytes]] = []
    for number, item in enumerate(roots(data, root.name.value, search.value if search else ""), 1):
        children: list[bytes] = []
        yield _dump(project(item, item["id"], children))
        waiting.append(children)
        if number % _BLOCK == 0:
            yield from _mixed(waiting)
            waiting = []
    yield from _mixed(waiting)


def _mixed(waiting: list[list[bytes]]) -> Iterator[bytes]:
    """First children of all, then second ones, and so on: in order after their parents, not below them."""
    for place in range(max(map(len, waiting), default=0)):
        for children in waiting:
            if place < len(children):
                yield children[place]


def _dump(record: Object) -> bytes:
    return orjson.dumps(record)


_Project = Callable[[Object, str, list[bytes]], Object]


def _compile(selections: SelectionSetNode) -> _Project:
    """A function from (object, id of the nearest node, lines of children) to the record of the object."""
    steps: list[Callable[[Object, Object, str, list[bytes]], None]] = [_step(item) for item in selections.selections]

    def project(item: Object, owner: str, children: list[bytes]) -> Object:
        record: Object = {}
        for step in steps:
            step(item, record, owner, children)
        return record

    return project


def _step(selection: Any) -> Callable[[Object, Object, str, list[bytes]], None]:
    if isinstance(selection, InlineFragmentNode):
        kind, inner = selection.type_condition.name.value, _compile(selection.selection_set)

        def fragment(item: Object, record: Object, owner: str, children: list[bytes]) -> None:
            if item.get("__typename") == kind:
                record.update(inner(item, owner, children))

        return fragment
    name = selection.name.value
    if (node := _node(selection)) is not None:
        child = _compile(node)

        def connection(item: Object, record: Object, owner: str, children: list[bytes]) -> None:
            for each in item[name]:
                grandchildren: list[bytes] = []
                children.append(_dump({**child(each, each["id"], grandchildren), "__parentId": owner}))
                children.extend(grandchildren)

        return connection
    if selection.selection_set is not None:
        below = _compile(selection.selection_set)
        names = next((a.value for a in selection.arguments if a.name.value == "names"), None)
        chosen = None if names is None else {value.value for value in names.values}

        def nested(item: Object, record: Object, owner: str, children: list[bytes]) -> None:
            value = item.get(name)
            if isinstance(value, list):
                kept = [each for each in value if chosen is None or each["name"] in chosen]
                record[name] = [below(each, owner, children) for each in kept]
            else:
                found = None if value is None else below(value, owner, children)
                record[name] = {**(record.get(name) or {}), **found} if found is not None else None

        return nested

    def scalar(item: Object, record: Object, owner: str, children: list[bytes]) -> None:
        record[name] = item.get(name)

    return scalar
