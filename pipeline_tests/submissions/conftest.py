"""A shop that sells at the fake Amazon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipeline.platform.database import Database
from pipeline_tests.fakes.amazon import FakeAmazon, running
from pipeline_tests.submissions.shop import Shop, new_shop


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    with running() as fake:
        monkeypatch.setenv("AMAZON_API_URL", fake.url)
        monkeypatch.setenv("AMAZON_LWA_API_URL", fake.url)
        yield fake
        assert fake.violations == []


@pytest.fixture
def shop(database: Database, amazon: FakeAmazon, tmp_path: Path, connection: psycopg.Connection) -> Shop:
    return new_shop(database, amazon, tmp_path, connection)
