"""Going live at an account that sells already: what is adopted, what is held, and that nothing of it is lost on the way."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.listings.account import read_holds, require_reconciled
from pipeline.listings.cell import Cell
from pipeline.marketplaces.amazon.spapi.listings import AmazonListings
from pipeline.marketplaces.live import CredentialsRefused
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform import points
from pipeline.platform.tables import Table
from pipeline.stores.actions import Person
from pipeline.stores.assignments import parse_assignments
from pipeline.stores.connections import connect, update
from pipeline.submissions.account import adoption, decisions, drift
from pipeline_tests.fakes.amazon import MARKETPLACE, SELLER, Fault
from pipeline_tests.listings.fakes import listings_table
from pipeline_tests.submissions.shop import ACCOUNT, MARKET, SITE, Shop, changes, reasons, row

NO_PROGRESS = lambda done, total: None  # noqa: E731
GTINS = ["4006381333931", "0036000291452", "4012345678901", "5901234123457"]


@pytest.fixture
def cell(shop: Shop) -> Cell:
    found = connect(shop.connection, "shop", SITE, assignments=parse_assignments([f"seller_id={SELLER}"]),
                    account_settings=MARKET.account_settings)  # fmt: skip
    from pipeline.stores.stores import get_store

    shop.connection.execute("UPDATE marketplace_credentials SET status = 'active'")
    return Cell(get_store(shop.connection, "shop"), replace(found, sealed_by="k"), MARKET, SITE, ACCOUNT)


def with_settings(shop: Shop, cell: Cell, *assignments: str) -> Cell:
    found = update(shop.connection, "shop", SITE.key, parse_assignments(list(assignments)), MARKET.account_settings)
    return replace(cell, connection=replace(found, sealed_by="k"))


@contextmanager
def service(shop: Shop) -> Iterator[AmazonListings]:
    """The account's listings; Amazon's limits hold, and waiting moves its clock."""
    with shop.worker() as worker:
        yield AmazonListings(worker.service._api, SITE)  # type: ignore[attr-defined]


def hashed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import pandas as pd

    if not rows:
        return []

    found = MARKET.hashes(pd.DataFrame(rows), SITE, ACCOUNT)
    return [{**one, **found.loc[place].to_dict()} for place, one in enumerate(rows)]


def table(shop: Shop, rows: list[dict[str, Any]]) -> Table:
    shop.plans += 1
    return listings_table(shop.folder / f"listings{shop.plans}", rows)


def look(shop: Shop, cell: Cell, rows: list[dict[str, Any]]) -> dict[str, int]:
    shop.connection.execute("DELETE FROM rate_limits")
    with service(shop) as listings:
        return dict(adoption.adopt(shop.connection, cell, listings, table(shop, rows), NO_PROGRESS))


def read(shop: Shop, cell: Cell, rows: list[dict[str, Any]]) -> dict[str, int]:
    shop.connection.execute("DELETE FROM rate_limits")
    shop.connection.execute("UPDATE listing_state SET updated_at = updated_at - interval '2 hours'")
    with service(shop) as listings:
        return dict(drift.read_back(shop.connection, cell, listings, table(shop, rows), NO_PROGRESS))


def sell(shop: Shop, rows: list[dict[str, Any]]) -> None:
    """The account sells these as we would say them."""
    import orjson
    import pandas as pd

    said = MARKET.messages(pd.DataFrame(rows), {one["sku"]: frozenset({"create"}) for one in rows}, SITE, ACCOUNT)
    assert not said.refused
    for sku, payload in zip(said.messages["sku"].to_pylist(), said.messages["payload"].to_pylist(), strict=True):
        message = orjson.loads(payload)
        shop.amazon.catalog.put((MARKETPLACE, sku), message["productType"], message["attributes"])


def offered(shop: Shop, sku: str) -> dict[str, Any]:
    return shop.amazon.catalog.listings[MARKETPLACE, sku]


def say_price(shop: Shop, sku: str, value: float) -> None:
    offered(shop, sku)["purchasable_offer"][0]["our_price"][0]["schedule"][0]["value_with_tax"] = value


def mugs(count: int, **values: Any) -> list[dict[str, Any]]:
    return hashed([row(f"mug-{number:04d}", gtin=ean(number), **values) for number in range(count)])


def ean(number: int) -> str:
    digits = f"400638{number:06d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def test_equal_listings_plan_nothing(shop: Shop, cell: Cell) -> None:
    rows = mugs(600)
    shop.amazon.limited = False  # no request is refused and said again, so that they can be counted
    sell(shop, rows[:300])
    foreign = {(MARKETPLACE, f"other-{number}"): {"item_name": [{"value": "x"}]} for number in range(1200)}
    shop.amazon.catalog.listings |= copy.deepcopy(foreign)
    assert look(shop, cell, rows) == {"sku": 300, "nothing": 300}
    result = shop.plan(*rows[:300])
    assert result.plan.counts["messages"] == {}
    assert set(changes(shop.plan(*rows))[rows[599]["sku"]]) == {"create"}
    # An account of 1,500 needs no more searches than our SKUs do: 600 of them, and the GTINs of the 300 that it does not have.
    assert shop.amazon.calls["searchListingsItems"] == 30 + 15
    assert look(shop, cell, rows) == {}
    assert shop.amazon.calls["searchListingsItems"] == 45
    assert {key: one for key, one in shop.amazon.catalog.listings.items() if key in foreign} == foreign


def test_what_differs_is_planned_by_kind(shop: Shop, cell: Cell) -> None:
    rows = mugs(6)
    sell(shop, rows)
    skus = [one["sku"] for one in rows]
    say_price(shop, skus[0], 17.34)
    offered(shop, skus[1])["fulfillment_availability"][0]["quantity"] = 77
    offered(shop, skus[2])["item_name"][0]["value"] = "Another name"
    offered(shop, skus[3])["main_product_image_locator"][0]["media_location"] = "https://m.media-amazon.com/images/I/1.jpg"
    offered(shop, skus[4])["item_name"][0] |= {"value": f" {rows[4]['title']}  ", "x": 1}  # as Amazon would show it
    look(shop, cell, rows)
    planned = changes(shop.plan(*rows))
    assert [planned[sku] for sku in skus] == [["price"], ["quantity"], ["update"], ["images"], ["unchanged"], ["unchanged"]]
    state = shop.state()
    assert (state[skus[0]]["price"], state[skus[1]]["quantity"]) == (1734, 77)
    facts = shop.acknowledged("marketplace_item_id", "marketplace_status")[skus[0]]
    assert facts == (shop.amazon.catalog.asin((MARKETPLACE, skus[0])), ["BUYABLE", "DISCOVERABLE"])


def test_stock_that_amazon_ships_is_never_ours(shop: Shop, cell: Cell) -> None:
    rows = mugs(2)
    sell(shop, rows)
    sku = rows[0]["sku"]
    offered(shop, sku)["fulfillment_availability"] = [{"fulfillment_channel_code": "AMAZON_NA", "quantity": 500}]
    look(shop, cell, rows)
    assert changes(shop.plan({**rows[0], "quantity": 1}, rows[1]))[sku] == ["unchanged"]
    gone = shop.plan(rows[1])
    assert changes(gone)[sku] == ["hold"]
    assert gone.plan.counts["messages"] == {}
    shop.connection.execute("UPDATE listing_state SET left_at = now() - interval '1 year'")
    assert changes(shop.plan(rows[1]))[sku] == ["hold"]


def test_nothing_is_sent_before_the_account_was_read_to_the_end(shop: Shop, cell: Cell) -> None:
    rows = mugs(450)
    shop.amazon.limited = False
    sell(shop, rows)
    shop.amazon.faults = [Fault("searchListingsItems", 403, times=2, code="Unauthorized", after=12)]
    with pytest.raises(PipelineError, match="was not read to the end, so nothing is sent"):
        require_reconciled(shop.connection, shop.lane, SELLER)
    with pytest.raises(CredentialsRefused):
        look(shop, cell, rows)
    with pytest.raises(PipelineError):
        require_reconciled(shop.connection, shop.lane, SELLER)
    # 200 are known for good; what is left is asked for.
    assert len(shop.state()) == 200
    before = shop.amazon.calls["searchListingsItems"]
    assert look(shop, cell, rows) == {"sku": 250}
    assert shop.amazon.calls["searchListingsItems"] - before == 13
    require_reconciled(shop.connection, shop.lane, SELLER)
    with pytest.raises(PipelineError):
        require_reconciled(shop.connection, shop.lane, "ANOTHER")
    assert shop.plan(*rows).plan.counts["messages"] == {}


@pytest.mark.parametrize("place", ["before_adoption", "after_adoption"])
def test_a_look_that_dies_goes_on(shop: Shop, cell: Cell, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, passed = mugs(450), []
    sell(shop, rows)

    def die(name: str) -> None:
        passed.append(name)
        if passed.count(place) == 2 and name == place:
            raise KeyboardInterrupt

    monkeypatch.setattr(points, "hook", die)
    with pytest.raises(KeyboardInterrupt):
        look(shop, cell, rows)
    monkeypatch.setattr(points, "hook", None)
    known = 200 if place == "before_adoption" else 400
    assert len(shop.state()) == known
    assert look(shop, cell, rows) == {"sku": 450 - known}
    assert shop.plan(*rows).plan.counts["messages"] == {}


def test_a_gtin_that_sells_under_another_sku_is_held(shop: Shop, cell: Cell) -> None:
    rows = hashed([row("new", gtin=GTINS[0]), row("free", gtin=GTINS[2])])
    sell(shop, hashed([row("old", gtin=GTINS[0], content="theirs")]))
    assert look(shop, cell, rows) == {"gtin": 1, "nothing": 1}
    holds = read_holds(shop.connection, shop.lane)
    result = shop.plan(*rows, holds=holds)
    assert changes(result) == {"new": ["hold"], "free": ["create"]}
    assert reasons(result)["new"].startswith(f"The account sells its GTIN {GTINS[0]} already, as old, B")
    assert "--map new=old" in reasons(result)["new"]
    with service(shop) as listings, pytest.raises(UsageError, match="no other SKU nothing"):
        decisions.map_skus(shop.connection, cell, listings, {"new": "nothing"}, Person("ann", ""))
    decisions.sell_anyway(shop.connection, cell, ["new"], Person("ann", "another condition"))
    assert read_holds(shop.connection, shop.lane) == {}
    decisions.forget(shop.connection, cell, ["new"], Person("ann", ""))
    assert set(read_holds(shop.connection, shop.lane)) == {"new"}
    with service(shop) as listings:
        decisions.map_skus(shop.connection, cell, listings, {"new": "old"}, Person("ann", "keeps its reviews"))
    assert read_holds(shop.connection, shop.lane) == {}
    kept = shop.connection.execute("SELECT action, who, why, details FROM operator_actions ORDER BY id").fetchall()
    assert kept == [
        ("account_sell_anyway", "ann", "another condition", {"skus": ["new"]}),
        ("account_forget", "ann", "", {"skus": ["new"]}),
        ("account_map", "ann", "keeps its reviews", {"map": {"new": "old"}}),
    ]
    with pytest.raises(UsageError, match="nothing is to be decided about free"):
        decisions.sell_anyway(shop.connection, cell, ["free"], Person("ann", ""))


def test_a_family_of_which_all_is_held_has_no_parent(shop: Shop, cell: Cell) -> None:
    from pipeline_tests.listings.fakes import family

    rows = family("1", [{"sku": "red"}, {"sku": "blue"}])
    held = shop.plan(*rows, holds={"red": "x", "blue": "y"})
    assert set(map(tuple, changes(held).values())) == {("hold",)}


def test_what_nobody_knows_is_read_back(shop: Shop, cell: Cell) -> None:
    rows = mugs(3)
    sell(shop, rows[:2])
    look(shop, cell, rows[:2])
    shop.connection.execute("UPDATE listing_state SET uncertain = true, price = 5, content_hash = 'x'")
    shop.amazon.catalog.delete((MARKETPLACE, rows[1]["sku"]))
    assert look(shop, cell, rows[:2]) == {"sku": 1, "nothing": 1}
    assert changes(shop.plan(*rows[:2])) == {rows[0]["sku"]: ["unchanged"], rows[1]["sku"]: ["create"]}


def test_looking_again(shop: Shop, cell: Cell) -> None:
    rows = mugs(4)
    sell(shop, rows)
    look(shop, cell, rows)
    shop.connection.execute("UPDATE listing_state SET updated_at = updated_at - interval '2 hours'")
    say_price(shop, rows[0]["sku"], 99.5)
    shop.amazon.catalog.delete((MARKETPLACE, rows[3]["sku"]))
    with shop.connection.transaction():
        adoption.forget(shop.connection, cell)
    with pytest.raises(PipelineError):
        require_reconciled(shop.connection, shop.lane, SELLER)
    assert look(shop, cell, rows[:3]) == {"sku": 3}
    state = shop.state()
    assert state[rows[0]["sku"]]["price"] == 9950
    assert rows[3]["sku"] not in state  # no listing of ours any more, and not there
    assert not any(one["uncertain"] for one in state.values())
    other = replace(cell, account=replace(cell.account, seller_id="ANOTHER"))
    with pytest.raises(PipelineError, match="was live with account A1EXAMPLE, and is connected to ANOTHER now"):
        look(shop, other, rows)
    with shop.connection.transaction():
        adoption.forget(shop.connection, other)
    assert shop.state() == {}


def test_what_is_not_shown_yet_is_not_adopted_as_it_was(shop: Shop, cell: Cell) -> None:
    rows = mugs(2)
    look(shop, cell, rows)
    shop.export(*rows)
    shop.amazon.catalog.lag = timedelta(minutes=30)
    assert look(shop, cell, rows) == {}  # on their way
    shop.pass_time(5)
    assert look(shop, cell, rows) == {}  # acknowledged
    with shop.connection.transaction():
        adoption.forget(shop.connection, cell)
    assert [row["looked_at"] for row in decisions.account_listings(shop.connection, shop.lane)] == []
    look(shop, cell, rows)
    assert shop.plan(*rows).plan.counts["messages"] == {}


def test_what_is_to_be_looked_at_again_can_be_shown(shop: Shop, cell: Cell) -> None:
    rows = mugs(2)
    sell(shop, rows)
    look(shop, cell, rows)  # as young as what is not looked at again
    with shop.connection.transaction():
        adoption.forget(shop.connection, cell)
    assert [row["looked_at"] for row in decisions.account_listings(shop.connection, shop.lane)] == [None, None]
    look(shop, cell, rows)


# Ownership.

KINDS = ("content", "images", "price", "quantity")
FEEDS = {"content": "product", "images": "images", "price": "price", "quantity": "inventory"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_not_owned_is_never_said(shop: Shop, data: st.DataObject) -> None:
    shop.connection.execute("DELETE FROM export_lanes")
    owns = data.draw(st.lists(st.sampled_from(KINDS), unique=True))
    live = data.draw(st.integers(0, 6))
    rows = mugs(live)
    shop.assume_live(rows)
    flags = st.tuples(st.booleans(), st.sampled_from(["stays", "changes", "blocked", "left", "long gone"]))
    for one in rows:
        uncertain, _ = chosen = data.draw(flags)
        one["fate"] = chosen[1]
        if uncertain:
            shop.connection.execute("UPDATE listing_state SET uncertain = true WHERE sku = %s", [one["sku"]])
        if one["fate"] == "long gone":
            shop.connection.execute("UPDATE listing_state SET left_at = now() - interval '1 year' WHERE sku = %s", [one["sku"]])
    now = []
    for one in rows:
        fate = one.pop("fate")
        if fate in ("left", "long gone"):
            continue
        changed = {**one, "title": "Mug new", "images": ["https://cdn.example.com/new.jpg"], "price": 1100, "quantity": 1}
        changed = hashed([changed])[0]
        now.append(one if fate == "stays" else {**changed, "status": "blocked", "reason": "x"} if fate == "blocked" else changed)
    now += hashed([row("brand-new")])
    result = shop.plan(*now, owns=owns)
    said = result.plan.messages.read()
    of_live = said[said["sku"] != "brand-new"]
    assert set(of_live["feed"]) <= {FEEDS[kind] for kind in owns} | {"product"}
    if len(owns) < len(KINDS):
        assert "UPDATE" not in set(of_live["operation"])
        assert "content" in owns or "product" not in set(of_live["feed"])
        assert "DELETE" not in set(of_live["operation"]) or {"content", "quantity"} <= set(owns)
    assert len(said[said["sku"] == "brand-new"]) == 1


def test_a_repricer_owns_the_price(shop: Shop, cell: Cell) -> None:
    rows = mugs(1)
    sell(shop, rows)
    look(shop, cell, rows)
    assert changes(shop.plan({**rows[0], "price": 7}, owns=["content", "images", "quantity"])) == {rows[0]["sku"]: ["unchanged"]}
    say_price(shop, rows[0]["sku"], 3.33)
    repriced = with_settings(shop, cell, "owns=[content,images,quantity]")
    assert read(shop, repriced, rows) == {"read": 1, "missing": 0}


# Drift.


@pytest.fixture
def adopted(shop: Shop, cell: Cell) -> list[dict[str, Any]]:
    rows = mugs(5)
    sell(shop, rows)
    look(shop, cell, rows)
    return rows


def meddle(shop: Shop, rows: list[dict[str, Any]]) -> None:
    """Somebody changes a price, a title, and a number of pieces, and a sale lowers another."""
    say_price(shop, rows[0]["sku"], 17.5)
    offered(shop, rows[1]["sku"])["item_name"][0]["value"] = "Better mug"
    offered(shop, rows[2]["sku"])["fulfillment_availability"][0]["quantity"] = 500
    offered(shop, rows[3]["sku"])["fulfillment_availability"][0]["quantity"] = 0


def drifted(shop: Shop) -> dict[str, tuple[str, str, str]]:
    return {one["sku"][-1]: (one["kind"], one["theirs"], one["state"]) for one in decisions.drifts(shop.connection, shop.lane)}


def test_alert_waits_for_a_person(shop: Shop, cell: Cell, adopted: list[dict[str, Any]]) -> None:
    meddle(shop, adopted)
    assert read(shop, cell, adopted) == {"read": 5, "missing": 0, "open": 3}
    found = {"0": ("price", "1750", "open"), "1": ("content", "item_name", "open"), "2": ("quantity", "500", "open")}
    assert drifted(shop) == found
    assert shop.plan(*adopted).plan.counts["messages"] == {}
    about = decisions.decide_drift(shop.connection, cell, "ours", [adopted[0]["sku"]], Person("ann", "no discount"))
    assert about == [(adopted[0]["sku"], "price")]
    assert changes(shop.export(*adopted))[adopted[0]["sku"]] == ["price"]
    decisions.decide_drift(shop.connection, cell, "theirs", [], Person("ann", ""))
    assert {state for _, _, state in drifted(shop).values()} == {"accepted"}
    with pytest.raises(UsageError, match="has no drift that waits"):
        decisions.decide_drift(shop.connection, cell, "ours", ["mug-0004"], Person("ann", ""))
    shop.pass_time(5)
    assert read(shop, cell, adopted)["accepted"] == 2
    assert set(drifted(shop)) == {"1", "2"}


def test_ours_is_said_again(shop: Shop, cell: Cell, adopted: list[dict[str, Any]]) -> None:
    stubborn = with_settings(shop, cell, "drift=ours")
    meddle(shop, adopted)
    assert read(shop, stubborn, adopted)["said_again"] == 3
    planned = changes(shop.export(*adopted))
    assert [planned[one["sku"]] for one in adopted] == [["price"], ["update"], ["quantity"], ["unchanged"], ["unchanged"]]
    # Nothing is read of what is on its way.
    assert read(shop, stubborn, adopted) == {"read": 2, "missing": 0}
    shop.pass_time(5)
    assert read(shop, stubborn, adopted) == {"read": 5, "missing": 0}
    assert drifted(shop) == {}
    assert shop.plan(*adopted).plan.counts["messages"] == {}
    assert offered(shop, adopted[0]["sku"])["purchasable_offer"][0]["our_price"][0]["schedule"][0]["value_with_tax"] == 19.99


def test_a_sale_of_ours_that_somebody_changes(shop: Shop, cell: Cell, adopted: list[dict[str, Any]]) -> None:
    start = datetime.now(timezone.utc).replace(microsecond=0)
    sale = {"sale_price": 1500, "sale_start": start, "sale_end": start + timedelta(days=9)}
    on_sale = [{**one, **sale} for one in adopted[:3]] + adopted[3:]
    shop.export(*on_sale)
    shop.pass_time(5)
    assert read(shop, cell, on_sale) == {"read": 5, "missing": 0}
    first, second, third, fourth = (offered(shop, one["sku"])["purchasable_offer"][0] for one in adopted[:4])
    assert first["discounted_price"][0]["schedule"][0]["value_with_tax"] == 15
    del first["discounted_price"]
    second["discounted_price"][0]["schedule"][0]["value_with_tax"] = 12.5
    # The same moment in another zone, and a sale that is none of ours, are no drift.
    third["discounted_price"][0]["schedule"][0]["start_at"] = start.astimezone(timezone(timedelta(hours=9))).isoformat()
    fourth["discounted_price"] = second["discounted_price"]
    assert read(shop, cell, on_sale)["open"] == 2
    until = f"from {start.isoformat()} until {(start + timedelta(days=9)).isoformat()}"
    assert drifted(shop)["0"] == ("price", "1999", "open")
    assert drifted(shop)["1"] == ("price", f"1999, on sale for 1250 {until}", "open")
    decisions.decide_drift(shop.connection, cell, "ours", [], Person("ann", ""))
    planned = changes(shop.export(*on_sale))
    assert [planned[one["sku"]] for one in adopted] == [["price"], ["price"], *[["unchanged"]] * 3]
    shop.pass_time(5)
    assert read(shop, cell, on_sale) == {"read": 5, "missing": 0}
    assert first["discounted_price"][0]["schedule"][0]["value_with_tax"] == 15


def test_theirs_stays_until_ours_changes(shop: Shop, cell: Cell, adopted: list[dict[str, Any]]) -> None:
    yielding = with_settings(shop, cell, "drift=theirs")
    meddle(shop, adopted)
    assert read(shop, yielding, adopted)["accepted"] == 3
    assert shop.plan(*adopted).plan.counts["messages"] == {}
    assert read(shop, yielding, adopted)["accepted"] == 3
    changed = [{**adopted[0], "price": 2099}, *adopted[1:]]
    assert changes(shop.export(*changed))[adopted[0]["sku"]] == ["price"]
    shop.pass_time(5)
    read(shop, yielding, changed)
    assert set(drifted(shop)) == {"1", "2"}


@pytest.mark.parametrize(("policy", "then"), [("ours", ["create"]), ("theirs", ["hold"]), ("alert", ["unchanged"])])
def test_one_that_somebody_deleted(shop: Shop, cell: Cell, adopted: list[dict[str, Any]], policy: str, then: list[str]) -> None:
    sku = adopted[4]["sku"]
    shop.amazon.catalog.delete((MARKETPLACE, sku))
    found = with_settings(shop, cell, f"drift={policy}")
    assert read(shop, found, adopted)["missing"] == 1
    look(shop, cell, adopted)
    assert changes(shop.plan(*adopted, holds=read_holds(shop.connection, shop.lane)))[sku] == then


def test_an_account_that_shows_nothing_is_no_wish_to_list_all_anew(shop: Shop, cell: Cell) -> None:
    rows = mugs(60)
    sell(shop, rows)
    look(shop, cell, rows)
    shop.amazon.catalog.listings.clear()
    counts = read(shop, with_settings(shop, cell, "drift=ours"), rows)
    assert (counts["missing"], counts["open"]) == (60, 60)
    assert len(shop.state()) == 60


def test_pictures_that_amazon_shows_as_its_own_are_no_drift(shop: Shop, cell: Cell, adopted: list[dict[str, Any]]) -> None:
    pictures = offered(shop, adopted[0]["sku"])
    pictures["main_product_image_locator"][0]["media_location"] = "https://m.media-amazon.com/images/I/1.jpg"
    assert read(shop, cell, adopted) == {"read": 5, "missing": 0}
    pictures["main_product_image_locator"][0]["media_location"] = "https://elsewhere.example.com/1.jpg"
    assert read(shop, cell, adopted)["open"] == 1
    assert drifted(shop)["0"][:2] == ("images", "main_product_image_locator")
