"""One seller at the fake Amazon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.spapi.feeds import AmazonFeeds
from pipeline.marketplaces.amazon.spapi.tokens import Tokens
from pipeline.model.listing import Site
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.http import Patience
from pipeline.platform.rate_limits import Buckets
from pipeline_tests.fakes.amazon import MARKETPLACE, SELLER, FakeAmazon, running
from pipeline_tests.fakes.clock import Clock

SITE = Site("amazon-us", "amazon", MARKETPLACE, "US", "USD", "en-US", "NA", {})
NewFeeds = Callable[..., AmazonFeeds]


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    with running(Clock()) as fake:
        monkeypatch.setenv("AMAZON_API_URL", fake.url)
        monkeypatch.setenv("AMAZON_LWA_API_URL", fake.url)
        yield fake
        assert fake.violations == []


@pytest.fixture
def new_api(amazon: FakeAmazon, database: Database) -> Iterator[Callable[..., SpApi]]:
    """The seller's API; waiting moves the clock."""
    with ExitStack() as stack:

        def make(tokens: Tokens | None = None, **wrong: str) -> SpApi:
            known = {**amazon.credentials, **wrong}
            clock = amazon.clock
            patience = Patience(
                first_seconds=1,
                longest_seconds=10,
                deadline_seconds=30,
                sleep=clock.advance,
                clock=clock.seconds,
                jitter=lambda: 1.0,
            )
            buckets = stack.enter_context(Buckets(database.connect))
            api = SpApi(
                "NA",
                SELLER,
                {name: Secret(value) for name, value in known.items()},
                buckets,
                tokens or Tokens(clock.seconds),
                patience,
                renew="renew",
            )
            stack.callback(api.close)
            return api

        yield make


@pytest.fixture
def feeds(new_api: Callable[..., SpApi]) -> NewFeeds:
    return lambda *tokens, **wrong: AmazonFeeds(new_api(*tokens, **wrong), SITE)
