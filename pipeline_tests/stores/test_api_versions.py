"""API versions that end are said in time, with the command that sets a newer one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pytest

from pipeline.stores.api_versions import version_warnings
from pipeline.stores.sources import SHOPIFY_API_VERSION
from pipeline.stores.stores import Store


def store(source: str = "shopify", **settings: Any) -> Store:
    now = datetime.now(timezone.utc)
    return Store(uuid4(), "shop", "Shop", source, settings, "USD", "en", now, now)


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")


@pytest.mark.parametrize(
    ("version", "today", "newer"),
    [
        ("2026-01", "2026-11-02", None),
        ("2026-01", "2026-11-03", SHOPIFY_API_VERSION),
        ("2026-01", "2027-02-01", SHOPIFY_API_VERSION),  # ended: imports go on with Shopify's oldest
        ("2030-01", "2030-11-02", None),
        ("2030-01", "2030-12-31", "2030-10"),
        ("2030-10", "2031-08-10", "2031-07"),
    ],
)
def test_a_version_is_said_sixty_days_before_its_end(version: str, today: str, newer: str | None) -> None:
    said = version_warnings(store(api_version=version), at(today))
    assert [one.rpartition(" ")[2] for one in said] == ([] if newer is None else [newer])


def test_the_default_version_ends_too_and_files_have_none() -> None:
    (said,) = version_warnings(store(), at("2040-01-01"))
    assert said.startswith(f"Shopify supports API version {SHOPIFY_API_VERSION} until ")
    assert version_warnings(store("shopify-file", path="x.csv"), at("2040-01-01")) == []
