"""What operators decide, on a store that sells live: previews, approvals, rejections, rollbacks, pauses, and who did it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.definitions import defs
from pipeline.listings.plan_files import plan_folder
from pipeline.partitions import cell
from pipeline.platform.locks import advisory_lock
from pipeline_tests.fakes.amazon import MARKETPLACE, FakeAmazon
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.catalogs import Row
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_live_amazon import SITE, account, connect, credentials, later
from pipeline_tests.flows.test_live_amazon import amazon as amazon

COUNT = 30
#: Few prices are said one by one, at once; else in a feed.
WAYS = pytest.mark.parametrize("at_once", [True, False], ids=["one by one", "feed"])


@pytest.fixture(scope="module")
def selling(new_place: NewPlace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """A store whose thirty products are live at Amazon, and the account."""
    folder = tmp_path_factory.mktemp("selling")
    place, keys = new_place(), folder / "credential.keys"
    place.cli("keys", "generate", "--file", str(keys), code=0)
    place = place.with_keys(keys)
    file = catalogs.write(folder / "shop.csv", catalogs.products(COUNT))
    place.cli("store", "add", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)
    with account() as amazon:
        connect(place, credentials(folder, amazon))
        export(place)
        settle(place, amazon)
        assert len(amazon.catalog.listings) == COUNT
        return place, amazon.saved()


@pytest.fixture
def place(selling: tuple[Place, dict[str, Any]], amazon: FakeAmazon, tmp_path: Path) -> Place:
    place, saved = selling
    amazon.restore(saved)
    return place.clone(tmp_path)


def export(place: Place, *options: str) -> Any:
    return place.summary("export", "shop", SITE, *options)["marketplaces"][SITE]


def settle(place: Place, amazon: FakeAmazon) -> None:
    """Everything that was handed over is sent, processed and read."""
    open_ = [None]
    for _ in range(10):
        if not open_:
            return
        later(place, amazon, 130)
        place.rows("DELETE FROM rate_limits RETURNING bucket")  # real time stands still; Amazon's own limits hold
        open_ = place.summary("submissions", "poll")["open"]
    raise AssertionError(open_)


def change(place: Place, changed: dict[int, Row]) -> None:
    """The shop's catalog with these fields of its products."""
    file = catalogs.write(place.settings.data_dir.parent / "changed.csv", catalogs.products(COUNT, changed))
    place.cli("store", "set", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)


def sent(found: Any) -> dict[str, int]:
    return {kind: count for kind, count in found["changes"].items() if count and kind != "unchanged"}


def said(amazon: FakeAmazon, since: int) -> list[tuple[str, list[str]]]:
    """(SKU, attributes) of the messages of all feeds but the first `since`."""
    return sorted(
        (message["sku"], sorted(patch["path"].removeprefix("/attributes/") for patch in message["patches"]))
        for feed in amazon.created()[since:]
        for message in feed
    )


def listed(amazon: FakeAmazon) -> dict[str, tuple[Any, Any]]:
    """What Amazon shows of each SKU: title and price."""
    return {
        sku: (
            found["item_name"][0]["value"],
            found["purchasable_offer"][0]["our_price"][0]["schedule"][0]["value_with_tax"],
        )
        for (site, sku), found in amazon.catalog.listings.items()
        if site == MARKETPLACE
    }


def went_out(amazon: FakeAmazon) -> tuple[int, int]:
    """How many messages were said one by one, and how many feeds were created."""
    return amazon.statuses.count(("patchListingsItem", 200)), len(amazon.created())


def by(place: Place, at_once: bool) -> None:
    place.cli("connection", "set", "shop", SITE, f"urgent_skus={50 if at_once else 0}", code=0)


def launch(place: Place, job: str, **config: Any) -> dg.ExecuteInProcessResult:
    """A job of the UI's launchpad, for the connection."""
    from pipeline.operations import decision_jobs

    ops = {op.name: {"config": config} for op in getattr(decision_jobs, job).nodes}
    loggers = {"console": {"config": {"log_level": "CRITICAL"}}}
    with place.instance() as instance:
        return defs.resolve_job_def(job).execute_in_process(
            {"ops": ops, "loggers": loggers}, instance=instance, partition_key=cell("shop", SITE), raise_on_error=False
        )


def audit(place: Place) -> list[tuple[str, str, str]]:
    """(who, action, why), the oldest first."""
    return [(one["who"], one["action"], one["why"]) for one in reversed(place.summary("audit")["actions"])]


