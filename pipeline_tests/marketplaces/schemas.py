"""The marketplaces' own schemas as validators."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import fastjsonschema
from lxml import etree

from pipeline_tests.reference import reference

_XS = "{http://www.w3.org/2001/XMLSchema}"


@cache
def amazon_message() -> Callable[[Any], Any]:
    schema = json.loads(reference("schemas", "amazon", "feeds", "listings-feed-message-schema-v2.json").read_text())
    return fastjsonschema.compile(schema)


@cache
def amazon_feed() -> Callable[[Any], Any]:
    schema = json.loads(reference("schemas", "amazon", "feeds", "listings-feed-schema-v2.json").read_text())
    return fastjsonschema.compile(schema)


@cache
def amazon_report() -> Callable[[Any], Any]:
    path = reference("schemas", "amazon", "feeds", "listings-feed-processing-report-schema-v2.json")
    return fastjsonschema.compile(json.loads(path.read_text()))


@cache
def amazon_attribute(name: str) -> Callable[[Any], Any] | None:
    """The validator of one attribute of a real product type; None where the excerpt does not have it."""
    document = json.loads(reference("schemas", "amazon", "ptd-excerpt.HAIRBAND.US.json").read_text())
    if name not in document["properties"]:
        return None
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "$defs": document["$defs"], **document["properties"][name]}
    return fastjsonschema.compile(_without_steps(schema))


def _without_steps(schema: Any) -> Any:
    """Without `multipleOf`: with binary floats 0.01 refuses right prices. Exact digits have a test of their own."""
    if isinstance(schema, dict):
        return {key: _without_steps(value) for key, value in schema.items() if key != "multipleOf"}
    return [_without_steps(item) for item in schema] if isinstance(schema, list) else schema


@cache
def ebay_file() -> etree.XMLSchema:
    """The bulk file schema over the types of the Trading WSDL, with three repairs that libxml2 needs."""
    wsdl = etree.parse(reference("schemas", "ebay", "eBaySvc.wsdl"), etree.XMLParser(huge_tree=True))
    schema = wsdl.find(f".//{_XS}schema")
    for element in schema.iter(f"{_XS}element"):
        if "maxOccur" in element.attrib:
            element.set("maxOccurs", element.attrib.pop("maxOccur"))
    for wildcard in list(schema.iter(f"{_XS}any")):
        wildcard.getparent().remove(wildcard)
    types = etree.tostring(schema)

    class Types(etree.Resolver):
        def resolve(self, url: str, pubid: str, context: Any) -> Any:
            return self.resolve_string(types, context) if url.endswith("ebaySvc.fixed.xsd") else None

    parser = etree.XMLParser(huge_tree=True)
    parser.resolvers.add(Types())
    return etree.XMLSchema(etree.parse(reference("schemas", "ebay", "lms_bulk_wrapper.xsd"), parser))
