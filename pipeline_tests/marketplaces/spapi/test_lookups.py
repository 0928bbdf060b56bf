"""Questions to Amazon's catalog, over real HTTP: definitions and their documents, suggestions, items by GTIN."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from pipeline.marketplaces.amazon.spapi.client import SpApi
from pipeline.marketplaces.amazon.spapi.lookups import AmazonLookups
from pipeline.marketplaces.amazon.spapi.tokens import Tokens
from pipeline.marketplaces.live import CatalogItem
from pipeline.model.errors import BadInputError
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.http import ApiError, Patience
from pipeline.platform.rate_limits import Buckets
from pipeline_tests.fakes.amazon import SELLER, FakeAmazon, Fault
from pipeline_tests.fakes.amazon_types import own_definition, requiring
from pipeline_tests.marketplaces.spapi.conftest import SITE

CUP = "DRINKING_CUP"


@pytest.fixture
def lookups(amazon: FakeAmazon, database: Database) -> Iterator[AmazonLookups]:
    amazon.definitions[CUP], amazon.any_type = own_definition(), None
    clock = amazon.clock
    patience = Patience(deadline_seconds=30, sleep=clock.advance, clock=clock.seconds, jitter=lambda: 1.0)
    credentials = {name: Secret(value) for name, value in amazon.credentials.items()}
    with Buckets(database.connect) as buckets:
        service = AmazonLookups(SpApi("NA", SELLER, credentials, buckets, Tokens(clock.seconds), patience, renew="renew"), SITE)
        yield service
        service.close()


def test_a_definition_is_downloaded_once_a_version(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    found = lookups.definition(CUP, "LISTING", None)
    assert json.loads(found.document or b"") == requiring(own_definition(), "LISTING")
    assert (found.version, found.label, found.problem) == ("V1", "Drinking Cup", None)
    again = lookups.definition(CUP, "LISTING", found.checksum)
    assert (again.document, again.checksum) == (None, found.checksum)
    assert amazon.calls["download"] == 1
    amazon.definitions[CUP]["required"] = ["brand"]
    newer = lookups.definition(CUP, "LISTING", found.checksum)
    assert newer.document is not None and newer.checksum != found.checksum


def test_each_set_of_requirements_is_a_document_of_its_own(lookups: AmazonLookups) -> None:
    required = {
        name: set(json.loads(lookups.definition(CUP, name, None).document or b"")["required"]) for name in lookups.requirements
    }
    assert "purchasable_offer" in required["LISTING"]
    assert "purchasable_offer" not in required["LISTING_PRODUCT_ONLY"]
    assert "merchant_suggested_asin" in required["LISTING_OFFER_ONLY"]


def test_an_unknown_product_type_says_what_is_similar(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    found = lookups.definition("DRINKING_MUG", "LISTING", None)
    assert found.document is None
    assert found.problem == "amazon-us has no product type DRINKING_MUG; similar: DRINKING_CUP."


def test_a_damaged_document_is_downloaded_again_and_then_refused(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    amazon.damaged = [b"{}"]
    assert lookups.definition(CUP, "LISTING", None).document is not None
    amazon.damaged = [b"{}", b"[1]"]
    with pytest.raises(ApiError, match="the definition of DRINKING_CUP came damaged 2 times"):
        lookups.definition(CUP, "LISTING", None)


def test_hostile_documents_and_links(lookups: AmazonLookups, amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch) -> None:
    amazon.damaged = [b"x" * ((8 << 20) + 1)]
    with pytest.raises(BadInputError, match="more than 8 MiB"):
        lookups.definition(CUP, "LISTING", None)
    amazon.definitions["EVIL"] = {"properties": {"a": {"$ref": "https://example.com/other"}}}
    with pytest.raises(BadInputError, match="refers to another document"):
        lookups.definition("EVIL", "LISTING", None)
    monkeypatch.setattr(type(amazon), "_url", lambda self, document: "https://example.com/schema?X-Amz-Signature=CANARY")
    with pytest.raises(ApiError, match="not one of its own") as error:
        lookups.definition(CUP, "LISTING", None)
    assert "CANARY" not in str(error.value)


def test_suggestions_and_search(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    amazon.suggestions["Stoneware Mug"] = [CUP, "BOWL"]
    assert lookups.suggest("Stoneware Mug") == [CUP, "BOWL"]
    assert lookups.suggest("Nothing like it") == []
    assert lookups.search("drinking, vessel") == [(CUP, "Drinking Cup")]


def test_items_by_gtin_of_every_length_and_page(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    amazon.items = {
        "B000000001": {"gtins": ["4006381333931"], "title": "Mug", "type": CUP},
        "B000000002": {"gtins": ["012345678905"]},
        "B000000003": {"gtins": ["0012345678905"]},
        **{f"B1{number:08d}": {"gtins": ["96385074"]} for number in range(45)},
    }
    found = lookups.items(["4006381333931", "012345678905", "96385074", "00012345678905", "5901234123457", "none", "123"])
    assert found["4006381333931"] == [CatalogItem("B000000001", "Mug", CUP)]
    assert [item.item_id for item in found["012345678905"]] == ["B000000002", "B000000003"]
    assert [item.item_id for item in found["00012345678905"]] == ["B000000002", "B000000003"]
    assert len(found["96385074"]) == 45
    assert found["5901234123457"] == found["none"] == found["123"] == []
    # EAN (of 8 and 13 digits, three pages), UPC, GTIN
    assert amazon.calls["searchCatalogItems"] == 5


def test_twenty_gtins_a_request_within_amazons_rate(lookups: AmazonLookups, amazon: FakeAmazon) -> None:
    gtins = [f"40{number:011d}" for number in range(60)]
    for start in range(0, 60, lookups.most_gtins):
        assert set(lookups.items(gtins[start : start + lookups.most_gtins])) == set(gtins[start : start + 20])
    assert [status for name, status in amazon.statuses if name == "searchCatalogItems"] == [200] * 3


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("getDefinitionsProductType", lambda service: service.definition(CUP, "LISTING", None)),
        ("searchDefinitionsProductTypes", lambda service: service.suggest("Mug")),
        ("searchCatalogItems", lambda service: service.items(["4006381333931"])),
    ],
)
def test_answers_that_are_none(
    lookups: AmazonLookups, amazon: FakeAmazon, operation: str, ask: Callable[[AmazonLookups], object]
) -> None:
    amazon.faults = [Fault(operation, "garbage")]
    with pytest.raises(ApiError, match="without a JSON object"):
        ask(lookups)
    amazon.faults = [Fault(operation, "lost"), Fault(operation, 503)]
    ask(lookups)
