"""What Amazon refuses is mended where that is safe and sent again, alone, at most twice; the rest waits with a hint."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tests.fakes.amazon import FakeAmazon
from pipeline_tests.flows import catalogs, place, test_live_amazon
from pipeline_tests.flows.place import Place
from pipeline_tests.flows.test_live_amazon import SITE, connect, credentials, later

amazon, shop = test_live_amazon.amazon, test_live_amazon.place
SKU = "SKU-3"
Rule = Callable[[dict[str, Any]], "dict[str, Any] | None"]


def title(message: dict[str, Any]) -> str | None:
    said = {patch["path"].removeprefix("/attributes/"): patch.get("value") for patch in message.get("patches", ())}
    found: str | None = {**said, **message.get("attributes", {})}.get("item_name", [{}])[0].get("value")
    return found


def too_long(limit: Callable[[str], int], sku: str = SKU) -> Rule:
    """Refuses a title that is longer than `limit` of it."""

    def rule(message: dict[str, Any]) -> dict[str, Any] | None:
        said = title(message)
        if message["sku"] != sku or said is None or len(said) <= limit(said):
            return None
        text = f"'item_name' has {len(said)} characters, which exceeds the maximum of {limit(said)} characters."
        return {"code": "90225", "severity": "ERROR", "message": text, "attributeName": "item_name"}

    return rule


def refuse(code: str, message: str, attribute: str | None = None, sku: str = SKU) -> Rule:
    issue = {"code": code, "severity": "ERROR", "message": message}
    return lambda said: {**issue, **({"attributeName": attribute} if attribute else {})} if said["sku"] == sku else None


def rounds(shop: Place, amazon: FakeAmazon, count: int = 1) -> None:
    """Polls with enough time between them for a feed to be processed."""
    for _ in range(count):
        later(shop, amazon, 130)
        with shop.database.connect() as connection:
            connection.execute("DELETE FROM rate_limits")  # real time stands still; Amazon's own limits hold
        shop.summary("submissions", "poll")


def exported(shop: Place, amazon: FakeAmazon, tmp_path: Path, *rules: Rule, **settings: str) -> None:
    connect(shop, credentials(tmp_path, amazon))
    for name, value in settings.items():
        shop.cli("connection", "set", "shop", SITE, f"{name}={value}", code=0)
    amazon.catalog.rules = list(rules)
    shop.summary("export", "shop", SITE)


def status_of(shop: Place, sku: str = SKU) -> dict[str, Any]:
    rows = shop.table("listing_status", "shop", SITE).read()
    found: dict[str, Any] = rows[rows["sku"] == sku].to_dict("records")[0]
    return found


def overrides(shop: Place) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT sku, field, attempt, value #>> '{}', ended FROM listing_overrides ORDER BY id")


def test_a_title_is_shortened_and_sent_again_alone(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    rounds(shop, amazon)
    assert [len(messages) for messages in amazon.created()] == [10, 1]
    (again,) = amazon.created()[1]
    assert (again["sku"], again["operationType"], title(again)) == (SKU, "UPDATE", "Stoneware Mug")
    rounds(shop, amazon)
    assert amazon.catalog.listings[(test_live_amazon.MARKETPLACE, SKU)]["item_name"][0]["value"] == "Stoneware Mug"
    assert (status_of(shop)["state"], status_of(shop)["fixed"]) == ("live", "title")

    (repair,) = shop.table("listing_repairs", "shop", SITE).read().to_dict("records")
    assert (repair["before"], repair["after"], repair["code"]) == ("Stoneware Mug Number 3", "Stoneware Mug", "90225")
    assert (repair["fix_class"], repair["attempt"], repair["state"], repair["submission_id"]) == ("lossy-safe", 1, "holds", 1)
    fixes = shop.table("listing_fixes", "shop", SITE).read()
    (logged,) = fixes[fixes["fix"].str.startswith("override")].to_dict("records")
    assert (logged["product_id"], logged["field"], logged["after"]) == ("p-3", "title", "Stoneware Mug")
    assert shop.rows("SELECT closed_at IS NOT NULL, error FROM export_requests") == [(True, None)]

    # Nothing is left to do, by hand or by itself.
    assert shop.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["unchanged"] == 10
    rounds(shop, amazon)
    assert len(amazon.feeds) == 2


def test_another_value_at_the_source_undoes_it(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    rounds(shop, amazon, 2)
    file = catalogs.write(tmp_path / "new.csv", catalogs.products(10, {3: {"Title": "Clay Mug 3"}}))
    shop.cli("store", "set", "shop", "--file", str(file), code=0)
    shop.cli("import", "shop", code=0)
    assert shop.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["update"] == 1
    rounds(shop, amazon)
    assert amazon.catalog.listings[(test_live_amazon.MARKETPLACE, SKU)]["item_name"][0]["value"] == "Clay Mug 3"
    assert overrides(shop) == [(SKU, "title", 1, "Stoneware Mug", "undone")]
    assert status_of(shop)["fixed"] is None or status_of(shop)["fixed"] != status_of(shop)["fixed"]


def test_at_most_twice_then_it_waits_with_a_hint(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda said: len(said) - 1))
    rounds(shop, amazon, 5)
    assert [len(messages) for messages in amazon.created()] == [10, 1, 1]
    assert [title(messages[0]) for messages in amazon.created()[1:]] == ["Stoneware Mug Number", "Stoneware Mug"]
    assert overrides(shop) == [
        (SKU, "title", 1, "Stoneware Mug Number", "replaced"), (SKU, "title", 2, "Stoneware Mug", None),
    ]  # fmt: skip
    listed = shop.summary("repairs", "list", "shop", SITE, "--all")["repairs"]
    assert sorted(one["state"] for one in listed) == ["refused again", "replaced"]
    found = status_of(shop)
    assert found["state"] == "rejected"
    assert found["hint"].startswith(f"{SKU} of shop: {SITE} refused it (90225: 'item_name' has 13 characters")
    assert "it was mended and refused 2 times; correct the title at the source, then pipeline import shop" in found["hint"]
    # A new value has two attempts of its own.
    file = catalogs.write(tmp_path / "new.csv", catalogs.products(10, {3: {"Title": "Handmade Stoneware Mug Number 3"}}))
    shop.cli("store", "set", "shop", "--file", str(file), code=0)
    shop.cli("import", "shop", code=0)
    shop.cli("export", "shop", SITE, code=0)
    rounds(shop, amazon, 5)
    assert len(amazon.created()) == 6
    assert [row[4] for row in overrides(shop)] == ["undone", "undone", "replaced", None]


NOT_VALID = "The value is not a valid value."
#: SKU -> what Amazon says of it, and why that waits.
WAIT: dict[str, tuple[list[Rule], str]] = {
    "SKU-1": ([refuse("90220", "'[batteries_required]' is required but not supplied.", sku="SKU-1")], "nothing mends this"),
    "SKU-2": ([refuse("90244", NOT_VALID, "brand", sku="SKU-2")], "nothing mends brand"),
    "SKU-3": ([refuse("90244", NOT_VALID, "externally_assigned_product_identifier", sku="SKU-3")], "nothing mends"),
    "SKU-4": ([refuse("90244", NOT_VALID, "purchasable_offer.our_price", sku="SKU-4")], "nothing mends"),
    "SKU-5": ([refuse("90244", NOT_VALID, "condition_type", sku="SKU-5")], "nothing mends condition_type"),
    "SKU-6": (
        [refuse("20000", "The image cannot be read.", "main_product_image_locator", sku="SKU-6")],
        "cannot be told how to change the images",
    ),
    "SKU-7": ([refuse("1", "The title is too long.", "item_name", sku="SKU-7")], "cannot be told how to change the title"),
    "SKU-8": (
        [too_long(lambda _: 15, "SKU-8"), refuse("90220", "'[size]' is required but not supplied.", sku="SKU-8")],
        "nothing mends",
    ),
}


def test_what_no_safe_fix_mends_waits(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, *(rule for rules, _ in WAIT.values() for rule in rules))
    rounds(shop, amazon, 2)
    assert len(amazon.feeds) == 1
    assert overrides(shop) == []
    for sku, (_, why) in WAIT.items():
        found = status_of(shop, sku)
        assert found["state"] == "rejected"
        assert why in found["hint"] and found["hint"].startswith(f"{sku} of shop"), found["hint"]
    assert status_of(shop, "SKU-9")["state"] == "live"


def test_an_operator_switches_it_off(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15), auto_fix_rejections="false")
    rounds(shop, amazon, 2)
    assert len(amazon.feeds) == 1
    assert overrides(shop) == []
    # And on again: what was refused meanwhile is looked at.
    shop.cli("connection", "set", "shop", SITE, "auto_fix_rejections=true", code=0)
    rounds(shop, amazon)
    assert [row[:3] for row in overrides(shop)] == [(SKU, "title", 1)]


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("target", "hook"),
    [
        ("pipeline.submissions.repairing:request_export", die),
        ("pipeline.submissions.api_mode:hand_over", die_after),
        *(
            pytest.param(target, hook, marks=pytest.mark.long)
            for target, hook in (
                ("pipeline.submissions.status:listing_repairs", die_after),
                ("pipeline.operations.chain:open_requests", die),
                ("pipeline.submissions.api_mode:hand_over", die),
                ("pipeline.submissions.statistics:note_duration", die),
                ("pipeline.operations.chain:close_request", die),
            )
        ),
    ],
)
def test_killed_anywhere_it_is_sent_again_once(
    shop: Place, amazon: FakeAmazon, tmp_path: Path, target: str, hook: Callable[..., None]
) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    later(shop, amazon, 130)
    assert place.start(shop, "submissions", "poll", hooks={target: (hook,)}).killed()
    rounds(shop, amazon, 3)
    assert [len(messages) for messages in amazon.created()] == [10, 1]
    assert overrides(shop) == [(SKU, "title", 1, "Stoneware Mug", None)]
    assert status_of(shop)["state"] == "live"
    assert shop.rows("SELECT count(*) FROM export_requests WHERE closed_at IS NULL") == [(0,)]


def test_a_person_takes_it_back(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    rounds(shop, amazon, 2)
    (listed,) = shop.summary("repairs", "list", "shop", SITE)["repairs"]
    assert (listed["sku"], listed["value"], listed["code"]) == (SKU, "Stoneware Mug", "90225")
    assert "shortened to the limit" in shop.cli("repairs", "list", "shop", SITE, code=0).out
    assert "nothing of SKU-4 was mended" in shop.cli("repairs", "withdraw", "shop", SITE, "SKU-4").error
    assert shop.summary("repairs", "withdraw", "shop", SITE, SKU, "--why", "the title is right")["fields"] == ["title"]
    assert shop.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["update"] == 1
    rounds(shop, amazon, 3)
    # A patch of a live listing is refused too, and nobody overrules the person.
    assert overrides(shop) == [(SKU, "title", 1, "Stoneware Mug", "withdrawn")]
    assert len(amazon.feeds) == 3


def test_the_job_takes_it_back(shop: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    exported(shop, amazon, tmp_path, too_long(lambda _: 15))
    rounds(shop, amazon, 2)
    with shop.instance() as instance:
        from pipeline.definitions import defs

        config = {"store": "shop", "marketplace": SITE, "sku": SKU, "who": "kim", "why": "right as it was"}
        done = defs.resolve_job_def("withdraw_repair").execute_in_process(
            instance=instance, run_config={"ops": {"withdraw_repairs": {"config": config}}}
        )
    assert done.success
    assert shop.rows("SELECT who, why, ended FROM listing_overrides") == [("kim", "right as it was", "withdrawn")]
