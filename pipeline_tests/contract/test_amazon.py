"""Our client and our fake, with Amazon's own models between them: neither says what the models do not allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from pipeline_tests.contract.prism import Proxy, proxied
from pipeline_tests.fakes.amazon import FakeAmazon, Fault
from pipeline_tests.fakes.amazon_feeds import Ending
from pipeline_tests.reference import reference
from pipeline_tests.submissions.conftest import amazon, shop
from pipeline_tests.submissions.shop import Shop, row

__all__ = ["amazon", "shop"]  # fixtures
pytestmark = [pytest.mark.contract, pytest.mark.timeout(900)]
#: Below which path which of Amazon's models holds.
MODELS = {"/feeds/": "feeds_2021-06-30.json", "/sellers/": "sellers.json"}


@pytest.fixture
def proxy(amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    models = {prefix: reference("schemas", "amazon", "models", name) for prefix, name in MODELS.items()}
    with proxied(amazon.url, models) as found:
        monkeypatch.setenv("AMAZON_API_URL", found.url)
        yield found


def test_the_flow_keeps_the_contract(shop: Shop, proxy: Proxy) -> None:
    """Connecting, feeds with refusals, each way to end, a lost reply that is found, one that is cancelled, throttling."""
    with shop.worker() as worker:
        assert worker.service.check() == []
    shop.amazon.catalog.refuses = {"b": {"code": "90220", "severity": "ERROR", "message": "required"}}
    shop.export(row("a"), row("b"))
    shop.pass_time(5)
    shop.amazon.catalog.refuses = {}
    shop.amazon.endings = [Ending("FATAL", False), Ending("FATAL", True)]
    shop.amazon.faults = [Fault("createFeed", "lost"), Fault("getFeed", 429, code="QuotaExceeded"), Fault("getFeeds", 503)]
    for price in (2100, 2200, 2300):
        shop.export(row("a", price=price), row("b", price=price))
        shop.pass_time(20)
    states = Counter(shop.submissions())
    assert states["fatal"] == 2 and states["done"] >= 2 and len(states) == 2, states
    assert shop.submissions("adopted").count(True) == 1
    shop.export(row("a", price=2400), row("b", price=2300))
    shop.work()
    with shop.worker() as worker:
        worker.service.cancel(shop.submissions("feed_id")[-1])
    shop.pass_time(5)
    assert shop.submissions()[-1] == "cancelled"
    assert proxy.violations == []
    said = Counter((method, path.split("/")[1], status) for method, path, status in proxy.passed)
    assert {("POST", "feeds", 201), ("POST", "feeds", 202), ("DELETE", "feeds", 200), ("GET", "sellers", 200)} <= set(said), said
    assert {status for *_, status in said} >= {429, 503}


def test_control_prism_sees_what_breaks_the_contract(shop: Shop, proxy: Proxy) -> None:
    """Of a client: a page that is too large. Of the fake: a status that does not exist."""
    with shop.worker() as worker:
        worker.service.check()
    token = next(iter(shop.amazon.tokens))
    shop.export(row("a"))
    shop.work()
    with httpx.Client(base_url=proxy.url, headers={"x-amz-access-token": token}) as client:
        client.get("/feeds/2021-06-30/feeds", params={"feedTypes": "JSON_LISTINGS_FEED", "pageSize": 101})
        assert len(proxy.violations) == 1 and "pageSize" in proxy.violations[0]
        shop.amazon.violations.clear()  # ours sees it too
        (feed,) = shop.amazon.feeds.values()
        feed.status, feed.ending = "COMPLETED", Ending("COMPLETED")
        shop.amazon.clock.advance(300)
        client.get(f"/feeds/2021-06-30/feeds/{feed.feed_id}")
    assert len(proxy.violations) == 2 and "processingStatus" in proxy.violations[1]
    shop.amazon.violations.clear()