def test_back_to_an_export_and_the_next_one_stays_there(place: Place, amazon: FakeAmazon) -> None:
    first = place.summary("changes", "list", "shop", SITE)["exports"][0]["export_id"]
    before = listed(amazon)
    change(place, {3: {"Variant Price": "24.00"}, 7: {"Title": "Another Mug Altogether", "Variant Inventory Qty": "5"}})
    assert sent(export(place)) == {"update": 1, "price": 1, "quantity": 1}
    settle(place, amazon)
    wrong, feeds = listed(amazon), len(amazon.created())
    assert sum(wrong[sku] != before[sku] for sku in before) == 2

    preview = place.summary("rollback", "shop", SITE, "--to", first, "--dry-run")["marketplaces"][SITE]
    assert sent(preview) == {"update": 1, "price": 1}
    one_by_one = went_out(amazon)[0]  # with what was asked for the preview
    assert len(amazon.created()) == feeds
    assert "say why it goes back" in place.cli("rollback", "shop", SITE, "--to", first).error
    assert audit(place) == []
    done = place.summary("rollback", "shop", SITE, "--to", first, "--why", "a wrong file", "--who", "anna")
    assert done["pinned"] == {"content": 1, "price": 1}
    assert sent(done["marketplaces"][SITE]) == {"update": 1, "price": 1}
    settle(place, amazon)
    assert [sku for sku, _ in said(amazon, feeds)] == ["SKU-7"], "exactly the difference"
    assert went_out(amazon) == (one_by_one + 1, feeds + 1)
    assert listed(amazon) == before
    quantities = [found["fulfillment_availability"][0]["quantity"] for found in amazon.catalog.listings.values()]
    assert quantities.count(5) == 1, "stock is never rolled back"

    assert sent(export(place)) == {}, "the next export does not undo it"
    change(place, {3: {"Variant Price": "24.00"}, 7: {"Title": "Another Mug Altogether"}, 11: {"Variant Price": "21.00"}})
    assert sent(export(place)) == {"price": 1, "quantity": 1}
    settle(place, amazon)
    assert place.summary("changes", "list", "shop", SITE)["pinned"][0]["values"] == 1
    change(place, {3: {"Variant Price": "25.00"}, 7: {"Title": "Another Mug Altogether"}, 11: {"Variant Price": "21.00"}})
    assert sent(export(place)) == {"price": 1}, "the source says something else than it did: the pin is over"
    assert [one["kind"] for one in place.summary("changes", "list", "shop", SITE)["pinned"]] == ["content"]
    unpinned = place.summary("changes", "unpin", "shop", SITE, "--why", "the title is right", "--who", "ben")
    assert (unpinned["unpinned"], sent(unpinned["marketplaces"][SITE])) == (1, {"update": 1})
    settle(place, amazon)
    assert "Another Mug Altogether" in {title for title, _ in listed(amazon).values()}
    assert audit(place) == [("anna", "rollback", "a wrong file"), ("ben", "unpin", "the title is right")]


def test_rollback_of_a_part_and_where_there_is_nothing_to_go_back_to(place: Place, amazon: FakeAmazon) -> None:
    first = place.summary("changes", "list", "shop", SITE)["exports"][0]["export_id"]
    before = listed(amazon)
    change(place, {3: {"Variant Price": "24.00"}, 7: {"Title": "Another Mug Altogether", "Variant Price": "22.00"}})
    export(place)
    settle(place, amazon)
    changed = sorted(sku for sku, now in listed(amazon).items() if now != before[sku])
    done = place.summary("rollback", "shop", SITE, "--to", first, "--sku", changed[1], "--kind", "price", "--why", "test")
    assert (done["pinned"], sent(done["marketplaces"][SITE])) == ({"price": 1}, {"price": 1})
    assert "has no export nonsense" in place.cli("rollback", "shop", SITE, "--to", "nonsense", "--why", "x", code=2).error
    unknown = place.cli("changes", "show", "shop", SITE, "--sku", "NONE-1", code=2).error
    assert unknown == f"shop has no SKU NONE-1 on {SITE}; look for it with: pipeline explain shop NONE-1"
    assert "quantity is no kind" in place.cli("rollback", "shop", SITE, "--to", first, "--kind", "quantity", "--why", "x").error


