"""A store that sells live, driven by the command line against the fake Amazon: connect, export, poll, look, decide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tests.fakes.amazon import MARKETPLACE, SELLER, Ending, FakeAmazon, Fault, running
from pipeline_tests.fakes.clock import Clock
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import Place

SITE = "amazon-us"


@contextmanager
def account() -> Iterator[FakeAmazon]:
    """A new account, at the Amazon that our clients ask."""
    with running(Clock()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMAZON_API_URL", fake.url)
        patch.setenv("AMAZON_LWA_API_URL", fake.url)
        yield fake
        assert fake.violations == []


@pytest.fixture
def amazon() -> Iterator[FakeAmazon]:
    with account() as fake:
        yield fake


@pytest.fixture
def place(shop_of_ten: Place, amazon: FakeAmazon, tmp_path: Path) -> Place:
    return shop_of_ten.clone(tmp_path)


def credentials(tmp_path: Path, amazon: FakeAmazon, **wrong: str) -> str:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({**amazon.credentials, **wrong}))
    file.chmod(0o600)
    return str(file)


def connect(place: Place, file: str, code: int = 0) -> Any:
    settings = ("--set", "default_category=PRODUCT", "--set", f"seller_id={SELLER}")
    return place.cli("connect", "shop", SITE, *settings, "--credentials", file, "--json", code=code).json


def failure(place: Place) -> str:
    """The sentence of an export that fails."""
    (error,) = place.cli("export", "shop", SITE, "--json", code=1).json["errors"]
    return str(error)


def decide(place: Place, **config: Any) -> bool:
    """The job of the UI's launchpad."""
    from pipeline.definitions import defs

    loggers = {"console": {"config": {"log_level": "CRITICAL"}}}
    with place.instance() as instance:
        return defs.resolve_job_def("decide_submission").execute_in_process(
            {"ops": {"decide_about_submission": {"config": config}}, "loggers": loggers}, instance=instance,
            raise_on_error=False,
        ).success  # fmt: skip


def later(place: Place, amazon: FakeAmazon, seconds: int) -> None:
    """Time passes for Amazon and for the ledger."""
    amazon.clock.advance(seconds)
    with place.database.connect() as connection:
        connection.execute("UPDATE submissions SET next_at = next_at - make_interval(secs => %s)", [seconds])


