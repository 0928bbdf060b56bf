"""How long the service of a store supports the API version that the store is set to, said in time.

Known from the calendar alone, so that it can be said wherever a store is looked at, without asking the service.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pipeline.stores.sources import SHOPIFY_API_VERSION
from pipeline.stores.stores import Store

#: This long before the end of a version it is said; releases are three months apart.
WARN_DAYS = 60


def version_warnings(store: Store, now: datetime) -> list[str]:
    """A sentence when the version ends soon, or has ended: Shopify then serves its oldest one without a word.

    Imports go on, so it is no problem of today."""
    version = store.settings.get("api_version")
    if version is None or supported_until(version) - now >= timedelta(days=WARN_DAYS):
        return []
    newer = SHOPIFY_API_VERSION if version < SHOPIFY_API_VERSION else _newest(now)
    return [
        f"Shopify supports API version {version} until {supported_until(version):%Y-%m-%d}; set a newer one: "
        f"pipeline store set {store.key} --api-version {newer}"
    ]


def supported_until(version: str) -> datetime:
    """shopify.dev, "API versioning": a stable version is supported for 12 months from the first day of its quarter, 17:00 UTC."""
    year, month = map(int, version.split("-"))
    return datetime(year + 1, month, 1, 17, tzinfo=timezone.utc)


def _newest(now: datetime) -> str:
    """The stable version of this quarter."""
    return f"{now.year}-{(now.month - 1) // 3 * 3 + 1:02}"
