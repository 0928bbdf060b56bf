"""The vocabulary of data quality: severities, dimensions and the declarations of rules and fixes.

Rules are data (YAML files beside the catalog stage and in each marketplace's folder); `quality/` interprets them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["critical", "error", "warning", "info"]
Dimension = Literal["completeness", "correctness", "compliance", "identifiers", "content", "media"]
FixClass = Literal["lossless", "lossy-safe"]
Level = Literal["product", "variant"]

SEVERITIES: tuple[Severity, ...] = ("critical", "error", "warning", "info")
#: Severities that keep a row out of a feed.
BLOCKING: frozenset[Severity] = frozenset({"critical", "error"})
#: Weight of each dimension in the score (sums to 100).
DIMENSION_WEIGHTS: Mapping[Dimension, int] = {
    "completeness": 25,
    "correctness": 20,
    "compliance": 20,
    "identifiers": 15,
    "content": 12,
    "media": 8,
}


@dataclass(frozen=True)
class Rule:
    """One rule: what it looks at, how heavy it is, and what an operator reads when it is open.

    `check` names a vectorized function of `quality/masks`, `params` are its keyword arguments. `when` says which rows the
    rule applies to, by context only, never by the value tested. `severity_when` is the severity under a flag. `shows` is the
    column whose value an issue shows, where that is not `field`.
    """

    code: str
    level: Level
    field: str
    dimension: Dimension
    severity: Severity
    weight: int
    check: str
    message: str
    hint: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    when: Mapping[str, tuple[str | bool, ...]] = dataclasses.field(default_factory=dict)
    severity_when: Mapping[str, Severity] = dataclasses.field(default_factory=dict)
    shows: str | None = None


@dataclass(frozen=True)
class FixStep:
    """One fix applied to one field, in the order of the file. `fix` names a function of `quality/fixes`."""

    fix: str
    level: Level
    field: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class RuleSet:
    """The fixes (applied first, in order) and the rules of the catalog or of one marketplace.

    `inherit` names columns of products that variant rules read (context, not output).
    """

    name: str
    version: str
    fixes: tuple[FixStep, ...]
    rules: tuple[Rule, ...]
    inherit: tuple[str, ...] = ()
