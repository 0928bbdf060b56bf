"""Categories in the whole flow: guessed from a file's names, accepted by people, kept over imports, used by listings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline.definitions import defs
from pipeline_tests.flows import catalogs, feeds
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_changes import change, export, materialize, sent
from pipeline_tests.language.test_choices import FIRST, FakeChooser
from pipeline_tests.listings.categories.test_propose import TYPES

PLACE = ("shop", "amazon-us")
EBAY = "id\tname\n20697\tKitchen > Mugs\n15687\tClothing > T-Shirts\n"


@pytest.fixture
def filed(shop: Place, tmp_path: Path) -> Place:
    """The shop with a file of Amazon's categories, of which nothing is sure enough to be used by itself."""
    file = tmp_path / "types.tsv"
    file.write_text(TYPES)
    shop.cli("connection", "set", *PLACE, f"category_file={file}", "category_confidence=1", code=0)
    return shop


@pytest.fixture
def unsure(filed: Place, tmp_path: Path) -> Place:
    """In a file that has only special mugs."""
    (tmp_path / "types.tsv").write_text(TYPES.replace("Mugs & Cups", "Travel Mugs"))
    filed.cli("connection", "set", *PLACE, "category_confidence=0.9", "use_ai_optimization=false", code=0)
    return filed


def mapped(place: Place, *more: str) -> Any:
    return place.summary("categories", "map", *PLACE, *more)


def listed(place: Place) -> list[dict[str, Any]]:
    table = place.table("listings", *PLACE).arrow(["sku", "category", "category_source"])
    return [dict(row) for row in table.to_pylist()]


def test_guesses_are_suggestions_until_people_accept_them(filed: Place) -> None:
    assert sent(export(filed)) == {}  # the default is used as before
    assert {row["category_source"] for row in listed(filed)} == {"default"}
    found = filed.summary("categories", "list", *PLACE, "--status", "suggested", "--limit", "100")["categories"]
    assert len(found) == 30
    assert {(row["category"], row["engine"], row["name"]) for row in found} == {
        ("DRINKING_CUP", "lexical", "Kitchen > Mugs & Cups")
    }
    assert all(0.5 < row["confidence"] < 1 and '"mug' in row["reason"] for row in found)
    assert filed.summary("categories", "accept", *PLACE, "--all", "--min-confidence", "0.999")["decided"] == 0
    assert filed.summary("categories", "accept", *PLACE, "--product", "p-1", "--product", "p-2", "--why", "seen")["decided"] == 2
    seen = filed.summary("categories", "list", *PLACE, "--status", "accepted")  # at once, before the next export
    assert [row["product_id"] for row in seen["categories"]] == ["p-1", "p-2"]
    assert seen["counts"] == {"accepted": 2, "suggested": 28, "none": 0}
    accepted = export(filed)
    assert sent(accepted) == {"update": 2}
    assert feeds.skus(filed, accepted) == {"product": ["SKU-1", "SKU-2"]}
    assert {row["category_source"] for row in listed(filed) if row["category"] == "DRINKING_CUP"} == {"choice"}
    decisions = filed.summary("categories", "list", *PLACE, "--decisions")["decisions"]
    assert [(one["key"], one["category"], one["why"], one["accepted"]) for one in decisions] == [
        ("p-1", "DRINKING_CUP", "seen", True), ("p-2", "DRINKING_CUP", "seen", True),
    ]  # fmt: skip
    change(filed, catalogs.products(30, {1: {"Title": "Stoneware Mug, renamed"}}))
    assert sent(export(filed)) == {"update": 1}
    assert [row["category"] for row in listed(filed)[:3]] == ["DRINKING_CUP", "DRINKING_CUP", "PRODUCT"]


def test_sure_guesses_are_used_and_unchanged_products_are_not_ranked_again(filed: Place) -> None:
    filed.cli("connection", "set", *PLACE, "category_confidence=0.5", code=0)
    first = mapped(filed)
    assert (first["accepted"], first["suggested"], first["none"]) == (30, 0, 0)
    assert sent(export(filed)) == {"update": 30}
    with filed.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("listing_categories"))
        assert event is not None and event.asset_materialization is not None
        metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (metadata["products"], metadata["products_reused"]) == (30, 30)  # mapped before, so the export ranked nothing
    assert metadata["what_to_press"].startswith("pipeline categories list shop amazon-us")
    assert sent(export(filed)) == {}


