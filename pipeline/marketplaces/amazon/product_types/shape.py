"""Values as people type them, in the shape that a definition wants: "yes" -> true, "500 g" -> value and unit, label -> word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.marketplaces.amazon.product_types.definition import Definition
from pipeline.model.listing import Site

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,9})?")
_MEASURE = re.compile(rf"({_NUMBER.pattern})\s*(\S.{{0,60}})")
_TRUE, _FALSE = {"true", "yes", "1", "ja", "oui", "sí", "si"}, {"false", "no", "0", "nein", "non"}
_MAX_DEPTH = 12


def shaped(definition: Definition | None, name: str, given: Any, site: Site) -> list[Any]:
    """The value of an attribute as Amazon spells it: a list of objects. What does not fit stays as it is, for the validator to
    say why. `given` is a text, JSON in a text, or lists and mappings of texts (a setting)."""
    value = _json(given)
    items = value if isinstance(value, list) else [value]
    attribute = definition.attributes.get(name) if definition else None
    if definition is None or attribute is None:
        place = {"marketplace_id": site.marketplace_id}
        return [{**(item if isinstance(item, dict) else {"value": item}), **place} for item in items]
    schema = definition.resolved(attribute.schema.get("items"))
    return [_item(definition, schema, item, site) for item in items]


def _json(given: Any) -> Any:
    if isinstance(given, str) and given[:1] in ("[", "{"):
        try:
            return orjson.loads(given)
        except orjson.JSONDecodeError:
            return given
    return given


def _item(definition: Definition, schema: Mapping[str, Any], item: Any, site: Site) -> Any:
    parts = _parts(schema)
    if not isinstance(item, dict):
        measure = _MEASURE.fullmatch(item.strip()) if isinstance(item, str) and "unit" in parts else None
        item = {"value": measure[1], "unit": measure[2].strip()} if measure else {"value": item}
    said = {"marketplace_id": site.marketplace_id, "language_tag": site.language.replace("-", "_")}
    return {**_typed(definition, schema, item), **{key: value for key, value in said.items() if key in parts}}


def _typed(definition: Definition, schema: Any, value: Any, depth: int = 0) -> Any:
    """Texts as what the schema says they are."""
    schema = definition.resolved(schema)
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        parts = _parts(schema)
        return {key: _typed(definition, parts.get(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(definition, schema.get("items"), item, depth + 1) for item in value]
    return _scalar(schema, value.strip()) if isinstance(value, str) else value


def _scalar(schema: Mapping[str, Any], text: str) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return True if text.casefold() in _TRUE else False if text.casefold() in _FALSE else text
    if kind in ("number", "integer") and _NUMBER.fullmatch(text):
        number = float(text.replace(",", "."))
        return int(number) if number.is_integer() else number
    return _listed(schema, text)


def _listed(schema: Mapping[str, Any], text: str, depth: int = 0) -> str:
    """The word of a list of allowed values that a text means, by the word or its label, in any case; else the text."""
    values, labels = schema.get("enum"), schema.get("enumNames")
    if isinstance(values, list):
        wanted = _key(text)
        names = labels if isinstance(labels, list) else ()
        for value, *others in ((value, *names[index : index + 1]) for index, value in enumerate(values)):
            if isinstance(value, str) and wanted in {_key(word) for word in (value, *others) if isinstance(word, str)}:
                return value
    for key in ("anyOf", "oneOf"):
        for part in schema[key] if depth < _MAX_DEPTH and isinstance(schema.get(key), list) else ():
            if isinstance(part, Mapping) and (found := _listed(part, text, depth + 1)) != text:
                return found
    return text


def _key(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word).strip().casefold()


def _parts(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}
