"""One publication: the shop to publish to, a dry run, and what came of it for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import psycopg

from pipeline.catalog.shopify_api.client import Shop
from pipeline.labels.files import list_files
from pipeline.labels.publishing import STATES, Publisher, Row, rows_to_publish
from pipeline.labels.schema import PUBLISHED_LABELS
from pipeline.labels.shopify import FILE_NAME
from pipeline.labels.translation import read_locales
from pipeline.model.secret import Secret
from pipeline.platform.tables import Table, empty_frame, to_frame
from pipeline.settings import Settings, api_url
from pipeline.stores.sources import source_kind
from pipeline.stores.stores import Store

_SAMPLE = 20


@dataclass(frozen=True)
class Publication:
    """`frame` is the table `published_labels`."""

    frame: pd.DataFrame

    @cached_property
    def states(self) -> dict[str, int]:
        return dict(Counter(self.frame["state"]))

    @property
    def changed(self) -> bool:
        """Whether something happened that was not so before."""
        return any(state != "unchanged" for state in self.states)

    @property
    def by_locale(self) -> list[dict[str, Any]]:
        counts = Counter(zip(self.frame["locale"], self.frame["state"], strict=True))
        return [
            {"locale": locale, "state": state, "texts": count, "meaning": STATES[state]}
            for (locale, state), count in sorted(counts.items())
        ]

    @property
    def sample(self) -> list[dict[str, Any]]:
        """Texts that are not in the shop, each with the reason."""
        left = self.frame[~self.frame["state"].isin(["published", "unchanged", "planned"])].head(_SAMPLE)
        records: Any = left[["locale", "key", "state", "reason"]].to_dict("records")
        return list(records)

    def subject(self, store: str) -> str:
        not_there = sum(count for state, count in self.states.items() if state not in ("published", "unchanged"))
        return (
            f"labels of {store} are published: {self.states.get('published', 0)} texts are new in the shop, {not_there} are left"
        )


def published(ended: Sequence[Row] | pd.DataFrame) -> Publication:
    """Of the rows that a publisher gave, or of the stored table."""
    if isinstance(ended, pd.DataFrame):
        return Publication(ended)
    import pyarrow as pa

    if not ended:
        return Publication(empty_frame(PUBLISHED_LABELS))
    return Publication(to_frame(pa.Table.from_pylist([asdict(row) for row in ended], schema=PUBLISHED_LABELS)))


def shop_of(store: Store, credentials: Mapping[str, Secret]) -> Shop:
    """The Admin API of a live Shopify store; a context manager."""
    settings = source_kind(store.source).complete(store.source_settings)
    return Shop(store.key, settings["domain"], settings["api_version"], credentials, url=api_url("SHOPIFY"))


def dry(
    connection: psycopg.Connection[Any],
    settings: Settings,
    store: Store,
    credentials: Mapping[str, Secret],
    translated: Table,
    locales: Sequence[str],
    overwrite: bool,
) -> Publication:
    """What a publication would do, without changing anything."""
    rows, _ = rows_to_publish(connection, settings, store, translated, locales)
    with shop_of(store, credentials) as shop:
        publisher = Publisher(connection, store.id, shop, "dry run", overwrite=overwrite, dry_run=True)
        return published(publisher.publish(rows, lambda done, total: None))


def publishes_labels(connection: psycopg.Connection[Any], store: Store) -> bool:
    """Whether the texts of the store's live theme are translated, so that its app needs the permissions for it."""
    live = store.source == "shopify" and any(file.name == FILE_NAME for file in list_files(connection, store.id))
    return live and bool(read_locales(connection, store.id))
