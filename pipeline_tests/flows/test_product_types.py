"""Live listings and what Amazon's product types want of them, by the command line against the fake Amazon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.definitions import build_defs
from pipeline_tests.fakes.amazon import SELLER, FakeAmazon, Fault, running
from pipeline_tests.fakes.amazon_types import own_definition
from pipeline_tests.fakes.clock import Clock
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import Place

SITE, CUP = "amazon-us", "DRINKING_CUP"
WANTED = {"country_of_origin": "PT", "supplier_declared_dg_hz_regulation": "not_applicable", "department": "unisex_adult"}


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    with running(Clock()) as fake:
        monkeypatch.setenv("AMAZON_API_URL", fake.url)
        monkeypatch.setenv("AMAZON_LWA_API_URL", fake.url)
        fake.definitions[CUP], fake.any_type = own_definition(), None
        fake.preview = fake.by_definition
        fake.limited = False  # real time goes on while Amazon's clock stands still
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def shop_of_six(new_place: NewPlace) -> Place:
    """A store of six products, imported, and a key for credentials."""
    place = new_place()
    keys = place.settings.data_dir.with_name("credential.keys")
    place.cli("keys", "generate", "--file", str(keys), code=0)
    place = place.with_keys(keys)
    file = catalogs.write(keys.with_name("shop.csv"), catalogs.products(6))
    place.cli("store", "add", "shop", "--file", str(file), code=0)
    place.cli("import", "shop", code=0)
    return place


@pytest.fixture
def place(shop_of_six: Place, amazon: FakeAmazon, tmp_path: Path) -> Place:
    return shop_of_six.clone(tmp_path)


def connect(place: Place, tmp_path: Path, amazon: FakeAmazon, *settings: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(amazon.credentials))
    file.chmod(0o600)
    given = [f"seller_id={SELLER}", *settings]
    options = [part for one in given for part in ("--set", one)]
    place.cli("connect", "shop", SITE, *options, "--credentials", str(file), code=0)


def export(place: Place, *options: str) -> Any:
    return place.summary("export", "shop", SITE, *options)


def counts(place: Place, *options: str) -> Any:
    found = export(place, *options)["marketplaces"][SITE]
    return found["ready"], found["blocked"], found["changes"]["create"]


def issues(place: Place) -> Any:
    frame = place.table("listing_issues", "shop", SITE).read()
    return frame[frame["rule"].str.startswith(("AMZ_TYPE", "LISTING_MATCH"))]


def sent(amazon: FakeAmazon) -> dict[str, Any]:
    return {message["sku"]: message for feed in amazon.created() for message in feed}


def said(attributes: dict[str, str]) -> str:
    return f"attributes.{CUP}={json.dumps(attributes)}"


def test_what_is_missing_blocks_until_a_setting_says_it(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}")
    assert counts(place) == (0, 6, 0)
    assert amazon.feeds == {}
    found = issues(place)
    assert set(found["message"]) == {
        "Country of Origin (country_of_origin) is required.",
        "Dangerous Goods Regulations (supplier_declared_dg_hz_regulation) is required.",
        "Department Name (department) is required.",
    }
    assert found["hint"].str.contains("pipeline connection set shop amazon-us attributes.DRINKING_CUP.").all()
    listings = place.table("listings", "shop", SITE).read()
    assert listings["reason"].str.contains("Department Name (department) is required.", regex=False).all()
    downloads = amazon.calls["download"]
    place.cli("connection", "set", "shop", SITE, said(WANTED), code=0)
    assert counts(place) == (6, 0, 6)
    assert amazon.calls["download"] == downloads  # the cache is a day old at most
    assert sent(amazon)["SKU-1"]["attributes"]["department"][0]["value"] == "unisex_adult"


def test_without_amazon_the_cache_decides(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "definition_days=0")
    assert counts(place, "--dry-run")[:2] == (6, 0)
    place.cli("connection", "set", "shop", SITE, said({**WANTED, "department": "cats"}), code=0)
    amazon.faults = [Fault("getDefinitionsProductType", 400, times=9)]
    assert counts(place, "--dry-run")[:2] == (0, 6)
    printed = place.cli("export", "shop", SITE, "--dry-run")
    shown = " ".join((printed.out + printed.err).split())
    assert "6 of 6 listings are blocked: 6 times " in shown and "One by one: pipeline problems shop amazon-us" in shown
    assert "attributes.DRINKING_CUP.department" in shown and "nothing changed since" not in shown
    lookups = place.table("marketplace_lookups", "shop", SITE).read()
    assert set(lookups["outcome"]) == {"failed"}
    assert set(issues(place)["rule"]) == {"AMZ_TYPE_VALUE"}


def test_a_new_version_looks_at_the_listings_of_its_product_type_again(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "definition_days=0")
    assert counts(place, "--dry-run")[:2] == (6, 0)
    again = place.summary("export", "shop", SITE, "--dry-run")
    assert again["marketplaces"][SITE]["ready"] == 6
    amazon.definitions[CUP]["required"] = [*amazon.definitions[CUP]["required"], "number_of_items"]
    assert counts(place, "--dry-run")[:2] == (0, 6)
    assert issues(place)["message"].tolist() == ["Number of Items (number_of_items) is required."] * 6


def test_a_product_type_that_amazon_does_not_have(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, "default_category=DRINKING_MUG")
    assert counts(place)[:2] == (0, 6)
    assert set(issues(place)["message"]) == {"amazon-us has no product type DRINKING_MUG; similar: DRINKING_CUP."}


def test_suggestions_need_to_be_accepted(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    amazon.suggestions = {f"Stoneware Mug Number {number}": [CUP] for number in range(1, 6)}
    connect(place, tmp_path, amazon, said(WANTED))
    assert counts(place, "--dry-run")[:2] == (0, 6)
    asked = amazon.calls["searchDefinitionsProductTypes"]
    assert asked == 6
    place.cli("connection", "set", "shop", SITE, "accept_suggested_product_types=true", code=0)
    assert counts(place, "--dry-run")[:2] == (5, 1)
    assert amazon.calls["searchDefinitionsProductTypes"] == asked  # each title once ever
    listings = place.table("listings", "shop", SITE).read()
    assert listings["category_source"].fillna("").value_counts().to_dict() == {"marketplace": 5, "": 1}


def test_a_dry_run_is_validated_by_amazon_and_goes_on_where_it_ended(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "preview_skus=2")
    amazon.preview = lambda sku, body: (
        [{"code": "90", "severity": "ERROR", "message": "No.", "categories": ["INVALID_ATTRIBUTE"], "attributeNames": ["brand"]}]
        if sku in ("SKU-1", "SKU-6") else []
    )  # fmt: skip
    place.cli("export", "shop", SITE, "--dry-run", code=0)
    assert (amazon.calls["putListingsItem"], amazon.feeds, amazon.catalog.listings) == (2, {}, {})
    found = place.table("listing_previews", "shop", SITE).read()
    assert found[["sku", "rule", "severity", "field", "value", "message"]].to_numpy().tolist() == [
        ["SKU-1", "90", "error", "brand", "brand", "No."]
    ]
    printed = place.cli("export", "shop", SITE, "--dry-run", code=0)
    assert "3 listings are valid for the marketplace itself, 1 are not (asset listing_previews), 2 are not validated yet" in (
        " ".join((printed.out + printed.err).split())
    )
    place.cli("export", "shop", SITE, "--dry-run", code=0)
    place.cli("export", "shop", SITE, "--dry-run", code=0)
    assert amazon.calls["putListingsItem"] == 6  # each message once
    assert sorted(place.table("listing_previews", "shop", SITE).read()["sku"]) == ["SKU-1", "SKU-6"]


def test_file_mode_asks_nobody(place: Place, amazon: FakeAmazon) -> None:
    place.cli("connect", "shop", SITE, "--set", "default_category=PRODUCT", "--set", "match_existing_asins=true", code=0)
    assert counts(place, "--dry-run")[:2] == (6, 0)
    assert counts(place)[:2] == (6, 0)
    assert sum(amazon.calls.values()) == 0


def test_offers_on_items_that_amazon_has(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    gtins = place.table("fixed_variants", "shop").read().set_index("sku")["barcode"]
    amazon.items = {
        "B000000001": {"gtins": [gtins["SKU-1"]], "title": "Mug", "type": CUP},
        "B000000002": {"gtins": [gtins["SKU-2"]], "title": "Mug"},
        "B000000003": {"gtins": [gtins["SKU-2"]], "title": "Cup", "type": CUP},
    }
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "match_existing_asins=true")
    assert counts(place) == (5, 1, 5)
    messages = sent(amazon)
    offer = messages.pop("SKU-1")
    assert (offer["requirements"], offer["productType"]) == ("LISTING_OFFER_ONLY", CUP)
    assert offer["attributes"]["merchant_suggested_asin"][0]["value"] == "B000000001"
    assert {message["requirements"] for message in messages.values()} == {"LISTING"}
    (several,) = issues(place).to_dict("records")
    assert (several["sku"], several["rule"], several["field"]) == ("SKU-2", "LISTING_MATCH", "gtin")
    assert several["message"].endswith(": B000000002 (Mug), B000000003 (Cup).")
    # What is live is never looked for again: Amazon's catalog has our own items now.
    amazon.items |= {"B000000009": {"gtins": [gtins["SKU-3"]], "title": "ours"}}
    with place.database.connect() as connection:
        connection.execute("UPDATE catalog_matches SET looked_at = looked_at - interval '30 days'")
    assert export(place)["marketplaces"][SITE]["changes"]["unchanged"] == 5
    (shown,) = place.summary("matches", "list", "shop", SITE, "--several")["matches"]
    assert [item["item_id"] for item in shown["items"]] == ["B000000002", "B000000003"]
    choice = {"store": "shop", "marketplace": SITE, "gtin": gtins["SKU-2"], "item": "none", "who": "Ann"}
    with place.instance() as instance, place.environment():
        job = build_defs().resolve_job_def("choose_match")
        assert job.execute_in_process({"ops": {"decide_match": {"config": choice}}}, instance=instance).success
    assert place.rows("SELECT chosen, who FROM catalog_matches WHERE chosen IS NOT NULL") == [("", "Ann")]
    place.cli("matches", "choose", "shop", SITE, gtins["SKU-2"], "B000000003", code=0)
    assert counts(place) == (6, 0, 1)


def test_nothing_is_listed_as_new_before_the_catalog_was_searched(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "match_existing_asins=true")
    amazon.faults = [Fault("searchCatalogItems", 400, times=9)]
    assert counts(place) == (0, 6, 0)
    assert issues(place)["message"].str.contains("was not searched").all()
    amazon.faults = []
    assert counts(place) == (6, 0, 6)


def test_what_a_type_wants_is_shown_and_given_as_a_file(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    place.cli("connect", "shop", SITE, "--set", f"default_category={CUP}", code=0)
    assert "nothing is known" in place.cli("product-types", "show", "shop", SITE, CUP).error
    assert "nobody is asked" in place.cli("product-types", "refresh", "shop", SITE).error
    assert "nobody is asked" in place.cli("product-types", "search", "shop", SITE, "cup").error
    file, other = tmp_path / f"{CUP}.json", tmp_path / "cup.json"
    for path in (file, other):
        path.write_text("{}")
    assert "cannot be used" in place.cli("product-types", "add", "shop", SITE, str(file)).error
    assert "is not named after a product type" in place.cli("product-types", "add", "shop", SITE, str(other)).error
    file.write_text(json.dumps(own_definition()))
    assert place.summary("product-types", "add", "shop", SITE, str(file)) == {"product_types": [CUP]}
    shown = place.summary("product-types", "show", "shop", SITE, CUP)
    assert shown["themes"] == ["COLOR", "SIZE_NAME/COLOR_NAME"]
    by_name = {one["name"]: one for one in shown["attributes"]}
    assert by_name["country_of_origin"]["allowed"] == ["CN", "DE", "LT", "PT"]
    assert (by_name["department"]["always"], by_name["brand"]["always"], by_name["brand"]["editable"]) == (False, True, False)
    assert counts(place)[:2] == (0, 6)  # file mode is checked by it too
    assert sum(amazon.calls.values()) == 0
    (listed,) = place.summary("product-types", "list", "shop", SITE)["product_types"]
    assert (listed["category"], listed["given"]) == (CUP, True)
    assert place.summary("product-types", "remove", "shop", SITE, CUP) == {"removed": 1}
    assert "nothing is known" in place.cli("product-types", "remove", "shop", SITE, CUP).error
    assert counts(place)[:2] == (6, 0)


def test_a_live_connection_searches_and_refreshes(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    connect(place, tmp_path, amazon, f"default_category={CUP}")
    amazon.suggestions = {"Mug": [CUP]}
    assert place.summary("product-types", "search", "shop", SITE, "cup") == {
        "product_types": [{"type": CUP, "name": "Drinking Cup"}]
    }
    assert place.summary("product-types", "search", "shop", SITE, "Mug", "--title")["product_types"][0]["type"] == CUP
    assert place.summary("product-types", "refresh", "shop", SITE)["product_types"] == {CUP: "new"}
    assert place.summary("product-types", "refresh", "shop", SITE)["product_types"] == {CUP: "unchanged"}
    amazon.faults = [Fault("getDefinitionsProductType", 400)]
    assert "refused the request" in place.cli("product-types", "refresh", "shop", SITE, "--json", code=1).json["problems"][0]
    gtin = "4006381000019"
    assert "was not looked for" in place.cli("matches", "choose", "shop", SITE, gtin, "B000000001").error
    assert "is no id of an item" in place.cli("matches", "choose", "shop", SITE, gtin, "B0 1").error


def test_a_family_of_which_one_variant_is_there_already(place: Place, amazon: FakeAmazon, tmp_path: Path) -> None:
    rows = [
        catalogs.product(9, **{"Option1 Name": "Color", "Option1 Value": color, "Variant SKU": f"CUP-{color}",
                               "Variant Barcode": gtin})
        for color, gtin in (("Black", "4006381333931"), ("White", "5901234123457"), ("Blue", "96385074"))
    ]  # fmt: skip
    place.cli("store", "set", "shop", "--file", str(catalogs.write(tmp_path / "family.csv", rows)), code=0)
    place.cli("import", "shop", "--accept-shrink", code=0)
    amazon.items = {"B000000001": {"gtins": ["4006381333931"], "type": CUP}}
    connect(place, tmp_path, amazon, f"default_category={CUP}", said(WANTED), "match_existing_asins=true")
    assert counts(place) == (4, 0, 4)
    messages = sent(amazon)
    assert messages["CUP-Black"]["requirements"] == "LISTING_OFFER_ONLY"
    assert "child_parent_sku_relationship" not in messages["CUP-Black"]["attributes"]
    assert messages["CUP-White"]["attributes"]["variation_theme"] == [{"name": "COLOR"}]
    place.cli("connection", "set", "shop", SITE, "families=single", code=0)
    assert place.table("listings", "shop", SITE).read()["role"].tolist() == ["parent", "single", "child", "child"]
    place.cli("export", "shop", SITE, "--dry-run", code=0)
    listings = place.table("listings", "shop", SITE).read()
    assert listings["role"].tolist() == ["single"] * 3
    assert listings["title"].tolist() == [f"Stoneware Mug Number 9, {color}" for color in ("Black", "White", "Blue")]
