"""Decisions in the database, and looking at guesses: in bulk, and through a file that a person edits."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.listings.categories import review
from pipeline.listings.categories.decided import as_decided
from pipeline.listings.categories.decisions import Decision, Decisions, decide, forget, list_decisions, read_decisions
from pipeline.listings.categories.review import Refused, Shelf, Which
from pipeline.listings.cell import Cell, find_cell
from pipeline.listings.schema import CATEGORIES
from pipeline.marketplaces import find_site
from pipeline.model.errors import BadInputError, UsageError
from pipeline.platform.tables import Table, TableWriter
from pipeline.quality.schema import FIXED_PRODUCTS
from pipeline.stores.actions import Person, list_actions
from pipeline.stores.assignments import parse_assignments
from pipeline.stores.connections import connect, remove
from pipeline.stores.stores import add_store
from pipeline_tests.listings.categories.test_propose import TYPES
from pipeline_tests.listings.fakes import arrow, product

SITE = "amazon-us"
ANN = Person("ann", "because")


@pytest.fixture
def cell(connection: psycopg.Connection, tmp_path: Path) -> Cell:
    (tmp_path / "shop.csv").write_text("Handle,Title\n")
    (tmp_path / "types.tsv").write_text(TYPES)
    add_store(connection, "shop", source="shopify-file", source_settings={"path": str(tmp_path / "shop.csv")})
    connect(
        connection, "shop", find_site(SITE)[1], assignments=parse_assignments([f"category_file={tmp_path / 'types.tsv'}"])
    )  # fmt: skip
    found = find_cell(connection, "shop", SITE)
    assert found is not None
    return found


@pytest.fixture
def shelf(cell: Cell, tmp_path: Path) -> Shelf:
    guesses = [
        ("1", "Tee", "T-Shirts", "SHIRT", "suggested", 0.8, "lexical"),
        ("2", "=cmd()", "Mugs", "DRINKING_CUP", "suggested", 0.5, "lexical"),
        ("3", "Bag", None, "HANDBAG", "accepted", 0.95, "lexical"),
        ("4", "Wick", None, "CANDLE", "accepted", 1.0, "rule"),
        ("5", "Xyzzy", "mugs", None, "none", None, None),
    ]  # fmt: skip
    names = ("product_id", "title", "product_type", "category", "status", "confidence", "engine")
    rows = [dict(zip(names, guess, strict=True)) for guess in guesses]
    tables = []
    for name, schema, made in (
        ("listing_categories", CATEGORIES, [{**row, "candidates": ["A", "B"], "reason": "-"} for row in rows]),
        ("fixed_products", FIXED_PRODUCTS, [product(**row) for row in rows]),
    ):
        with TableWriter(tmp_path, name, schema, {}) as writer:
            writer.write(arrow(made, schema))
        tables.append(Table(writer.path))
    return Shelf(cell, *tables, Decisions())


def test_the_newest_decision_counts(connection: psycopg.Connection, cell: Cell) -> None:
    store = cell.store.id

    def said(*decisions: Decision) -> tuple[dict[Any, str], dict[Any, frozenset[str]]]:
        decide(connection, store, SITE, decisions, "ann", "because")
        found = read_decisions(connection, store, SITE)
        return dict(found.accepted), dict(found.rejected)

    one, no = ("product", "1"), False
    assert said(Decision("product", "1", "A")) == ({one: "A"}, {})
    assert said(Decision("product", "1", "B")) == ({one: "B"}, {})
    assert said(Decision(*one, "C", no), Decision(*one, "D", no)) == (
        {one: "B"},
        {one: frozenset("CD")},
    )
    assert said(Decision("product", "1", "B", False)) == ({}, {one: frozenset("BCD")})
    assert said(Decision("product", "1", "C")) == ({one: "C"}, {one: frozenset("BD")})
    kinds = said(Decision("product_type", "  T-Shirts ", "A"))[0]
    assert kinds["product_type", "t-shirts"] == "A"  # type: ignore[index]
    last = list_decisions(connection, store, SITE)[-1]
    assert (last.who, last.why, last.scope) == ("ann", "because", "product_type") and last.decided_at is not None
    assert read_decisions(connection, store, "ebay-us").accepted == {}
    assert forget(connection, store, SITE, "product_type", ["T-SHIRTS", "nothing"]) == 1
    assert forget(connection, store, SITE, "product", ["1"]) == 3


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (Decision("product", "1", ""), "the category is empty"),
        (Decision("product", "1", "x" * 101), "the category is too long"),
        (Decision("product", "1", "A\x00"), "control characters"),
        (Decision("product", " ", "A"), "the product is empty"),
        (Decision("taxonomy", "x" * 300, "A"), "the taxonomy is too long"),
        (Decision("planet", "1", "A"), "not for a 'planet'"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused_as_a_whole(connection: psycopg.Connection, cell: Cell, decision: Decision, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        decide(connection, cell.store.id, SITE, [Decision("product", "9", "A"), decision], "ann")
    assert list_decisions(connection, cell.store.id, SITE) == []


def test_decisions_go_with_their_connection(connection: psycopg.Connection, cell: Cell) -> None:
    decide(connection, cell.store.id, SITE, [Decision("product", "1", "A")], "ann")
    assert remove(connection, "shop", SITE)["category_decisions"] == 1


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        (Which(everything=True), ["1", "2"]), (Which(everything=True, minimum=0.6), ["1"]), (Which(["2", "4"]), ["2"]),
        (Which(product_types=["MUGS", "nothing"]), ["2"]), (Which(["1"], ["mugs"]), ["1", "2"]), (Which(["9"]), []),
        (Which(), []),
    ],
)  # fmt: skip
def test_accepting_in_bulk(connection: psycopg.Connection, cell: Cell, shelf: Shelf, which: Which, ids: list[str]) -> None:
    assert review.accept(connection, cell, shelf.rows("suggested", which), ANN) == len(ids)
    found = read_decisions(connection, cell.store.id, SITE)
    assert sorted(key for _, key in found.accepted) == ids


def test_only_guesses_can_be_rejected(connection: psycopg.Connection, cell: Cell, shelf: Shelf) -> None:
    assert review.reject(connection, cell, shelf.rows(None, Which(everything=True)), ANN) == 3
    assert sorted(key for _, key in read_decisions(connection, cell.store.id, SITE).rejected) == ["1", "2", "3"]


def test_choosing_one_that_the_marketplace_has(connection: psycopg.Connection, cell: Cell) -> None:
    assert review.choose(connection, cell, "SHIRT", "product_type", ["Tees", "Tops"], ANN) == 2
    with pytest.raises(UsageError, match=r"types\.tsv has no category 'SHIRTS'; it has: SHIRT, "):
        review.choose(connection, cell, "SHIRTS", "product", ["1"], ANN)


def now(connection: psycopg.Connection, shelf: Shelf) -> dict[str, tuple[Any, ...]]:
    decided = replace(shelf, decisions=read_decisions(connection, shelf.cell.store.id, SITE))
    shown = ("category", "name", "status", "engine")
    return {row["product_id"]: tuple(row[name] for name in shown) for row in decided.rows()}


def test_decisions_are_shown_at_once(connection: psycopg.Connection, cell: Cell, shelf: Shelf) -> None:
    review.choose(connection, cell, "HANDBAG", "product_type", ["MUGS"], ANN)
    review.reject(connection, cell, shelf.rows(None, Which(["3"])), ANN)
    review.accept(connection, cell, shelf.rows("suggested", Which(["1"])), ANN)
    found = now(connection, shelf)
    assert found["1"] == ("SHIRT", "Apparel > Shirts & T-Shirts", "accepted", "choice")
    assert found["2"] == found["5"] == ("HANDBAG", "Luggage > Handbags", "accepted", "choice")
    assert found["3"] == (None, None, "none", None)
    assert found["4"] == ("CANDLE", None, "accepted", "rule")
    decided = replace(shelf, decisions=read_decisions(connection, cell.store.id, SITE))
    assert decided.counts() == {"accepted": 4, "none": 1} and list(decided.rows("suggested")) == []
    reasons = {row["product_id"]: row["reason"] for row in decided.rows()}
    assert reasons["3"] == "HANDBAG was rejected; guessed anew with: pipeline categories map shop amazon-us"
    assert reasons["5"] == 'chosen for product type "mugs"'
    assert review.reject(connection, cell, decided.rows(None, Which(everything=True)), ANN) == 0  # nothing guessed is left
    review.forget(connection, cell, {"product": ["1", "3"], "product_type": ["mugs"]}, ANN)
    assert now(connection, shelf) == now(connection, replace(shelf, decisions=Decisions()))


@pytest.mark.parametrize(
    ("sure", "rejected", "shown"),
    [
        (1.0, None, ("B", "accepted", 1.0)), (0.7, None, ("B", "suggested", 0.7)),
        (1.0, "B", ("A", "suggested", 0.8)), (1.0, "A", ("B", "accepted", 1.0)),
    ],
)  # fmt: skip
def test_a_choice_for_the_taxonomy_is_shown_at_once(sure: float, rejected: str | None, shown: tuple[Any, ...]) -> None:
    row = {
        "product_id": "1", "product_type": None, "category": "A", "name": None, "status": "suggested", "confidence": 0.8,
        "engine": "lexical", "reason": "-", "taxonomy": "aa-1-13", "taxonomy_confidence": sure,
    }  # fmt: skip
    refused = {("product", "1"): frozenset({rejected})} if rejected else {}
    found = as_decided(row, Decisions({("taxonomy", "aa-1"): "B"}, refused), 0.9, str, "again")  # type: ignore[dict-item]
    assert (found["category"], found["status"], found["confidence"]) == shown


def test_what_was_chosen_and_is_forgotten_is_not_known() -> None:
    row = {"product_id": "1", "product_type": None, "category": "A", "engine": "choice", "status": "accepted", "taxonomy": None}
    assert as_decided(row, Decisions({("product", "1"): "A"}), 0.9, str, "again") == row
    found = as_decided(row, Decisions(), 0.9, str, "again")
    assert (found["category"], found["status"]) == (None, "none")
    assert found["reason"] == "what was chosen is forgotten; found anew with: again"


def edited(file: Path, changes: dict[str, dict[str, str]]) -> None:
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened))
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, **changes.get(row["product_id"], {})} for row in rows)


def test_a_file_there_and_back(connection: psycopg.Connection, cell: Cell, shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    assert review.write_csv(shelf.rows(), file) == 5
    assert review.read_csv(file, cell, shelf.categories) == ([], [])
    assert "'=cmd()" in file.read_text()  # no formula in a spreadsheet
    edited(
        file,
        {
            "1": {"decision": "accept"}, "2": {"decision": " Reject"}, "3": {"decision": "accept", "category": "SHIRT"},
            "4": {"decision": "maybe"}, "5": {"decision": "accept"},
        },
    )  # fmt: skip
    with file.open("a") as opened:
        opened.write("77,,,SHIRT,,,,,,,,,,accept\n1,,,SHIRT,,,,,,,,,,accept\n")
    decisions, refused = review.read_csv(file, cell, shelf.categories)
    assert decisions == [
        Decision("product", "1", "SHIRT"), Decision("product", "2", "DRINKING_CUP", False), Decision("product", "3", "SHIRT"),
    ]  # fmt: skip
    assert refused == [
        Refused(5, "4", "decision must be accept or reject, not maybe"), Refused(6, "5", "there is no category"),
        Refused(7, "77", "there is no such product"), Refused(8, "1", "the product is decided in a line before"),
    ]  # fmt: skip
    edited(file, {"3": {"category": "SHOES"}})
    assert Refused(4, "3", "SHOES is not in types.tsv") in review.read_csv(file, cell, shelf.categories)[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no column product_id and no category and no decision"),
        (b"product_id,category\n1,A\n", "has no column decision"),
        (b"\xff\xfe", "has no column product_id and no category and no decision .it is empty; commas, semicolons or tabs"),
        ("product_id;category;decision\n1;Sch\u00fcssel;accept\n".encode("cp1252"), "is neither UTF-8 nor UTF-16 text; save it"),
        ("product_id\tcategory\tdecision\n".encode("utf-16-le"), "is neither UTF-8 nor UTF-16 text"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is neither UTF-8 nor UTF-16 text"),
        (b"product_id|category|decision\n", "its first line begins 'product_id.category.decision'"),
        (b'product_id,category,decision\n1,"A,accept\n', "is not a CSV file"),
    ],
)
def test_files_that_are_none(cell: Cell, shelf: Shelf, tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=reason):
        review.read_csv(file, cell, shelf.categories)


def test_decisions_are_in_the_audit(connection: psycopg.Connection, cell: Cell, shelf: Shelf) -> None:
    review.accept(connection, cell, shelf.rows("suggested", Which(everything=True)), ANN)
    review.choose(connection, cell, "SHIRT", "product_type", ["Tees", "Tops"], ANN)
    assert review.forget(connection, cell, {"product_type": ["Tees"]}, Person("bo", "")) == 1
    assert review.forget(connection, cell, {"product_type": ["Tees"]}, Person("bo", "")) == 0
    found = list_actions(connection, store="shop", marketplace=SITE)
    assert [(one.action, one.who, one.why) for one in found] == [
        ("forget_categories", "bo", ""), ("choose_categories", "ann", "because"), ("accept_categories", "ann", "because"),
    ]  # fmt: skip
    assert found[1].details == {"decisions": 2, "about": ["product_type Tees: SHIRT", "product_type Tops: SHIRT"]}
