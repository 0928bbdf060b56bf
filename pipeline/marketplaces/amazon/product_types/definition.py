"""One product type definition: a JSON Schema of Amazon's, read within bounds, and what it says of each attribute."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from pipeline.marketplaces.amazon.product_types.validator import Problem, Validator
from pipeline.marketplaces.live import CategoryWants, Wanted
from pipeline.model.errors import BadInputError

#: Definitions have 0.5 to 0.9 MB; what is far beyond is none.
MAX_BYTES = 8 << 20
#: Most schemas that a check may visit, every reference followed, and how deep they may lie in each other.
_MAX_WEIGHT = 2_000_000
_MAX_DEPTH = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class Attribute:
    """What a definition says of one attribute."""

    name: str
    title: str  # for people
    schema: Mapping[str, Any]
    editable: bool  # also when the listing exists
    allowed: tuple[str, ...]  # values of `value`, where there is a list


class Definition:
    """A product type's definition for one set of requirements. Raises BadInputError for a document that is none."""

    def __init__(self, product_type: str, document: bytes) -> None:
        self.product_type = product_type
        self.schema = _parsed(document, product_type)
        self._root = _References(self.schema)
        self._root.weigh(self.schema)

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        found = self.schema["properties"]
        return {name: self._attribute(name, found[name]) for name in found if _NAME.fullmatch(name)}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """What is required of every listing."""
        return tuple(name for name in _names(self.schema.get("required")) if name in self.attributes)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """What is required of some listing: also under a condition."""
        return frozenset(name for part in self._root.conditions(self.schema) for name in _names(part.get("required")))

    @cached_property
    def themes(self) -> tuple[str, ...]:
        """The variation themes that it allows, in its order; none: it has no variations."""
        theme = self.schema["properties"].get("variation_theme")
        name = self._root.at(theme, "items", "properties", "name") if theme else {}
        return tuple(dict.fromkeys(_enumerated(self._root, name)))

    @cached_property
    def validator(self) -> Validator:
        return Validator(self.schema, self.product_type)

    def problems(self, attributes: Mapping[str, Any]) -> list[Problem]:
        """What Amazon would refuse of the attributes of a whole listing."""
        return self.validator.problems(attributes)

    def wants(self) -> CategoryWants:
        """For people: what is always required, then what is under a condition."""
        self.validator  # noqa: B018 (raises for a schema that cannot be compiled)
        names = [*self.required, *sorted(name for name in self.wanted.difference(self.required) if name in self.attributes)]
        found = (self.attributes[name] for name in names)
        return CategoryWants(
            tuple(Wanted(one.name, one.title, one.name in self.required, one.allowed, one.editable) for one in found), self.themes
        )

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        """A schema of this document without its reference."""
        return self._root.resolved(schema)

    def title(self, name: str) -> str:
        known = self.attributes.get(name)
        return known.title if known else _words(name)

    def _attribute(self, name: str, schema: Any) -> Attribute:
        resolved = self._root.resolved(schema)
        items = self._root.at(resolved, "items")
        value = self._root.at(items, "properties", "value")
        title = resolved.get("title")
        own = _UNFIT.sub(" ", title).strip()[:80] if isinstance(title, str) else ""
        # Of an attribute in parts the parts decide; marketplace and language are never editable.
        parts = [value] if value else [self._root.resolved(part) for part in _mapping(items.get("properties")).values()]
        editable = not parts or any(part.get("editable") is not False for part in parts)
        return Attribute(name, own or _words(name), resolved, editable, tuple(_enumerated(self._root, value)))


class _References:
    """Follows `#/...` references within one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._weights: dict[str, int] = {}
        self._open: set[str] = set()

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        for _ in range(_MAX_DEPTH):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                break
            schema = self._target(reference)
        return _mapping(schema)

    def at(self, schema: Any, *path: str) -> Mapping[str, Any]:
        for part in path:
            schema = self.resolved(schema).get(part)
        return self.resolved(schema)

    def conditions(self, schema: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """The schema, and those that a condition adds to the same listing."""
        schema = self.resolved(schema)
        yield schema
        if depth < _MAX_DEPTH:
            for key in ("allOf", "anyOf", "oneOf"):
                for part in schema.get(key) or () if isinstance(schema.get(key), list) else ():
                    yield from self.conditions(part, depth + 1)
            for key in ("then", "else"):
                if key in schema:
                    yield from self.conditions(schema[key], depth + 1)

    def weigh(self, schema: Any, depth: int = 0) -> int:
        """How many schemas a check may visit. Raises BadInputError beyond the bounds, and for references in a circle."""
        if depth > _MAX_DEPTH:
            raise _odd("its schemas lie too deep in each other")
        total = 1
        if isinstance(schema, Mapping):
            for key, value in schema.items():
                if key in ("$ref", "$recursiveRef", "$dynamicRef"):
                    total += self._weigh_reference(value, depth)
                elif isinstance(value, (Mapping, list)) and key not in ("enum", "enumNames", "const", "examples", "default"):
                    total += self.weigh(value, depth + 1)
        elif isinstance(schema, list):
            for item in schema:
                total += self.weigh(item, depth + 1)
        if total > _MAX_WEIGHT:
            raise _odd("a check would never end")
        return total

    def _weigh_reference(self, reference: Any, depth: int) -> int:
        if not isinstance(reference, str) or reference in self._open:
            raise _odd("its references go in a circle")
        if reference not in self._weights:
            self._open.add(reference)
            self._weights[reference] = self.weigh(self._target(reference), depth + 1)
            self._open.remove(reference)
        return self._weights[reference]

    def _target(self, reference: str) -> Any:
        found: Any = self._document
        if not reference.startswith("#/"):
            raise _odd("it refers to another document")
        for part in reference[2:].split("/"):
            found = _mapping(found).get(part.replace("~1", "/").replace("~0", "~"))
        if found is None:
            raise _odd("it refers to what it does not have")
        return found


def _parsed(document: bytes, product_type: str) -> Mapping[str, Any]:
    if len(document) > MAX_BYTES:
        raise _odd(f"it has more than {MAX_BYTES >> 20} MiB")
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise _odd("it is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("properties"), dict) or not found["properties"]:
        raise _odd("it is no JSON Schema of a product type")
    return found


def _odd(why: str) -> BadInputError:
    return BadInputError(f"the product type definition cannot be used: {why}; download it again")


def _enumerated(root: _References, schema: Any, depth: int = 0) -> Iterator[str]:
    """The texts that a schema allows: `enum`, also within anyOf and the like."""
    schema = root.resolved(schema)
    values = schema.get("enum")
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, str) and value.isprintable())
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema[key] if depth < 5 and isinstance(schema.get(key), list) else ():
            yield from _enumerated(root, part, depth + 1)


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str) and _NAME.fullmatch(name)] if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
