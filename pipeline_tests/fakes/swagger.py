"""Requests against a marketplace's own Swagger 2.0 file: paths, query parameters and bodies."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema


class Swagger:
    """Checks requests; an answer's body can be checked too, so that a fake does not drift from the contract."""

    def __init__(self, path: Path) -> None:
        self._document = json.loads(path.read_text(encoding="utf-8"))
        self._operations = {
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", template) + r"\Z")): operation
            for template, methods in self._document["paths"].items()
            for method, operation in methods.items()
            if isinstance(operation, dict) and "operationId" in operation
        }

    def request(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> list[str]:
        """What is wrong with a request, as sentences."""
        operation = self._find(method, path)
        if operation is None:
            return [f"{method} {path} is no operation"]
        known = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
        found = [f"unknown parameter {name}" for name in query if name not in known]
        for name, rule in known.items():
            found += _parameter(name, rule, query.get(name))
        for one in operation["parameters"]:
            if one["in"] == "body":
                found += self._schema_problems(json.dumps(one["schema"]), body)
        return found

    def answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer of the fake."""
        operation = self._find(method, path)
        if operation is None:
            return []
        response = operation["responses"].get(str(status))
        if response is None:
            return [f"{operation['operationId']} never answers {status}"]
        return self._schema_problems(json.dumps(response["schema"]), body) if "schema" in response else []

    def _find(self, method: str, path: str) -> Any:
        return next(
            (found for (verb, pattern), found in self._operations.items() if verb == method and pattern.match(path)), None
        )

    def _schema_problems(self, schema: str, body: Any) -> list[str]:
        try:
            self._validator(schema)(body)
        except fastjsonschema.JsonSchemaException as error:
            return [str(error)]
        return []

    @cache  # noqa: B019 (one object a test session)
    def _validator(self, schema: str) -> Any:
        document = {**json.loads(schema), "definitions": self._document["definitions"]}
        return fastjsonschema.compile({"$schema": "http://json-schema.org/draft-04/schema#", **document})


def _parameter(name: str, rule: Any, values: list[str] | None) -> list[str]:
    if values is None:
        return [f"{name} is missing"] if rule.get("required") else []
    if rule["type"] == "array":
        values = [part for value in values for part in value.split(",")]
        if not rule.get("minItems", 0) <= len(values) <= rule.get("maxItems", len(values)):
            return [f"{name} has {len(values)} values"]
        allowed = rule.get("items", {}).get("enum")
        return [f"{name}: {value} is not allowed" for value in values if allowed and value not in allowed]
    if rule["type"] == "integer":
        low, high = rule.get("minimum", 0), rule.get("maximum", 1 << 31)
        return [] if values[0].isdigit() and low <= int(values[0]) <= high else [f"{name} is {values[0]}"]
    return []
