"""Translation memories of other tools in and out, and similar translations as examples for a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.language.translation.exchange import Imported, Uses, export_tmx, import_units
from pipeline.language.translation.memory import Translation, remember, text_hash
from pipeline.language.translation.segments import Segment
from pipeline.language.translation.tmx import Unit, read_tmx, write_tmx
from pipeline.model.errors import BadInputError
from pipeline_tests.language.conftest import Desk

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US" datatype="plaintext"/><body>
<tu><tuv xml:lang="en-US"><seg>Add to cart</seg></tuv><tuv xml:lang="de-DE"><seg>In den Warenkorb</seg></tuv>
    <tuv xml:lang="FR"><seg>Ajouter au panier</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Hi <ph>{{ name }}</ph>!</seg></tuv>
    <tuv xml:lang="de-DE"><seg>Hallo <ph>{{ name }}</ph>!</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Hi <ph x="1">{{ name }}</ph></seg></tuv><tuv xml:lang="de-DE"><seg>Hallo</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Alone</seg></tuv></tu>
<tu><tuv xml:lang="it"><seg>Ciao</seg></tuv><tuv xml:lang="de-DE"><seg>Hallo</seg></tuv></tu>
</body></tmx>
"""


def import_tmx(desk: Desk, content: bytes, only: Sequence[str] = (), uses: Uses | None = None) -> Imported:
    return import_units(desk.connection, desk.store_id, read_tmx(content, "agency.tmx"), "agency.tmx", "en", only, uses)


def test_what_an_agency_hands_in_is_used_and_judged(desk: Desk) -> None:
    done = import_tmx(desk, TMX.encode())
    assert done.by_language == {"": {"refused": 2}, "de-DE": {"new": 2, "refused": 1}, "fr": {"new": 1}}
    reasons = [(row.line, row.language) for row in done.refused]
    assert reasons == [(8, "de-DE"), (9, ""), (10, "")] and "name" in done.refused[0].reason
    result = desk.plan(["Add to cart"], "fr").results[0]
    assert result is not None and (result.engine, result.forms) == ("human", {"": "Ajouter au panier"})
    again = import_tmx(desk, TMX.replace("In den Warenkorb", "In den Korb").encode("utf-16")).by_language
    assert again["de-DE"] == {"changed": 1, "unchanged": 1, "refused": 1} and again["fr"] == {"unchanged": 1}


def used_in(*languages: str) -> Uses:
    return Uses(labels={text_hash({"": "Add to cart"})}, languages=languages)


def test_a_language_with_a_region_counts_for_the_one_that_is_used(desk: Desk) -> None:
    done = import_tmx(desk, TMX.encode(), uses=used_in("de", "fr-CA"))
    assert done.counted == {"de-DE": "de"}
    assert done.by_language == {"": {"refused": 2}, "de": {"new": 2, "refused": 1}, "fr": {"new": 1}}
    assert [(row.source, row.of) for row in done.rows if row.kept] == [
        ("Add to cart", ("labels",)), ("Add to cart", ("labels",)), ("Hi {{ name }}!", ()),
    ]  # fmt: skip
    assert done.strangers == 1
    result = desk.plan(["Add to cart"], "de").results[0]
    assert result is not None and (result.engine, result.forms) == ("human", {"": "In den Warenkorb"})
    for only in ("de", "de-DE"):  # as it is said or as it is written
        again = import_tmx(desk, TMX.encode(), only=[only], uses=used_in("de"))
        assert again.by_language["de"] == {"unchanged": 2, "refused": 1} and "fr" not in again.by_language


def test_a_language_with_a_region_counts_also_where_it_is_used_only_later(desk: Desk) -> None:
    import_tmx(desk, TMX.encode())  # nothing is translated yet

    def used(*languages: str) -> bool:
        (result,) = desk.plan(["Add to cart"], "de", languages).results
        return result is not None and (result.engine, result.forms) == ("human", {"": "In den Warenkorb"})

    assert used() and used("de", "fr", "de-DE")
    assert not used("de", "de-AT")
    import_tmx(desk, TMX.replace("de-DE", "de-CH").encode())
    assert not used()  # of two, which one is meant?


def test_the_own_text_of_a_language_goes_before_a_regions(desk: Desk) -> None:
    both = TMX.replace("FR", "de").replace("Ajouter au panier", "In den Korb")
    import_tmx(desk, both.encode(), uses=used_in("de"))
    result = desk.plan(["Add to cart"], "de").results[0]
    assert result is not None and result.forms == {"": "In den Korb"}


