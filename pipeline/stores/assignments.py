"""Settings as people type them: `name=value` with dotted names and YAML values, laid over what is stored.

Scalars stay text, so that category 0123, rounding .99 and price 0.10 keep their digits; the setting's own type reads them.
`null` (or nothing) puts a setting back to its default. Values never appear in an error: one of them may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.model.errors import UsageError
from pipeline.stores.export_settings import ExportSettings
from pipeline.stores.text import is_plain, known_names

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,64}){0,5}")
_MAX_VALUE = 100_000


@dataclass(frozen=True)
class Assignment:
    """One setting to change; a value of None puts it back to its default."""

    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        return ".".join(self.path)


class _Loader(yaml.SafeLoader):
    """YAML whose only typed scalar is null, and without aliases (a few bytes of them can stand for gigabytes)."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the base class declares it so)
        first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def parse_assignments(texts: Iterable[str]) -> list[Assignment]:
    """`["stock_buffer=2", "assortment.include.vendors=[Acme]"]` as assignments; raises UsageError."""
    return [_parse(text) for text in texts]


def _parse(text: str) -> Assignment:
    name, equals, raw = text.partition("=")
    name = name.strip()
    if not equals or not _NAME.fullmatch(name):
        raise UsageError("--set takes name=value, for example --set stock_buffer=2")
    if len(raw) > _MAX_VALUE:
        raise UsageError(f"the value of {name} is too long: {len(raw)} characters, at most {_MAX_VALUE}")
    if not is_plain(raw):
        raise UsageError(f"the value of {name} contains control characters or broken text")
    try:
        value = yaml.load(raw, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"the value of {name} is not valid YAML; quote it, or write a list as [a, b]") from None
    if not _is_plain_data(value):
        raise UsageError(f"the value of {name} may hold only texts, lists and mappings of plain text")
    return Assignment(tuple(name.split(".")), value)


def _is_plain_data(value: Any) -> bool:
    """Escapes such as "\\0" and tags such as !!binary can yield what no setting may hold."""
    if isinstance(value, str):
        return is_plain(value)
    if isinstance(value, list):
        return all(map(_is_plain_data, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(key) and _is_plain_data(item) for key, item in value.items())
    return value is None


def split(assignments: Sequence[Assignment], account_settings: Mapping[str, Any]) -> tuple[list[Assignment], list[Assignment]]:
    """Those of `ExportSettings` and those of the marketplace account; raises UsageError that lists the known names."""
    export = [a for a in assignments if a.path[0] in ExportSettings.model_fields]
    account = [a for a in assignments if a not in export]
    for unknown in account:
        if unknown.path[0] not in account_settings:
            known = known_names(unknown.path[0], {*ExportSettings.model_fields, *account_settings})
            raise UsageError(f"{unknown.name} is not a setting; known settings: {known}")
    return export, account


def apply(stored: Mapping[str, Any], assignments: Iterable[Assignment]) -> dict[str, Any]:
    """A copy of `stored` with the assignments laid over it, the last one of a name wins."""
    result = _copy(stored)
    for assignment in assignments:
        target = result
        for part in assignment.path[:-1]:
            inner = target.get(part)
            if not isinstance(inner, dict):
                inner = target[part] = {}
            target = inner
        if assignment.value is None:
            target.pop(assignment.path[-1], None)
        else:
            target[assignment.path[-1]] = assignment.value
    return result


def _copy(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(item) if isinstance(item, Mapping) else item for name, item in value.items()}


def check_account_settings(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Account settings in the type of their default (text where that is None), other values as they are.

    Raises UsageError that names the wrong one."""
    return {name: _like(name, value, defaults[name]) if name in defaults else value for name, value in values.items()}


def _like(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        known = {"true": True, "false": False}.get(str(value).lower())
        if known is None:
            raise UsageError(f"{name} must be true or false")
        return known
    if isinstance(default, int):
        if not re.fullmatch(r"-?[0-9]{1,15}", str(value)):
            raise UsageError(f"{name} must be a whole number")
        return int(value)
    for kind, word in ((list, "a list, such as [a, b]"), (dict, "a mapping, such as {a: b}")):
        if isinstance(default, kind):
            if not isinstance(value, kind):
                raise UsageError(f"{name} must be {word}")
            return value
    if not isinstance(value, str) or len(value) > 1000:
        raise UsageError(f"{name} must be a text of at most 1000 characters")
    return value