def test_a_choice_for_a_product_type_goes_before_rules(filed: Place) -> None:
    rule = "category_rules=[{field: product_type, pattern: mugs, category: HANDBAG}]"
    filed.cli("connection", "set", *PLACE, rule, code=0)
    export(filed)
    assert {(row["category"], row["category_source"]) for row in listed(filed)} == {("HANDBAG", "rule")}
    filed.cli("categories", "set", *PLACE, "CANDLE", "--product-type", "MUGS", code=0)
    filed.cli("categories", "set", *PLACE, "COFFEE_MAKER", "--product", "p-9", code=0)
    export(filed)
    rows = {row["sku"]: row["category"] for row in listed(filed)}
    assert (rows.pop("SKU-9"), set(rows.values())) == ("COFFEE_MAKER", {"CANDLE"})
    assert filed.summary("categories", "forget", *PLACE, "--product-type", "mugs", "--product", "p-9") == {"forgotten": 2}
    export(filed)
    assert {row["category"] for row in listed(filed)} == {"HANDBAG"}


def test_a_file_to_edit_and_give_back(filed: Place, tmp_path: Path) -> None:
    mapped(filed)
    file = tmp_path / "review.csv"
    assert filed.summary("categories", "list", *PLACE, "--csv", str(file))["products"] == 30
    head, *lines = file.read_text().splitlines()
    edited = [line + ("accept" if line.startswith("p-3,") else "reject" if line.startswith("p-4,") else "") for line in lines]
    file.write_text("\n".join([head, *edited, "p-99,,,CANDLE,,,,,,,,,,accept"]) + "\n")
    done = filed.summary("categories", "set", *PLACE, "--csv", str(file))
    assert done["decided"] == 2
    assert [(one["product_id"], one["reason"]) for one in done["refused"]] == [("p-99", "there is no such product")]
    mapped(filed)
    rows = {row["product_id"]: row for row in filed.summary("categories", "list", *PLACE)["categories"]}
    assert rows["p-3"]["status"] == "accepted"
    assert rows["p-4"]["category"] != "DRINKING_CUP" and "DRINKING_CUP" not in rows["p-4"]["candidates"]


def test_listings_alone_say_that_categories_are_to_be_made_again(filed: Place) -> None:
    export(filed)
    filed.cli("categories", "set", *PLACE, "CANDLE", "--product", "p-1", code=0)
    step = ("listings", "listing_issues", "listing_scores", "listing_fixes")
    done, error = materialize(filed, *step)
    assert not done and error == "category rules or choices were changed; materialize listing_categories, then listings again"
    assert materialize(filed, "listing_categories", *step) == (True, "")


def test_deciding_in_the_ui(filed: Place) -> None:
    mapped(filed)
    config = {"store": "shop", "marketplace": "amazon-us", "who": "ann", "why": "looks right"}

    def decide(**more: Any) -> bool:
        with filed.instance() as instance:
            run = defs.resolve_job_def("decide_categories").execute_in_process(
                {"ops": {"decide_about_categories": {"config": {**config, **more}}}}, instance=instance, raise_on_error=False
            )
            return run.success

    assert decide(action="accept", everything=True, minimum=0.5)
    assert decide(action="choose", category="CANDLE", product_ids=["p-1"], taxonomy=["hg"])
    assert not decide(action="choose", category="NONSENSE", product_ids=["p-1"])
    assert not decide(action="accept", everything=True, store="nobody")
    found = filed.summary("categories", "list", *PLACE, "--decisions")["decisions"]
    assert len(found) == 31 and {one["who"] for one in found} == {"ann"}
    assert [one["category"] for one in found if one["key"] in ("p-1", "hg")] == ["CANDLE", "CANDLE"]


def test_a_file_that_cannot_be_read_stops_the_export_with_a_sentence(filed: Place, tmp_path: Path) -> None:
    missing, before = tmp_path / "missing.tsv", filed.summary("connection", "show", *PLACE)["export_settings"]
    named = filed.cli("connection", "set", *PLACE, f"category_file={missing}", "stock_buffer=7", code=2).error
    assert named.startswith(f"the category file {missing} cannot be read: No such file")
    assert filed.summary("connection", "show", *PLACE)["export_settings"] == before
    (tmp_path / "types.tsv").write_text("id\tname\nA\tB\nA\tC\n")
    failed = filed.cli("connect", "shop", "amazon-de", "--set", f"category_file={tmp_path / 'types.tsv'}", code=1)
    assert "types.tsv cannot be used: line 3" in failed.error
    assert "amazon-de" not in filed.cli("connection", "list", code=0).out
    assert "types.tsv cannot be used: line 3: the id A is in line 2 already" in filed.cli("export", *PLACE, code=1).out
    failed = filed.cli("categories", "map", *PLACE, code=1)
    assert failed.error.endswith("types.tsv cannot be used: line 3: the id A is in line 2 already; correct it")
    assert "types.tsv cannot be used" in filed.cli("categories", "set", *PLACE, "A", "--product", "p-1", code=1).error