def test_guards_hold_a_rollback_too(place: Place, amazon: FakeAmazon) -> None:
    change(place, {3: {"Variant Price": "60.00"}})
    assert export(place)["held"] == 1
    approved = place.summary("changes", "approve", "shop", SITE, "--kind", "price", "--why", "it is dear", "--who", "anna")
    assert (approved["approved"], sent(approved["marketplaces"][SITE])) == (1, {"price": 1})
    settle(place, amazon)
    first = place.summary("changes", "list", "shop", SITE)["exports"][-1]["export_id"]
    back = place.summary("rollback", "shop", SITE, "--to", first, "--why", "it was not")
    assert (sent(back["marketplaces"][SITE]), back["marketplaces"][SITE]["held"]) == ({}, 1)
    assert sent(place.summary("changes", "approve", "shop", SITE, "--why", "yes")["marketplaces"][SITE]) == {"price": 1}


def test_what_is_rejected_waits_until_it_changes(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    place.cli("connection", "set", "shop", SITE, "require_approval=true", code=0)
    change(place, {3: {"Variant Price": "24.00"}, 7: {"Title": "=Another Mug"}})
    waiting = export(place)
    assert (sent(waiting), waiting["feeds"]) == ({"update": 1, "price": 1}, [])
    shown = place.summary("changes", "show", "shop", SITE, "--csv", str(tmp_path / "changes.csv"))
    assert (shown["status"], shown["rows"], shown["approval"]) == ("waiting_approval", 2, None)
    by_kind = {row["changes"][0]: row for row in shown["changes"]}
    assert by_kind["price"]["price"]["after"] == "24.00"
    with (tmp_path / "changes.csv").open(newline="") as stream:
        assert [row["changes"] for row in csv.DictReader(stream)] == [row["changes"][0] for row in shown["changes"]]
    one = place.summary("changes", "show", "shop", SITE, "--sku", by_kind["update"]["sku"])["changes"][0]
    assert {field["field"]: field["after"] for field in one["fields"]}["title"].startswith("=Another Mug")
    for older in (plan_folder(place.settings.storage(), "shop", SITE, waiting["export_id"]).parent).iterdir():
        if older.name != waiting["export_id"]:
            shutil.rmtree(str(older))
    one = place.summary("changes", "show", "shop", SITE, "--sku", by_kind["update"]["sku"])["changes"][0]
    assert one["fields"] == [] and "is not kept any more" in one["fields_unknown"]

    sku = by_kind["price"]["sku"]
    assert "waits as a whole" in place.cli("changes", "approve", "shop", SITE, "--sku", sku).error
    assert "say why it is rejected" in place.cli("changes", "reject", "shop", SITE, "--sku", sku).error
    rest = place.summary("changes", "reject", "shop", SITE, "--sku", sku, "--why", "too dear", "--who", "anna")
    assert (rest["rejected_changes"], sent(rest["marketplaces"][SITE])) == (1, {"update": 1})
    assert any("too dear" in notice for notice in place.summary("status")["notices"])
    held = place.summary("changes", "show", "shop", SITE, "--kind", "hold")["changes"]
    assert [(row["sku"], row["reason"]) for row in held] == [(sku, "An operator refused exactly this: too dear (anna)")]
    place.summary("changes", "approve", "shop", SITE, "--why", "the rest is fine", "--who", "ben")
    settle(place, amazon)
    assert {price for _, price in listed(amazon).values()}.isdisjoint({24})
    assert place.summary("changes", "list", "shop", SITE)["exports"][0]["approval"]["who"] == "ben"

    place.cli("connection", "set", "shop", SITE, "require_approval=false", code=0)
    assert sent(export(place)) == {}, "the same is not planned again"
    change(place, {3: {"Variant Price": "23.00"}, 7: {"Title": "=Another Mug"}})
    assert sent(export(place)) == {"price": 1}
    assert not any("too dear" in notice for notice in place.summary("status")["notices"])
    assert place.summary("changes", "list", "shop", SITE)["rejected"] == []
    change(place, {3: {"Variant Price": "24.00"}, 7: {"Title": "=Another Mug"}})
    assert sent(export(place)) == {}
    assert any("too dear" in notice for notice in place.summary("status")["notices"])
    taken_back = place.summary("changes", "approve", "shop", SITE, "--sku", sku, "--why", "it may be")
    assert (taken_back["rejections_taken_back"], sent(taken_back["marketplaces"][SITE])) == (1, {"price": 1})


@WAYS
def test_exports_during_an_outage_are_sent_once_with_the_newest(place: Place, amazon: FakeAmazon, at_once: bool) -> None:
    by(place, at_once)
    one_by_one, feeds = went_out(amazon)
    amazon.revoked = True
    for price in ("21.00", "22.00"):
        change(place, {3: {"Variant Price": price}, 7: {"Variant Price": "20.50" if price == "21.00" else "19.50"}})
        assert "revoked" in place.cli("export", "shop", SITE, "--json", code=1).json["errors"][0]
    amazon.revoked = False
    place.cli("connection", "test", "shop", SITE, code=0)
    settle(place, amazon)
    assert went_out(amazon) == ((one_by_one + 2, feeds) if at_once else (one_by_one, feeds + 1))
    newest, older = place.summary("submissions", "list", "--limit", "2")["submissions"]
    assert (newest["state"], older["state"]) == ("done", "cancelled")
    assert [price for _, price in listed(amazon).values() if price != 20] in ([22, 19.5], [19.5, 22])
    assert sent(export(place)) == {}


@WAYS
def test_a_pause_sends_nothing_and_after_it_the_newest_once(place: Place, amazon: FakeAmazon, at_once: bool) -> None:
    by(place, at_once)
    one_by_one, feeds = went_out(amazon)
    change(place, {3: {"Variant Price": "21.00"}})
    amazon.revoked = True
    place.cli("export", "shop", SITE, code=1)
    amazon.revoked = False
    result = launch(place, "pause_connection", who="anna", why="stocktaking")
    assert result.success
    (metadata,) = [event.step_output_data.metadata for event in result.all_events if event.is_successful_output]
    assert (metadata["who"].value, metadata["withdrawn_feeds"].value) == ("anna", 0 if at_once else 1)
    later(place, amazon, 3600)
    place.summary("submissions", "poll")
    assert went_out(amazon) == (one_by_one, feeds)
    assert "is paused" in place.cli("export", "shop", SITE).error
    change(place, {3: {"Variant Price": "22.00"}})
    assert launch(place, "resume_connection", who="anna", why="counted").success
    assert sent(export(place)) == {"price": 1}
    settle(place, amazon)
    assert went_out(amazon) == ((one_by_one + 1, feeds) if at_once else (one_by_one, feeds + 1))
    assert 22 in {price for _, price in listed(amazon).values()}
    shown = place.summary("connection", "show", "shop", SITE)["decisions"]
    assert [(one["action"], one["who"], one["why"], one["run_id"] is not None) for one in shown] == [
        ("resume", "anna", "counted", True), ("pause", "anna", "stocktaking", True),
    ]  # fmt: skip


@WAYS
def test_nothing_is_sent_while_an_export_may_replace_it(place: Place, amazon: FakeAmazon, at_once: bool) -> None:
    by(place, at_once)
    before = went_out(amazon)
    change(place, {3: {"Variant Price": "21.00"}})
    amazon.revoked = True
    place.cli("export", "shop", SITE, code=1)
    amazon.revoked = False
    place.cli("connection", "test", "shop", SITE, code=0)
    with advisory_lock(place.database.connect, f"shop on {SITE}", wait_seconds=0, holder="another export"):
        place.summary("submissions", "poll")
    assert went_out(amazon) == before
    place.summary("submissions", "poll")
    assert sum(went_out(amazon)) == sum(before) + 1


def test_decisions_as_jobs(place: Place, amazon: FakeAmazon) -> None:
    first = place.summary("changes", "list", "shop", SITE)["exports"][0]["export_id"]
    change(place, {3: {"Variant Price": "60.00"}, 7: {"Title": "Another Mug Altogether"}})
    held = export(place)
    assert (held["held"], sent(held)) == (1, {"update": 1})
    assert launch(place, "approve_changes", who="anna", why="it is dear", kinds=["price"]).success
    assert sent(export(place)) == {"price": 1}
    settle(place, amazon)
    assert launch(place, "roll_back", who="anna", why="a wrong file", to=first, kinds=["content"]).success
    assert sent(export(place)) == {"update": 1}
    assert launch(place, "unpin_changes", who="ben", why="it was right").success
    place.cli("connection", "set", "shop", SITE, "require_approval=true", code=0)
    assert sent(export(place)) == {"update": 1}
    assert launch(place, "reject_changes", who="ben", why="no").success
    assert sent(export(place)) == {}
    failed = launch(place, "roll_back", who="ben", why="x", to="nonsense")
    assert not failed.success
    assert not launch(place, "pause_connection", who=" ", why="x").success
    with pytest.raises(dg.DagsterInvalidConfigError, match="who"):
        launch(place, "pause_connection", why="x")
    assert [(who, action) for who, action, _ in audit(place)] == [
        ("anna", "approve"), ("anna", "rollback"), ("ben", "unpin"), ("ben", "reject"),
    ]  # fmt: skip
