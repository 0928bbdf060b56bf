import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quality.casing import is_all_caps, is_shouting_store, learn_lexicon, recase
from pipeline_tests.reference import reference


@pytest.mark.parametrize(
    ("title", "shouts"),
    [
        ("WIRELESS GAMING MOUSE FOR PC", True),
        ("SOMMERKLEID MIT TASCHEN FÜR DAMEN", True),
        ("LED TV USB HDMI WLAN SSD", False),
        ("NEW SHOE", False),
        ("BIG Red Car for Boys", False),
        ("12345 67890", False),
    ],
)
def test_when_a_title_shouts(title, shouts):
    assert is_all_caps(title) is shouts


@pytest.mark.parametrize(
    ("language", "title", "expected"),
    [
        ("en", 'LED TV 55" 4K UHD HDR10 LG OLED55C1', 'LED TV 55" 4K UHD HDR10 LG OLED55C1'),
        ("en", "STEEL-BLUE T-SHIRT XL: THE CLASSIC", "Steel-Blue T-Shirt XL: The Classic"),
        ("en", "CHAIN 65MM WITH 2 KG AND 5 L", "Chain 65mm with 2 kg and 5 l"),
        ("en", "MEN'S SHIRT OF THE YEAR II", "Men's Shirt of the Year II"),
        ("de", "KLEID MIT TASCHEN FÜR DIE STRASSE", "Kleid mit Taschen für die Strasse"),
        ("fr", "L'ART DE LA TABLE", "l'Art de la Table"),
        ("es", "CAMISETA DE ALGODÓN PARA NIÑOS", "Camiseta de Algodón para Niños"),
        ("tr", "KIRMIZI İPEK ELBİSE", "Kırmızı İpek Elbise"),
        ("tr", "ıİ", "Ii"),
        ("tr", "Ii", "Ii"),
        ("tr", "MURAT II", "Murat II"),
    ],
)
def test_words_are_spelled_as_the_language_does(language, title, expected):
    assert recase(title, {}, language) == expected


def test_the_store_teaches_its_own_spellings():
    titles = ["Shirt by McQueen in Blue", "Bag by McQueen in Red", "Once Only XyZ here", "SALE SALE SALE", "quiet mcqueen"]
    lexicon = learn_lexicon(titles, ["deLonghi", "ACME", "BIG STORE"])
    assert lexicon["mcqueen"] == "McQueen" and lexicon["delonghi"] == "deLonghi" and lexicon["acme"] == "ACME"
    assert "xyz" not in lexicon and "sale" not in lexicon and "store" not in lexicon
    assert recase("MCQUEEN KETTLE BY DELONGHI", lexicon, "en") == "McQueen Kettle by deLonghi"


def test_a_store_shouts_when_half_of_its_titles_do():
    assert is_shouting_store(["LORENE TOP", "GIA TOP", "NOA TOP", "Bag", "Hat"])
    assert not is_shouting_store(["LORENE TOP", "GIA TOP"])
    assert not is_shouting_store(["LORENE TOP", "GIA TOP", "NOA TOP", *["Hat"] * 9, "123"])


@settings(max_examples=400)
@given(st.text(alphabet="aAbBÉéßİıʼnﬁ '-./:123 ", max_size=40), st.sampled_from(["en", "de", "fr", "tr"]))
def test_only_the_case_of_letters_changes_and_only_once(title, language):
    once = recase(title, {}, language)
    assert len(once) == len(title)
    assert recase(once, {}, language) == once


def test_small_words_follow_common_practice():
    cases = json.loads(reference("quality-data", "titlecase", "titlecase_cases.json").read_text(encoding="utf-8"))
    usable = [case for case in cases if case["input"].isascii()]
    equal = sum(recase(case["input"].upper(), {}, "en").replace(" with ", " With ") == case["expected"] for case in usable)
    # What is left are spellings that nobody can know from capitals, such as McCay, OmniFocus and del.icio.us.
    assert equal >= 0.5 * len(usable)