def test_a_file_that_is_gone_is_wrong_configuration(filed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by a part of its path it is kept by all of it, and its absence is told before a run begins."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own.tsv").write_text("id\tname\nA\tB\n")
    monkeypatch.chdir(tmp_path / "here")
    filed.cli("connection", "set", *PLACE, "category_file=own.tsv", code=0)
    monkeypatch.chdir(tmp_path)
    kept = filed.summary("connection", "show", *PLACE)["export_settings"]["category_file"]
    assert kept == str(tmp_path / "here" / "own.tsv")
    filed.cli("categories", "map", *PLACE, code=0)
    Path(kept).unlink()
    with filed.instance() as instance:
        runs = instance.get_runs_count()
    for command in (("categories", "map"), ("export",)):
        said = filed.cli(*command, *PLACE, code=2).error
        assert said.startswith(f"the category file {kept} is not there (any more); put it back, or name another")
    with filed.instance() as instance:
        assert instance.get_runs_count() == runs


def test_ebay_takes_its_numbers_from_a_file_too(shop: Place, tmp_path: Path) -> None:
    file = tmp_path / "ebay.tsv"
    file.write_text(EBAY)
    shop.cli("connection", "set", "shop", "ebay-us", f"category_file={file}", "category_confidence=0.5", code=0)
    export(shop, site="ebay-us")
    table = shop.table("listings", "shop", "ebay-us").arrow(["category"])
    assert set(table["category"].to_pylist()) == {"20697"}


