"""The structure of a PIM as tables: `attributes` and `families` of `catalog.schema`."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa

from pipeline.catalog.akeneo.roles import Roles
from pipeline.catalog.akeneo.structure import Attribute, Structure
from pipeline.catalog.schema import ATTRIBUTES, FAMILIES
from pipeline.model.errors import BadInputError


def attributes_table(structure: Structure, roles: Roles) -> pa.Table:
    """In the PIM's order; options have their labels in the store's locale."""
    played = {code: role for role, codes in roles.codes.items() for code in codes}
    return _table([_attribute(one, played.get(one.code)) for one in structure.attributes.values()], ATTRIBUTES)


def families_table(structure: Structure) -> pa.Table:
    """In the PIM's order."""
    rows = [
        {
            "code": one.code,
            "label": one.label,
            "label_attribute": one.label_attribute,
            "image_attribute": one.image_attribute,
            "attributes": one.record.get("attributes") or [],
            "required": (one.record.get("attribute_requirements") or {}).get(structure.channel) or [],
            "variants": _json(one.axes) if one.axes else None,
        }
        for one in structure.families.values()
    ]
    return _table(rows, FAMILIES)


def _attribute(one: Attribute, role: str | None) -> dict[str, Any]:
    record = one.record
    return {
        "code": one.code,
        "label": one.label,
        "type": one.type,
        "role": role,
        "group": record.get("group"),
        "localizable": one.localizable,
        "scopable": one.scopable,
        "unique": bool(record.get("unique")),
        "locales": record.get("available_locales") or [],
        "metric_family": record.get("metric_family") or None,
        "unit": record.get("default_metric_unit") or None,
        "reference": record.get("reference_data_name") or None,
        "max_characters": record.get("max_characters"),
        "options": _json({code: option.label for code, option in one.options.items()}) if one.options else None,
    }


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise BadInputError(f"the PIM describes its attributes in an unknown way ({str(error)[:100]})") from None
