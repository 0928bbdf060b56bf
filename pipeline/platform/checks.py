"""How every asset check is made: partitioned like its asset, so that a run checks its own store only.

Partitions on checks are a preview feature of Dagster 1.13, used knowingly; this is the one place to change with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg


def check(
    asset: str, partitions_def: dg.PartitionsDefinition[Any], description: str, **options: Any
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """`dagster.asset_check` for one partition; `options` are passed on (name, blocking, additional_ins)."""

    def decorate(function: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")
            return dg.asset_check(asset=asset, partitions_def=partitions_def, description=description, **options)(function)

    return decorate


def check_spec(name: str, asset: str, partitions_def: dg.PartitionsDefinition[Any], description: str) -> dg.AssetCheckSpec:
    """A check for one partition that the asset itself evaluates, because it decides whether a table is replaced at all."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec")
        return dg.AssetCheckSpec(name, asset=asset, partitions_def=partitions_def, description=description)
