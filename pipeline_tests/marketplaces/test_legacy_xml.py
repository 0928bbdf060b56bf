"""Amazon's old XML: it is what the schemas of that time allow, and says of each SKU what it cannot say."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from pipeline.listings.schema import LISTINGS
from pipeline.marketplaces import find_site, load_marketplaces
from pipeline.marketplaces.amazon.legacy.files import KINDS, write
from pipeline.marketplaces.legacy import LegacyFiles, WritesLegacy
from pipeline.model.listing import Account, Site
from pipeline_tests.marketplaces.rows import single
from pipeline_tests.reference import reference

ACCOUNT = Account("shop", "A1SELLER", {})
FOLDER = ("schemas", "amazon", "xsd-legacy-confidential-notice", "amzn-envelope.xsd")
_, US = find_site("amazon-us")


@cache
def schema() -> etree.XMLSchema:
    """Amazon's schemas of 2015, which are no part of this project."""
    return etree.XMLSchema(etree.parse(str(reference(*FOLDER))))


def written(folder: Path, *rows: Mapping[str, Any], site: Site = US) -> LegacyFiles:
    table = pa.Table.from_pylist([{name: row.get(name) for name in LISTINGS.names} for row in rows], schema=LISTINGS)
    return write([table], site, ACCOUNT, folder)


def listing(sku: str, **values: Any) -> dict[str, Any]:
    return {**single(), "sku": sku, "product_id": sku, "status": "ready", **values}


def messages(folder: Path, kind: str) -> list[etree._Element]:
    return list(etree.parse(str(folder / f"{kind}.xml")).getroot().iterfind("Message"))


def notes(found: LegacyFiles) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for row in found.notes.to_pylist():
        said.setdefault(row["sku"], []).append(row["note"])
    return said


FAMILY = [
    listing("P", product_id="1", role="parent", price=None, list_price=None, quantity=None, gtin=None),
    listing("C1", product_id="1", role="child", parent_sku="P", gtin="4006381333931", list_price=2999),
    listing("C2", product_id="1", role="child", parent_sku="P", gtin="036000291452", quantity=0),
]


def test_the_five_files_and_their_label(tmp_path: Path) -> None:
    found = written(tmp_path, *FAMILY, listing("S", product_id="2"))
    assert {file.kind: file.messages for file in found.files} == {
        "Product": 4, "Inventory": 3, "Price": 3, "ProductImage": len(messages(tmp_path, "ProductImage")), "Relationship": 1,
    }  # fmt: skip
    for kind in KINDS:
        text = (tmp_path / f"{kind}.xml").read_text(encoding="utf-8")
        assert "Amazon has refused XML feeds since 2025-07-31" in text
        assert [message.findtext("MessageID") for message in messages(tmp_path, kind)] == [
            str(number + 1) for number in range(len(messages(tmp_path, kind)))
        ]
    assert "refused these feeds since 2025-07-31" in (tmp_path / "README.txt").read_text()
    (relation,) = messages(tmp_path, "Relationship")
    assert [one.text for one in relation.iter("ParentSKU", "SKU")] == ["P", "C1", "C2"]
    price = messages(tmp_path, "Price")[0].find("Price/StandardPrice")
    assert price is not None
    assert (price.text, price.get("currency")) == ("19.99", "USD")
    product = messages(tmp_path, "Product")[1].find("Product")
    assert product is not None
    assert (product.findtext("StandardProductID/Type"), product.findtext("DescriptionData/MSRP")) == ("EAN", "29.99")


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    long = "word " * 150
    found = written(
        tmp_path,
        listing("x" * 41),
        {**listing("blocked"), "status": "blocked", "reason": "No title."},
        listing("long", title=long, description=long * 4, bullets=["point"] * 7 + [long], brand="b" * 101, mpn="m" * 41),
        listing("words", keywords="word " * 100 + "w" * 51),
        listing("unknown", quantity=None, price=None, images=[f"https://e.com/{n}.jpg" for n in range(11)]),
        listing("used", condition="used", gtin="123"),
    )
    said = notes(found)
    assert said["x" * 41] == ["left out: a SKU has at most 40 plain characters here"]
    assert said["blocked"] == ["left out, it is blocked: No title."]
    for what in ("shortened: the title", "shortened: the description", "left off: 3 bullet points", "left off: the brand",
                 "left off: the part number"):  # fmt: skip
        assert any(note.startswith(what) for note in said["long"]), what
    assert any(note.startswith("left off: 51 keywords") for note in said["words"])
    assert {"left out: its stock is unknown", "left out: it has no price", "left off: 2 pictures, there is room for 9"} <= set(
        said["unknown"]
    )
    assert {"left off: condition used", "left off: 123 is no product id of a known length"} <= set(said["used"])
    with (tmp_path / "notes.csv").open(newline="", encoding="utf-8") as stream:
        assert sum(1 for _ in csv.DictReader(stream)) == len(found.notes)
    inside = {message.findtext("Product/SKU") for message in messages(tmp_path, "Product")}
    assert inside == {"long", "words", "unknown", "used"}


