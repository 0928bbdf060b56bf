"""Everything that Shopify or the network does to an import: it ends complete, or fails with a sentence and leaves nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.endings import ending_of
from pipeline.catalog.shopify_api import client
from pipeline.catalog.shopify_api.source import ShopifyApi
from pipeline.catalog.source import FetchJob, FetchState
from pipeline.model.errors import PipelineError
from pipeline.model.secret import Secret
from pipeline.platform.http import ApiError
from pipeline_tests.catalog.shopify_api.helpers import Clock, Imports, source_of
from pipeline_tests.fakes.shopify import CLIENT_ID, CLIENT_SECRET, SCOPES, TOKEN, FakeShopify

CREDENTIALS = {"client_id": Secret(CLIENT_ID), "client_secret": Secret(CLIENT_SECRET)}
PASSING = ("429", "430", "500", "503", "reset", "lost", "truncated", "throttled", "internal", "html", "null")
FINAL = {
    "402": "bill is not paid",
    "403": "refuses access",
    "404": "there is no shop",
    "423": "is locked by Shopify",
}


@pytest.fixture
def imports(shop: FakeShopify, tmp_path: Path) -> Imports:
    return Imports(shop, tmp_path, {"credentials": CREDENTIALS})


@dataclass
class Scene:
    """An import that can be made again and again, the calls that it makes, and its tables when nothing goes wrong."""

    base: Imports
    since: datetime | None
    calls: dict[str, int]
    rows: Any
    paid: int

    def attempt(self, folder: Path, faults: dict[tuple[str, int], str]) -> Imports:
        """Once more with these faults; `paid` of the shop is what this attempt has paid."""
        shop = self.base.shop
        shop.operations.clear()
        shop.calls.clear()
        shop.faults = faults
        again = replace(
            self.base, folder=folder, tables=dict(self.base.tables), raws=list(self.base.raws), results=list(self.base.results)
        )
        again.run(since=self.since, reconcile=self.since is not None)
        return again

    @property
    def places(self) -> list[tuple[str, int]]:
        return [(kind, number) for kind, total in sorted(self.calls.items()) for number in range(1, total + 1)]


@pytest.fixture(params=["full", "changes"])
def scene(request: pytest.FixtureRequest, imports: Imports, tmp_path: Path) -> Scene:
    shop, since = imports.shop, None
    shop.polls = 2  # one that says it runs, one that says it is done
    if request.param == "changes":
        imports.run()
        shirt, mug, _ = shop.data.products
        shop.data.update_product(shirt, vendor="Other")
        shop.data.delete_product(mug)
        assert imports.raws[-1].watermark is not None
        since = imports.raws[-1].watermark - ShopifyApi.overlap
    found = Scene(imports, since, {}, None, 0)
    quiet = found.attempt(tmp_path / "quiet", {})
    return replace(found, calls=dict(shop.calls), rows=quiet.rows(), paid=shop.paid)


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_on_any_call_is_outlasted(scene: Scene, tmp_path: Path, fault: str) -> None:
    for kind, number in scene.places:
        if fault in ("throttled", "internal", "html", "null") and kind in ("token", "download"):
            continue  # answers of GraphQL alone
        if fault == "null" and kind == "RunBulk":
            with pytest.raises(ApiError, match="Something went wrong"):  # it may have begun, so it is not said twice
                scene.attempt(tmp_path / f"{kind}-{number}", {(kind, number): fault})
            continue
        made = scene.attempt(tmp_path / f"{kind}-{number}", {(kind, number): fault})
        assert made.rows() == scene.rows, (kind, number)
        assert made.shop.paid == scene.paid, (kind, number)


@pytest.mark.parametrize("fault", FINAL)
def test_what_does_not_pass_fails_with_a_sentence(scene: Scene, tmp_path: Path, fault: str) -> None:
    for kind, number in scene.places:
        if kind in ("token", "download"):
            continue
        with pytest.raises(ApiError, match=FINAL[fault]) as caught:
            scene.attempt(tmp_path / f"{kind}-{number}", {(kind, number): fault})
        assert "\n" not in str(caught.value) and CLIENT_SECRET not in str(caught.value)


def test_an_expired_token_is_renewed_once_on_any_call(scene: Scene, tmp_path: Path) -> None:
    for kind, number in scene.places:
        if kind not in ("token", "download"):
            scene.attempt(tmp_path / f"{kind}-{number}", {(kind, number): "401"})
            assert scene.base.shop.calls["token"] == 2
            with pytest.raises(ApiError, match="does not accept the credentials"):
                scene.attempt(tmp_path / f"{kind}-{number}-twice", {(kind, number): "401", (kind, number + 1): "401"})


def test_a_static_token_that_is_refused(imports: Imports) -> None:
    imports.settings = {"credentials": {"access_token": Secret(TOKEN)}}
    imports.shop.tokens.clear()
    with pytest.raises(ApiError, match=r"does not accept the credentials of fake.myshopify.com") as caught:
        imports.run()
    assert TOKEN not in str(caught.value)


def test_wrong_client_credentials(imports: Imports) -> None:
    imports.settings = {"credentials": {"client_id": Secret(CLIENT_ID), "client_secret": Secret("wrong-secret-1234")}}
    with pytest.raises(ApiError, match=r"does not give fake.myshopify.com an access token") as caught:
        imports.run()
    assert "wrong-secret-1234" not in str(caught.value)  # which the answer echoes


def test_a_token_is_renewed_before_it_expires(imports: Imports) -> None:
    imports.shop.token_seconds = 301  # one second after it was given, less than five minutes are left
    imports.shop.polls = 5
    imports.run()
    assert imports.shop.calls["token"] > 1


def test_the_budget_is_kept(imports: Imports) -> None:
    """A bucket of few points that fills slowly: the import waits as long as it must, and gets through."""
    clock = Clock()
    imports.settings = {"credentials": CREDENTIALS, "patience": clock.patience()}
    shop = imports.shop
    shop.budget, shop.restore = 30.0, 2.0
    shop._level = 30.0
    shop.clock = lambda: clock.now
    shop._seen = 0.0
    imports.run()
    assert sum(clock.slept) > 5


def test_a_throttled_request_is_sent_again_even_where_it_must_not_repeat(imports: Imports) -> None:
    imports.shop.faults = {("RunBulk", 1): "throttled"}
    imports.run()
    assert imports.shop.paid == 3


def test_an_operation_whose_answer_was_lost_is_found_again(imports: Imports) -> None:
    imports.shop.faults = {("RunBulk", number): "lost" for number in (1, 2, 3)}
    imports.run()
    assert imports.shop.paid == 3


@pytest.mark.parametrize("code", ["LIMIT_REACHED", "OPERATION_IN_PROGRESS"])
def test_a_busy_shop_is_waited_for(imports: Imports, code: str) -> None:
    imports.shop.others, imports.shop.busy_message = 4, code
    assert imports.run().counts["products"] == 3
    imports.shop.others = 1_000_000
    with pytest.raises(ApiError, match=r"other apps keep the bulk operations of fake.myshopify.com busy"):
        imports.run()


def test_a_query_that_shopify_finds_invalid(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.catalog.shopify_api.queries.bulk_inventory", lambda name: f"query {name} {{ shop {{ name }} }}")
    with pytest.raises(ApiError, match="refuses the bulk query of inventory: Bulk queries must contain at least one connection"):
        imports.run()


@pytest.mark.parametrize("ending", ["CANCELED", "EXPIRED", "FAILED:TIMEOUT", "FAILED:INTERNAL_SERVER_ERROR", "LOST"])
def test_an_operation_that_ends_badly_is_started_again(imports: Imports, ending: str) -> None:
    imports.shop.endings = {"products": [ending, ending]}
    result = imports.run()
    assert (result.counts["products"], imports.shop.paid) == (3, 5)
    evidence = list(imports.folder.rglob("products-partial.zst"))
    assert len(evidence) == (1 if ending.startswith("FAILED") else 0)
    assert all(file.role != "products-partial" for file in imports.raws[-1].files)


def test_an_operation_that_always_ends_badly(imports: Imports) -> None:
    imports.shop.endings = {"products": ["FAILED:TIMEOUT"] * 9}
    with pytest.raises(ApiError, match="the bulk operation of products did not end well 3 times"):
        imports.run()


def test_an_operation_without_permission_and_those_that_nobody_needs_then(imports: Imports) -> None:
    imports.shop.scopes = ("read_products", "read_locations")
    imports.shop.polls = 1000
    with pytest.raises(ApiError, match=r"fake.myshopify.com read inventory; see: pipeline store test my-shop"):
        imports.run()
    assert [operation.status for operation in imports.shop.operations.values()] == ["CANCELED", "CANCELED", "FAILED"]


def test_after_an_outage_the_next_import_goes_on_with_what_runs(imports: Imports) -> None:
    shop, kept = imports.shop, dict[str, Any]()
    shop.next_faults = [*[None] * 8, *["503"] * 20]
    with pytest.raises(ApiError, match="Shopify failed") as outage:
        imports.run(state=FetchState(keep=kept.update))
    ending = ending_of(outage.value, "my-shop")
    assert not ending.over and ending.reason.endswith("the next import goes on from here: pipeline import my-shop")
    shop.next_faults = []
    imports.run(state=FetchState(kept))
    assert shop.paid == 3
    assert {operation.status for operation in shop.operations.values()} == {"COMPLETED"}


def test_an_expired_address_is_signed_again(imports: Imports) -> None:
    imports.shop.faults = {("download", 1): "expired"}
    imports.run()
    assert imports.shop.paid == 3


def test_a_result_that_is_gone_is_made_again(imports: Imports) -> None:
    imports.shop.faults = {("download", 1): "expired", ("download", 2): "expired"}
    imports.run()
    assert imports.shop.paid == 4


def test_a_result_with_too_few_lines(imports: Imports) -> None:
    imports.shop.faults = {("download", 1): "shorter"}
    imports.run()
    assert imports.shop.paid == 3
    imports.shop.faults = {("download", imports.shop.calls["download"] + n): "shorter" for n in (1, 2)}
    with pytest.raises(ApiError, match=r"has \d+ records, \d+ of them at the top, but Shopify counted"):
        imports.run()


def test_missing_permissions_are_named(imports: Imports) -> None:
    imports.shop.scopes = ("write_products",)
    source = source_of(imports.shop, **imports.settings)
    assert [word in said for word, said in zip(("read_inventory", "read_locations"), source.check(), strict=True)] == [True, True]
    imports.shop.scopes = ()
    with pytest.raises(ApiError, match="read_products"):
        imports.run()


def test_the_health_of_a_shop(imports: Imports) -> None:
    shop = imports.shop
    assert source_of(shop).check() == []
    closed = next(place for place in shop.data.locations if not place["isActive"])
    said = source_of(shop, currency="EUR", location_ids=["1", closed["id"].rpartition("/")[2]]).check()
    assert ["EUR" in said[0], "no location 1" in said[1], "not active" in said[2], len(said)] == [True, True, True, 3]
    assert "pipeline store set my-shop --currency USD" in said[0] and "pipeline store set my-shop --location" in said[1]
    shop.scopes = ("read_products", "read_locations")
    (missing,) = source_of(shop).check()
    assert "lacks the permission read_inventory" in missing
    shop.tokens.clear()
    (refused,) = source_of(shop).check()
    assert "does not accept the credentials" in refused and "pipeline store set my-shop --credentials" in refused
    assert source_of(shop).missing_options() == []


def test_permissions_that_only_labels_need_are_no_problem(shop: FakeShopify) -> None:
    shop.scopes = (*SCOPES, "write_themes")
    assert source_of(shop).check() == []
    (said,) = source_of(shop).missing_options()
    assert "read_translations, which only `pipeline labels import my-shop` needs" in said
    shop.scopes = (*SCOPES, "read_translations", "read_themes")
    assert source_of(shop).missing_options() == []


def test_no_sentence_says_store_instead_of_its_key() -> None:
    """A command is to be copied, not to be completed."""
    package = Path(client.__file__).parent
    for path in package.glob("*.py"):
        assert not re.search(r"pipeline [a-z ]+ STORE\b", path.read_text()), path.name


def test_a_version_that_fell_forward_is_said(imports: Imports) -> None:
    imports.shop.served_version = "2027-01"
    imports.run()
    assert imports.raws[-1].notes == (
        "Shopify served API version 2027-01 instead of 2026-10; set it with: pipeline store set my-shop --api-version 2027-01",
    )


def test_no_kind_that_a_shop_does_not_have(shop: FakeShopify, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="has no families to import"):
        source_of(shop).fetch(tmp_path, FetchJob("families"))


def test_a_canceled_run_stops_while_it_waits(shop: FakeShopify, tmp_path: Path) -> None:
    class Canceled(Exception):
        pass

    def progress(share: float, message: str) -> None:
        if shop.calls["PollBulk"] > 2:
            raise Canceled

    shop.polls = 1000
    state: dict[str, Any] = {}
    with pytest.raises(Canceled):
        source_of(shop).fetch(tmp_path, FetchJob(progress=progress, state=FetchState(keep=state.update)))
    assert {role: bool(entry.get("id")) for role, entry in state["bulk"].items()} == dict.fromkeys(
        ("products", "collections", "inventory"), True
    )


def test_progress_goes_from_the_counts_of_the_operation(shop: FakeShopify, tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []
    source_of(shop).fetch(tmp_path, FetchJob(progress=lambda share, message: said.append((share, message))))
    shares = [share for share, _ in said]
    assert shares == sorted(shares) and shares[-1] > 0.5
    assert any(message.startswith("products: running, ") for _, message in said)