def test_from_connecting_to_the_verdict(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    found = connect(place, credentials(tmp_path, amazon))
    assert (found["mode"], found["status"], found["problems"]) == ("live", "active", [])
    summary = place.summary("export", "shop", SITE)["marketplaces"][SITE]
    assert summary["changes"]["create"] == 10
    (open_,) = place.summary("submissions", "list", "--open")["submissions"]
    assert (open_["state"], open_["messages"]) == ("submitted", 10)
    sku = amazon.created()[0][3]["sku"]
    amazon.catalog.refuses[sku] = {"code": "90220", "severity": "ERROR", "message": "required", "attributeName": "item_name"}
    later(place, amazon, 130)
    assert place.summary("submissions", "poll") == {"open": [], "errors": []}
    shown = place.summary("submissions", "show", str(open_["id"]))
    assert (shown["state"], shown["counts"]) == ("done", {"accepted": 9, "rejected": 1})
    assert [event["state"] for event in shown["events"]] == ["documented", "uploaded", "sending", "submitted", "done"]
    assert [(one["sku"], one["reason"]) for one in shown["refused"]] == [(sku, "90220: required")]

    status = place.table("listing_status", "shop", SITE).read().set_index("sku")
    assert len(status) == 10
    assert status["state"].value_counts().to_dict() == {"live": 9, "rejected": 1}
    assert status.loc[sku, "field"] == "title"
    assert status.loc[sku, "rule"] is not None
    assert status.loc[sku, "hint"].endswith(f"to send the same again: pipeline submissions resend {open_['id']}")
    reports = place.table("processing_reports", "shop", SITE).read()
    assert sorted(reports["message_id"]) == list(range(1, 11))

    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["live"], row["refused"], row["next"]) == (9, 1, f"pipeline problems shop {SITE}")
    (problem,) = place.summary("problems", "shop", SITE)["problems"]
    assert (problem["sku"], problem["problem"], problem["field"]) == (sku, "refused", "title")
    assert problem["next"] == status.loc[sku, "hint"]

    again = place.summary("export", "shop", SITE)["marketplaces"][SITE]
    assert (again["changes"]["unchanged"], again["held"]) == (9, 1)
    assert amazon.calls["createFeed"] == 1
    done = place.summary("submissions", "resend", str(open_["id"]), "--why", "the title is allowed now")["done"]
    assert done == (
        f"1 refused messages of submission {open_['id']} may be sent again: they are in the next export, or go now with: "
        f"pipeline export shop {SITE}"
    )
    amazon.catalog.refuses.clear()
    place.summary("export", "shop", SITE)
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    assert len(amazon.catalog.listings) == 10


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"client_secret": "CANARY-secret-1"}, "the client id or the client secret is wrong"),
        ({"refresh_token": "CANARY-secret-2"}, "the refresh token is wrong or was revoked"),
    ],
)
def test_wrong_credentials(place: Place, amazon: FakeAmazon, tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    found = connect(place, credentials(tmp_path, amazon, **wrong), code=1)
    assert (found["status"], len(found["problems"])) == ("error", 1)
    assert said in found["problems"][0]
    assert said in failure(place)
    assert amazon.feeds == {}
    assert "CANARY" not in json.dumps(
        place.rows("SELECT to_jsonb(c) - 'credentials' FROM marketplace_credentials c"), default=str
    )
    place.cli("connection", "set", "shop", SITE, "--credentials", credentials(tmp_path, amazon), code=0)
    place.summary("export", "shop", SITE)
    assert len(amazon.feeds) == 1


def test_another_marketplace_than_the_sellers(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    amazon.sells_on = {"A1PA6795UKMFR9"}
    found = connect(place, credentials(tmp_path, amazon), code=1)
    assert found["problems"] == [
        "the seller of these credentials is not registered on amazon-us; check the region and the marketplace"
    ]
    assert place.cli("connection", "test", "shop", SITE).code == 1


def test_amazon_cannot_be_asked(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    amazon.faults = [Fault("getMarketplaceParticipations", 400)]
    settings = ("--set", "default_category=PRODUCT", "--set", f"seller_id={SELLER}")
    tried = place.cli("connect", "shop", SITE, *settings, "--credentials", credentials(tmp_path, amazon), code=1)
    said = " ".join((tried.out + tried.err).split())
    assert "whether its credentials are good could not be asked" in said and "HTTP 400" in said
    assert f"next: pipeline connection test shop {SITE}" in said
    assert place.summary("connection", "show", "shop", SITE)["status"] == "testing"
    assert "is being tested" in failure(place)
    place.cli("connection", "test", "shop", SITE, code=0)
    assert place.summary("connection", "show", "shop", SITE)["status"] == "active"


def test_without_credentials_nothing_is_sent(place: Place, amazon: FakeAmazon) -> None:
    place.cli("connect", "shop", SITE, "--set", "default_category=PRODUCT", "--set", f"seller_id={SELLER}", code=0)
    place.summary("export", "shop", SITE)
    place.summary("submissions", "poll")
    assert amazon.recorded == []
    assert place.summary("submissions", "list")["submissions"] == []
    assert "is in file mode" in place.cli("connection", "test", "shop", SITE).error


def test_a_paused_connection_is_followed_but_sends_nothing(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    place.cli("connection", "pause", "shop", SITE, code=0)
    later(place, amazon, 130)
    assert place.summary("submissions", "poll")["open"] == []
    assert len(amazon.feeds) == 1


def test_a_person_decides(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    amazon.faults = [Fault("createFeed", "lost")]
    place.summary("export", "shop", SITE)
    (submission,) = place.summary("submissions", "list")["submissions"]
    number = str(submission["id"])
    assert "is being looked for" in place.cli("submissions", "resend", number).error
    (ours,) = amazon.feeds.values()
    amazon.feeds["foreign"] = type(ours)(**{**vars(ours), "feed_id": "foreign"})
    later(place, amazon, 70)
    (held,) = place.summary("submissions", "poll")["open"]
    assert (held["state"], ours.feed_id in held["reason"]) == ("held", True)
    explained = place.summary("explain", "shop", "SKU-1", "--marketplace", SITE)["marketplaces"][SITE]
    assert explained["next"] == f"it waits for your decision about submission {number}: {held['reason']}"
    assert (explained["sent"][0]["state"], explained["sent"][0]["outcome"]) == ("held", "waiting")
    assert "as a feed" in place.cli("submissions", "list", code=0).out
    assert "knows no feed" in place.cli("submissions", "adopt", number, "nonsense").error
    place.summary("submissions", "adopt", number, ours.feed_id, "--why", "seen in Seller Central")
    later(place, amazon, 60)
    assert place.summary("submissions", "poll")["open"] == []
    shown = place.summary("submissions", "show", number)
    assert (shown["state"], shown["counts"]) == ("done", {"accepted": 10})
    assert any(event["who"] and event["note"] == "adopted: seen in Seller Central" for event in shown["events"])
    (audited,) = place.summary("audit", "--action", "adopt")["actions"]
    assert (audited["why"], audited["details"]) == ("seen in Seller Central", {"submission": int(number)})
    assert "cannot be cancelled" in place.cli("submissions", "cancel", number).error
    assert "no submission 999" in place.cli("submissions", "show", "999").error


def test_cancelling_in_the_queue(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    (submission,) = place.summary("submissions", "list")["submissions"]
    config = {"submission": submission["id"], "action": "cancel", "who": "ann", "why": "wrong prices"}
    assert decide(place, **config | {"action": "adopt"}) is False  # which feed is not said
    assert decide(place, **config)
    (audited,) = place.summary("audit", "--action", "cancel")["actions"]
    assert (audited["who"], audited["why"], audited["details"]) == ("ann", "wrong prices", {"submission": submission["id"]})
    place.summary("submissions", "poll")
    shown = place.summary("submissions", "show", str(submission["id"]))
    assert (shown["state"], shown["counts"]) == ("cancelled", {"rejected": 10})
    assert (MARKETPLACE, shown["refused"][0]["sku"]) not in amazon.catalog.listings
    assert place.summary("export", "shop", SITE)["marketplaces"][SITE]["held"] == 10
    found = place.summary("problems", "shop", SITE, "--problem", "refused")
    again = f"to send it after all: pipeline submissions resend {submission['id']}"
    assert found["counts"]["refused"] == 10
    assert "since it was cancelled by ann: wrong prices" in found["problems"][0]["next"]
    assert found["problems"][0]["next"].endswith(again)
    (held, *_) = place.summary("problems", "shop", SITE, "--problem", "held")["problems"]
    assert held["reason"] == "Not sent: cancelled by ann: wrong prices"
    place.summary("submissions", "resend", str(submission["id"]))
    assert place.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["create"] == 10


def test_a_listing_that_was_taken_with_an_error_is_told(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    place.rows(
        "INSERT INTO marketplace_issues (store_id, site, transport, sku, submission_id, of_message, code, severity, field, text,"
        " actions) SELECT store_id, site, transport, 'SKU-7', id, false, '18155', 'error', 'images',"
        " 'The main image is missing.', '{}' FROM submissions RETURNING 1"
    )
    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["live"], row["faulty"], row["next"]) == (10, 1, f"pipeline problems shop {SITE}")
    (problem,) = place.summary("problems", "shop", SITE)["problems"]
    assert (problem["sku"], problem["problem"], problem["field"]) == ("SKU-7", "faulty", "images")
    assert "finds an error (18155: The main image is missing.) and may not show it; correct the images" in problem["next"]
    assert place.summary("explain", "shop", "SKU-7")["marketplaces"][SITE]["next"] == problem["next"]
    place.cli("connection", "pause", "shop", SITE, code=0)
    (export_id,) = {row[0] for row in place.rows("SELECT export_id FROM exports")}
    assert "is paused; resume it with" in place.cli("rollback", "shop", SITE, "--to", export_id, "--dry-run", code=2).error


def test_what_amazon_cancels_is_said_again_by_itself(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    (feed,) = amazon.feeds.values()
    feed.status = "CANCELLED"
    later(place, amazon, 130)
    (again,) = place.summary("submissions", "poll")["open"]
    first = place.summary("submissions", "show", str(again["id"] - 1))
    assert (first["state"], first["refused"]) == ("cancelled", [])
    assert first["reason"].endswith("before it was processed; an export says it again by itself")
    assert [len(messages) for messages in amazon.created()] == [10, 10]
    later(place, amazon, 130)
    assert place.summary("submissions", "poll")["open"] == []
    assert place.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["unchanged"] == 10


def test_an_old_feed_never_comes_after_a_newer_one(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    """A feed that Amazon is silent about for days may be processed yet: nothing is sent beside it before it is cancelled."""
    amazon.queued = timedelta(days=9)
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    place.rows("UPDATE submissions SET submitted_at = submitted_at - interval '50 hours' RETURNING 1")
    later(place, amazon, 130)
    (held,) = place.summary("submissions", "poll")["open"]
    number = str(held["id"])
    assert (held["state"], held["reason"][:19]) == ("held", "no verdict after 50")
    refused = place.cli("submissions", "resend", number, code=2).error
    assert (
        f"may still be processed, and would then come after what is sent again; first: pipeline submissions cancel {number}"
        in (refused)
    )
    done = place.summary("submissions", "cancel", number, "--why", "too slow")["done"]
    assert done.startswith(f"the marketplace was asked to cancel feed {held['feed_id']}")
    place.summary("submissions", "poll")
    assert place.summary("submissions", "show", number)["state"] == "cancelled"
    assert place.summary("submissions", "resend", number)["done"].startswith("10 refused messages")
    place.summary("export", "shop", SITE)
    assert [feed.status for feed in amazon.feeds.values()] == ["CANCELLED", "IN_QUEUE"]


def test_removing_a_connection_says_what_stays(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    place.summary("export", "shop", SITE)
    asked = place.cli("connection", "remove", "shop", SITE, code=2)
    assert "1 submissions are without a verdict, and what they say may still happen" in asked.err
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    assert "10 listings stay live on the marketplace as they are" in place.cli("store", "remove", "shop", code=2).err
    removed = place.summary("connection", "remove", "shop", SITE, "--yes")
    assert removed["stays"] == "10 listings stay live on the marketplace as they are"
    assert place.rows("SELECT count(*) FROM submissions") == [(0,)]
    assert len(amazon.catalog.listings) == 10


def test_a_feed_that_was_broken_off(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, credentials(tmp_path, amazon))
    amazon.endings = [Ending("FATAL", report=False)]
    place.summary("export", "shop", SITE)
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["live"], row["uncertain"], row["refused"], row["next"]) == (0, 10, 0, f"pipeline export shop {SITE}")
    market = place.summary("explain", "shop", "SKU-1")["marketplaces"][SITE]
    assert market["next"].endswith(f"all of it is said again by: pipeline export shop {SITE}")
    assert place.summary("export", "shop", SITE)["marketplaces"][SITE]["changes"]["create"] == 10
    later(place, amazon, 130)
    place.summary("submissions", "poll")
    (row,) = [one for one in place.summary("status")["connections"] if one["site"] == SITE]
    assert (row["live"], row["uncertain"], row["refused"], row["next"]) == (10, 0, 0, "")


SALE = {name: f"{name} (product.metafields.custom.{name})" for name in ("sale", "sale_starts", "sale_ends")}


def test_a_sale_is_sent_ahead_seen_and_called_off(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    def imported(**sale: str) -> dict[str, Any]:
        rows = catalogs.products(10)
        rows[2] |= {SALE[name]: value for name, value in sale.items()}
        place.cli("store", "set", "shop", "--file", str(catalogs.write(tmp_path / "sale.csv", rows)), code=0)
        place.cli("import", "shop", code=0)
        found: dict[str, Any] = place.summary("export", "shop", SITE)["marketplaces"][SITE]
        later(place, amazon, 400)
        place.summary("submissions", "poll")
        return found

    def offer() -> dict[str, Any]:
        (found,) = amazon.catalog.listings[MARKETPLACE, "SKU-3"]["purchasable_offer"]
        return dict(found)

    connect(place, credentials(tmp_path, amazon))
    settings = [f"{name}_metafield=custom.{name}" for name in ("sale_starts", "sale_ends")]
    place.cli("connection", "set", "shop", SITE, "sale_price_metafield=custom.sale", *settings, code=0)
    assert imported(sale="15.00", sale_starts="2026-12-01", sale_ends="2026-12-24")["changes"]["create"] == 10
    (schedule,) = offer()["discounted_price"][0]["schedule"]
    assert schedule == {
        "start_at": "2026-12-01T00:00:00-08:00", "end_at": "2026-12-25T00:00:00-08:00", "value_with_tax": 15.0,
    }  # fmt: skip
    (shown,) = place.summary("changes", "show", "shop", SITE, "--sku", "SKU-3")["changes"]
    assert shown["sale"]["after"] == "15.00 from 2026-12-01 08:00 to 2026-12-25 08:00"
    assert "15.00 USD from 2026-12-01 08:00:00 to 2026-12-25 08:00:00" in place.cli("explain", "shop", "SKU-3", code=0).out

    assert imported(sale="5.00", sale_starts="2026-12-01", sale_ends="2026-12-24")["held"] == 1
    (shown,) = place.summary("changes", "show", "shop", SITE, "--sku", "SKU-3")["changes"]
    assert shown["sale"]["wanted"] == "5.00 from 2026-12-01 08:00 to 2026-12-25 08:00"
    (problem,) = place.summary("problems", "shop", SITE)["problems"]
    assert (problem["problem"], problem["next"]) == ("held", f"pipeline changes approve shop {SITE} --sku SKU-3")

    assert imported()["changes"]["price"] == 1
    assert "discounted_price" not in offer()