def test_a_currency_that_the_format_does_not_know(tmp_path: Path) -> None:
    found = written(tmp_path, listing("a", list_price=2999), site=replace(US, currency="SEK"))
    assert {file.kind for file in found.files}.isdisjoint({"Price"})
    assert not (tmp_path / "Price.xml").exists()
    assert {"left off: the price before the sale, SEK is no currency there"} <= set(notes(found)["a"])
    assert any("SEK is no currency there (USD" in note for note in notes(found)["a"])


def test_children_whose_parent_is_in_no_file(tmp_path: Path) -> None:
    found = written(tmp_path, {**FAMILY[0], "status": "blocked", "reason": "x"}, *FAMILY[1:])
    assert not (tmp_path / "Relationship.xml").exists()
    assert "left out, its parent is in no file" in notes(found)["C1"]


def test_only_amazon_has_it() -> None:
    assert [market.name for market in load_marketplaces().values() if isinstance(market, WritesLegacy)] == ["amazon"]


_TEXT = st.text(st.characters(codec="utf-8"), max_size=700)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "sku": st.text(st.characters(codec="utf-8"), min_size=1, max_size=45),
                "title": _TEXT, "brand": _TEXT, "description": _TEXT, "mpn": _TEXT, "keywords": _TEXT,
                "bullets": st.lists(_TEXT, max_size=8), "quantity": st.none() | st.integers(0, 10**6),
                "price": st.none() | st.integers(1, 10**9), "list_price": st.none() | st.integers(1, 10**9),
            }
        ),
        min_size=1, max_size=3, unique_by=lambda row: row["sku"],
    ),
    st.sampled_from(["USD", "EUR", "JPY", "SEK", "AUD"]),
)  # fmt: skip
def test_whatever_a_listing_says_the_files_are_valid_and_nothing_is_lost(
    tmp_path: Path, rows: list[dict[str, Any]], currency: str
) -> None:
    found = written(tmp_path, *(listing(**row) for row in rows), site=replace(US, currency=currency))
    validate = schema()
    for file in found.files:
        document = etree.parse(str(file.path))
        assert validate.validate(document), validate.error_log.last_error
    described = messages(tmp_path, "Product") if any(file.kind == "Product" for file in found.files) else []
    inside = {message.findtext("Product/SKU") for message in described}
    assert {row["sku"] for row in rows} == inside | {row["sku"] for row in found.notes.to_pylist() if row["file"] is None}


def test_a_family_is_valid(tmp_path: Path) -> None:
    for file in written(tmp_path, *FAMILY, listing("S", product_id="2")).files:
        validate = schema()
        assert validate.validate(etree.parse(str(file.path))), validate.error_log.last_error


@pytest.mark.parametrize("name", KINDS)
def test_no_messages_no_file(tmp_path: Path, name: str) -> None:
    written(tmp_path, {**listing("a"), "status": "blocked", "reason": "x"})
    assert not (tmp_path / f"{name}.xml").exists()
