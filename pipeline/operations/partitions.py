"""Dagster's partition keys of stores and of marketplace sites: registered when added, removed when removed, here only."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from pipeline.partitions import marketplaces, stores


def register(instance: dg.DagsterInstance, *, store_keys: Collection[str] = (), sites: Collection[str] = ()) -> None:
    """Make these stores and marketplace sites known as partitions; known ones stay as they are."""
    for definition, keys in ((stores, store_keys), (marketplaces, sites)):
        if keys:
            instance.add_dynamic_partitions(str(definition.name), sorted(keys))


def unregister(instance: dg.DagsterInstance, *, store_keys: Collection[str] = (), sites: Collection[str] = ()) -> None:
    """Forget these partitions; unknown ones are no error. The history of their runs stays."""
    for definition, keys in ((stores, store_keys), (marketplaces, sites)):
        for key in sorted(keys):
            instance.delete_dynamic_partition(str(definition.name), key)