def test_languages_that_are_not_in_the_file_are_said(desk: Desk) -> None:
    with pytest.raises(BadInputError, match="no translations into es, but into de-DE, fr, it; say one of these with --to"):
        import_tmx(desk, TMX.encode(), only=["es"])


def test_what_goes_out_comes_in_again(desk: Desk) -> None:
    import_tmx(desk, TMX.encode())
    plural = Translation({"one": "item", "other": "items"}, {"one": "Artikel", "other": "Artikel"}, "", "x")
    remember(desk.connection, desk.store_id, "en", "de-DE", [plural])
    content, count, left = export_tmx(desk.connection, desk.store_id, "en", "de-DE")
    assert (count, left) == (2, 1)
    units = [unit.texts for unit in read_tmx(content, "x") if isinstance(unit, Unit)]
    assert {unit["en"]: unit["de-DE"] for unit in units} == {
        "Add to cart": "In den Warenkorb",
        "Hi {{ name }}!": "Hallo {{ name }}!",
    }


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pairs=st.lists(st.tuples(_TEXT, _TEXT), max_size=5))
def test_every_text_survives(pairs: list[tuple[str, str]]) -> None:
    found = [unit for unit in read_tmx(write_tmx("en", "de", pairs), "x") if isinstance(unit, Unit)]
    assert [(unit.texts["en"], unit.texts["de"]) for unit in found] == pairs


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not xml", b"<html/>", b"<tmx version='1.4'><body><tu>",
        b'<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><xliff>&b;</xliff>',
    ],
)  # fmt: skip
def test_what_is_no_memory_is_one_sentence(content: bytes) -> None:
    with pytest.raises(BadInputError, match=r"x\.tmx"):
        list(read_tmx(content, "x.tmx"))


def test_entities_are_not_resolved_and_files_not_read(desk: Desk) -> None:
    content = b"""<!DOCTYPE tmx [<!ENTITY secret SYSTEM "file:///etc/passwd"><!ENTITY a "aaaa">]><tmx version="1.4"><body>
<tu><tuv xml:lang="en"><seg>One &secret;</seg></tuv><tuv xml:lang="de"><seg>Eins</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Two</seg></tuv><tuv xml:lang="de"><seg>Zwei &a;</seg></tuv></tu></body></tmx>"""
    done = import_tmx(desk, content)
    assert [(row.outcome, row.reason) for row in done.rows] == [
        ("refused", "it has an entity of its own, which is not resolved")
    ] * 2


def remembered(connection: psycopg.Connection, store_id: UUID, context: str, **texts: str) -> None:
    pairs = [Translation({"": source.replace("_", " ")}, {"": target}, context, "x") for source, target in texts.items()]
    remember(connection, store_id, "en", "de", pairs)


def test_similar_translations_of_a_file_are_examples_and_nothing_more(desk: Desk) -> None:
    remembered(desk.connection, desk.store_id, "main:cart", Add_to_your_cart="In Ihren Warenkorb", Pay_now="Jetzt zahlen")
    remembered(desk.connection, desk.store_id, "main:x", **{"Add to cart {{ x }}": "Ab {{ x }}"})
    for elsewhere in ("app:cart", "mainly:cart", ""):
        remembered(desk.connection, desk.store_id, elsewhere, Add_to_a_cart="In den Denby-Wagen")
    labels = [Segment({"": text}, origin="main:") for text in ("Add to the cart", "Wishlist")]
    product = Segment({"": "Add to that cart"}, product="p-1")
    results = desk.translate([*labels, product, Segment({"": "Add to this cart"}, origin="theme:")])
    assert [result.engine for result in results] == ["model:gpt-6-luna"] * 4
    requests = [json.loads(each["messages"][-1]["content"])["items"] for each in desk.model.requests]
    items = {item["text"]: item.get("similar") for asked in requests for item in asked}
    assert items == {
        "Add to the cart": [{"source": "Add to your cart", "translation": "In Ihren Warenkorb"}],
        "Wishlist": None, "Add to that cart": None, "Add to this cart": None,
    }  # fmt: skip
    # Another memory does not ask again for what is there.
    asked = len(requests)
    remembered(desk.connection, desk.store_id, "main:wishes", Wish_list="Wunschliste")
    desk.translate(labels)
    assert len(desk.model.requests) == asked
