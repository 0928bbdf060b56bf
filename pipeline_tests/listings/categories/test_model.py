"""What becomes of a model's choices: agreement makes sure, another choice is a suggestion; only open guesses are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.language.choices import Chosen
from pipeline.listings.categories.model import open_choices, with_choices
from pipeline.listings.schema import CATEGORIES
from pipeline.platform.tables import Table, TableWriter
from pipeline.quality.schema import FIXED_PRODUCTS
from pipeline_tests.listings.fakes import arrow, product

ENGINE = "model:m"


def row(product_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "product_id": product_id, "status": "suggested", "engine": "lexical", "category": "A", "name": "Aa", "confidence": 0.7,
        "reason": "words", "candidates": ["A", "B"], "candidate_names": ["Aa", "Bb"], "revision": "r", **changed,
    }  # fmt: skip


def tables(folder: Path, *batches: list[dict[str, Any]]) -> tuple[Table, Table]:
    found = []
    for name, schema, of_product in (("listing_categories", CATEGORIES, False), ("fixed_products", FIXED_PRODUCTS, True)):
        with TableWriter(folder, name, schema, {"import_id": "i", "given": "g"}) as writer:
            for batch in batches:
                writer.write(arrow([product(one["product_id"]) if of_product else one for one in batch], schema))
        found.append(Table(writer.path))
    return found[0], found[1]


def test_only_open_guesses_are_asked_about(tmp_path: Path) -> None:
    categories, products = tables(
        tmp_path,
        [row("1"), row("2", status="accepted"), row("3", engine="choice")],
        [row("4", engine="marketplace"), row("5", engine=ENGINE),
         row("6", status="none", engine=None, candidates=[], candidate_names=[])],
    )  # fmt: skip
    asked = list(open_choices(categories, products, frozenset()))
    assert [choice.key for choice in asked] == ["1", "4"]
    assert asked[0].facts == {"title": "Product 1", "type": "Mug", "brand": "Acme"}
    assert asked[0].candidates == {"A": "Aa", "B": "Bb"}
    assert [choice.key for choice in open_choices(categories, products, frozenset({"4", "9"}))] == ["4"]


@pytest.mark.parametrize(
    ("chosen", "threshold", "expected"),
    [
        (Chosen("A", "a mug", ENGINE), 0.9, ("A", "accepted", 0.92, 'words; the model: "a mug"')),
        (Chosen("A", "", ENGINE), 0.95, ("A", "suggested", 0.92, "words; chosen by the model")),
        (Chosen("B", "a bag", ENGINE), 0.9, ("B", "suggested", 0.7, 'the model: "a bag"')),
        (Chosen("B", "a bag", ENGINE), 0.6, ("B", "accepted", 0.7, 'the model: "a bag"')),
        (Chosen(None, "", ENGINE), 0.6, ("A", "suggested", 0.5, "words; the model finds that none of the candidates fits")),
    ],
)
def test_what_a_choice_is_worth(tmp_path: Path, chosen: Chosen, threshold: float, expected: tuple[Any, ...]) -> None:
    categories, _ = tables(tmp_path, [row("1"), row("2")], [row("3")])
    (tmp_path / "out").mkdir()
    found = with_choices(categories, {"1": chosen}, threshold, tmp_path / "out").open()
    assert found.metadata["given"] == "g" and found.batches == 2
    first, *others = found.arrow().to_pylist()
    assert tuple(first[name] for name in ("category", "status", "confidence", "reason")) == expected
    assert first["engine"] == ENGINE and first["name"] == {"A": "Aa", "B": "Bb"}[first["category"]]
    assert others == categories.arrow().to_pylist()[1:]