def test_a_model_chooses_once(unsure: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_tests.fakes.openai_server import running

    with running(FakeChooser(choose=lambda item: FIRST)) as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        before = mapped(unsure)
        assert before["suggested"] == 30 and fake.requests == []  # nobody asked for a model
        dry = export(unsure, "--ai", "--dry-run")["texts"]["categories"]
        assert (dry["estimate"]["requests"], dry["estimate"]["texts"], fake.requests) == (30, 30, [])  # nor did a dry run
        assert mapped(unsure, "--ai")["accepted"] == 30
        asked = len(fake.requests)
        assert asked == 30
        assert mapped(unsure, "--ai")["accepted"] == 30
        assert mapped(unsure)["accepted"] == 30  # paid is paid, also where nobody is asked any more
        assert len(fake.requests) == asked
    assert mapped(unsure)["accepted"] == 30  # without a model too
    rows = unsure.summary("categories", "list", *PLACE)["categories"]
    assert {(row["engine"], row["confidence"]) for row in rows} == {("model:gpt-6-luna", 0.92)}


def test_what_the_model_was_asked_and_did_not_answer_is_said(filed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_tests.fakes.openai_server import running

    with running(FakeChooser(choose=lambda item: FIRST)) as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        fake.fail(503, times=None, retry_after="100000")
        waits = "shop on amazon-us: 30 products have not got the model's choice of a category yet: the model does"
        said = filed.cli("categories", "map", *PLACE, "--ai", code=0).out
        assert waits in said and "the model was asked" not in said
        assert any(waits in notice for notice in filed.summary("status")["notices"])
        fake.clear()
        monkeypatch.setenv("LLM_API_KEY", "sk-expired")
        told = filed.cli("export", *PLACE, "--ai", code=0).out
        assert "a model is still to choose the category of 30 products: the model gpt-6-luna cannot be used (" in told
        assert "set LLM_API_KEY to one that is taken" in filed.cli("categories", "map", *PLACE, "--ai", code=0).out
        monkeypatch.setenv("LLM_API_KEY", fake.key)
        said = filed.cli("categories", "map", *PLACE, "--ai", code=0).out
        assert "the model was asked about 30 products in 30 requests, for $0.0" in said and "have not got" not in said
        assert "there was nothing new to ask the model" in filed.cli("categories", "map", *PLACE, "--ai", code=0).out
        assert not any("choice of a category" in notice for notice in filed.summary("status")["notices"])


def test_reject_takes_back_what_was_accepted(filed: Place) -> None:
    mapped(filed)
    one = ("--product", "p-1")
    for again in ("at once", "after a run"):
        assert filed.summary("categories", "accept", *PLACE, "--all")["decided"] >= 1
        if again == "after a run":
            mapped(filed)
        assert filed.summary("categories", "reject", *PLACE, "--all")["decided"] == 0  # what people chose is not swept away
        assert filed.summary("categories", "reject", *PLACE, *one, "--why", "no cup")["decided"] == 1
        decided = {row["key"]: row for row in filed.summary("categories", "list", *PLACE, "--decisions")["decisions"]}
        assert (decided["p-1"]["accepted"], decided["p-1"]["why"], decided["p-2"]["accepted"]) == (False, "no cup", True)
        mapped(filed)
        found = {row["product_id"]: row for row in filed.summary("categories", "list", *PLACE)["categories"]}
        assert found["p-1"]["category"] != "DRINKING_CUP" and found["p-2"]["category"] == "DRINKING_CUP"
        filed.summary("categories", "forget", *PLACE, *one)
        mapped(filed)


def test_without_categories_of_the_marketplace_a_file_of_them_is_the_next_step(filed: Place) -> None:
    filed.cli("connection", "set", *PLACE, "category_file=", code=0)
    said = filed.cli("categories", "map", *PLACE, code=0).out
    assert said.endswith("category_file=FILE\n") and "--status suggested" not in said


def test_a_model_chooses_in_a_batch(unsure: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_tests.fakes.openai_server import running

    write: Mapping[str, Any] = {"keywords": ["gift idea"]}
    with running(FakeChooser(choose=lambda item: FIRST, write=lambda asked: write)) as fake:
        for name, value in {**fake.environment(), "LLM_TRANSPORT": "batch"}.items():
            monkeypatch.setenv(name, value)
        mapped(unsure, "--ai")
        unsure.cli("connection", "set", *PLACE, "use_ai_optimization=true", code=0)
        found = export(unsure)["texts"]["categories"]  # what the mapping asked is not asked again
        assert (found["in_batches"], found["estimate"]["requests"], len(fake.batches.batches)) == (30, 0, 2)
        assert "categories of 30 products were asked in a batch" in unsure.cli("export", *PLACE, code=0).out
        fake.batches.end()
        polled = unsure.summary("language", "batches", "--poll")["polled"]
        assert {one["task"]: one["marketplace"] for one in polled} == {"category": None, "optimize": "amazon-us"}
        fake.clear()
        assert mapped(unsure, "--ai")["accepted"] == 30 and fake.requests == []


def test_google_s_numbers_need_no_connection(filed: Place, tmp_path: Path) -> None:
    found = filed.summary("categories", "google", "shop", "--limit", "2")
    assert len(found["categories"]) == 2 and sum(found["summary"].values()) == 30
    assert {(row["google_category"], row["status"]) for row in found["categories"]} == {("2169", "guessed")}
    names = tmp_path / "google.txt"
    names.write_text("2169 - Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs\n")
    file = tmp_path / "google.csv"
    arguments = ("--names", str(names), "--csv", str(file), "--confidence", "1", "--status", "suggested")
    assert filed.summary("categories", "google", "shop", *arguments)["products"] == 30
    assert file.read_text().count("Drinkware > Mugs,suggested") == 30
    assert "30 only suggested" in filed.cli("categories", "google", "shop", "--confidence", "1", code=0).out
    assert "google.txt cannot be read" not in filed.cli("categories", "google", "shop", "--names", str(names), code=0).out
    names.unlink()
    assert (
        "name another with the option --names" in filed.cli("categories", "google", "shop", "--names", str(names), code=2).error
    )
    assert "--status is one of: own, guessed" in filed.cli("categories", "google", "shop", "--status", "x", code=2).error


WRONG_USE = [
    (("list", "shop", "ebay-de"), "shop is not connected to ebay-de; connect it with"),
    (("list", *PLACE, "--status", "maybe"), "--status is one of: accepted, suggested, none"),
    (("accept", *PLACE), "say which: --product, --product-type or --all"),
    (("accept", *PLACE, "--product", "p-99"), "shop has no product 'p-99'; --product takes ids as shown by: pipeline categories"),
    (("reject", *PLACE, "--product", "p-1", "--product", "SKU-1"), "shop has no product 'SKU-1'"),
    (("set", *PLACE, "CANDLE", "--product", "p-99"), "shop has no product 'p-99'"),
    (
        ("set", *PLACE, "CANDLE", "--taxonomy", "zz-99"),
        "Shopify's taxonomy has no 'zz-99'; its ids are as in the column taxonomy",
    ),
    (("set", *PLACE), "give a CATEGORY with --product"),
    (("set", *PLACE, "CANDLE"), "give a CATEGORY with --product"),
    (("set", *PLACE, "CANDLE", "--csv", "x.csv"), "give a CATEGORY with --product"),
    (("forget", *PLACE), "say what about"),
    (("forget", *PLACE, "--product", "p-99"), "shop has no product 'p-99'; --product takes ids as shown by"),
    (("set", *PLACE, "CANDEL", "--product", "p-1"), "types.tsv has no category 'CANDEL'; it has: CANDLE"),
]


def test_wrong_use(filed: Place) -> None:
    for arguments, sentence in WRONG_USE:
        assert sentence in filed.cli("categories", *arguments, code=2).error


def test_before_there_are_any_it_says_how_to_make_them(filed: Place) -> None:
    Path(filed.table("listing_categories", *PLACE).path).unlink()
    for command in ("list", "accept", "reject"):
        failed = filed.cli("categories", command, *PLACE, *([] if command == "list" else ["--all"]), code=1)
        assert failed.error.endswith("make them with: pipeline categories map shop amazon-us")
