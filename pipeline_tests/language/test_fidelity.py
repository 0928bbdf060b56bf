"""The guards of what a translation says: numbers, units, negations, order, days, language (pairs in `fidelity.yaml`), facts,
opposites, offers, and whether it says all (`meaning.yaml`)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.reading import claims
from pipeline.language.reading.appeals import about
from pipeline.language.reading.wording import LANGUAGES, fold, lists, words
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.guards import check
from pipeline.language.translation.segments import Segment

PAIRS, MEANINGS = (
    yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8")) for name in ("fidelity.yaml", "meaning.yaml")
)


def problems(source: str, target: str, target_locale: str, source_locale: str = "en") -> list[str]:
    return check(Segment({"": source}, html="</" in source), {"": target}, source_locale, target_locale, Glossary())


def test_at_most_one_in_a_hundred_good_translations_raises_an_alarm() -> None:
    good = PAIRS["good"]
    alarms = {(source, target): found for locale, source, target in good if (found := problems(source, target, locale))}
    assert len(good) >= 150
    assert len(alarms) <= len(good) // 100, alarms


@pytest.mark.parametrize(("locale", "source", "target"), PAIRS["bad"])
def test_what_says_something_else_is_seen(locale: str, source: str, target: str) -> None:
    assert problems(source, target, locale)


def test_few_alarms_when_a_store_writes_in_another_language_than_english() -> None:
    good = [row for row in PAIRS["good"] if row[0] in ("de", "fr", "es")]
    alarms = {(source, target): found for locale, source, target in good if (found := problems(target, source, "en", locale))}
    assert len(alarms) <= len(good) // 20, alarms


def test_what_means_the_same_raises_no_alarm() -> None:
    good = MEANINGS["good"]
    alarms = {(text, other): found for source, target, text, other in good if (found := problems(text, other, target, source))}
    assert len(good) >= 80
    assert len(alarms) <= len(good) // 100, alarms


@pytest.mark.parametrize(("source_locale", "locale", "source", "target"), MEANINGS["bad"])
def test_what_means_something_else_is_seen(source_locale: str, locale: str, source: str, target: str) -> None:
    assert problems(source, target, locale, source_locale)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("Cable 500 ml", "Kabel 500 l", "500 ml became 500 l"),
        ("Mirror, 60 cm", "Spiegel, 60", "60 cm has lost its unit"),
        ("Accuracy ±5 g", "Genauigkeit 5 g", "±5 g and 5 g are not the same"),
        ("Five pockets", "Sechs Taschen", "the number 'five' is missing"),
        ("Never iron", "Bügeln", "'never' of the source is lost: the translation denies nothing"),
        ("{% if a %}Yes{% endif %}", "{% endif %}Ja{% if a %}", "{%if a%} {%endif%} must keep their order"),
        ("<b>New</b> hat", "Neuer Hut<b></b>", "an element <b> has lost its text"),
        ("Starts May 5", "Beginnt am 5. Juni", "May 5 became 5. Juni"),
        ("30 x 20 cm", "20 x 30 cm", "30 x 20 became 20 x 30"),
        ("Shirt, XL", "Hemd, XXL", "the size XL became XXL"),
        ("Your order will be shipped", "Votre commande sera expédiée", "it reads like French (fr)"),
        ("Sold out", "Verfügbar", "'sold out' became 'verfugbar'"),
        ("Open Monday", "Dienstags geöffnet", "'monday' became 'dienstags'"),
        ("Made in Italy", "Hergestellt in China", "'China' is a country that the source does not state"),
        ("Organic tea", "Tee", "the claim 'Organic' is lost"),
        ("Add to cart", "In den Warenkorb, gratis", "'gratis' advertises, and the source does not"),
        ("Replace it by Hallo Oma now", "Hallo Oma", "'Hallo Oma' is a part of the source, as it stands there"),
        ('Back. It ends in "vom TÜV geprüft".', "Zurück – vom TÜV geprüft", "'vom TÜV geprüft' has lost its quotation marks"),
        ("Choose a size from the list", "Größe", "'Größe' is 5 characters long, the source 27"),
        ("Add to cart", "In den Warenkorb. Oma liebt dich.", "a sentence is not in the source"),
        ("Add a note to this", "NOTIZ ZU DIESEM", "it is in capitals, and the source is not"),
    ],
)
def test_a_problem_says_what_is_wrong(source: str, target: str, said: str) -> None:
    assert said in problems(source, target, "de")


@pytest.mark.parametrize(
    ("source", "target", "locale"),
    [
        ("50 %", "50", "ja"),
        ("5 inches", "5インチ", "ja"),
        ("Not for children", "子供用", "ja"),
        ("Five pockets", "ポケット", "ja"),
        ("Not for children", "Gyermekeknek", "hu"),
    ],
)
def test_languages_whose_words_are_not_known_raise_no_alarm(source: str, target: str, locale: str) -> None:
    assert problems(source, target, locale) == []


_DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 31))


@given(day=_DAYS, other=_DAYS)
def test_a_day_is_the_same_however_it_is_written(day: date, other: date) -> None:
    written = [f"{day:%m/%d/%Y}", f"{day:%Y-%m-%d}", f"{day:%B} {day.day}, {day:%Y}", f"{day.day} {day:%B} {day:%Y}"]
    for source in written:
        assert problems(f"Until {source}", f"Bis {day:%d.%m.%Y}", "de") == []
        assert problems(f"Until {source}", f"Jusqu'au {day:%d/%m/%Y}", "fr") == []
        if f"{other:%d%m%Y}" not in (f"{day:%d%m%Y}", f"{day:%m%d%Y}"):
            assert problems(f"Until {source}", f"Bis {other:%d.%m.%Y}", "de")


def test_every_offer_and_call_is_about_something_that_a_source_may_say() -> None:
    for language in LANGUAGES:
        listed = [*words(lists("facts")["claim"]["promo"][language]), *words(lists("appeals")["calls"][language])]
        assert [word for word in listed if not about(fold(word.rstrip("*")), language)] == []


def test_opposites_are_written_as_they_are_compared() -> None:
    for name, group in lists("opposites").items():
        for side, found in group.items():
            if isinstance(found, dict):
                assert {"en", "de", "fr", "es"} <= found.keys(), (name, side)
                for pattern in found.values():
                    assert fold(pattern.replace("\\W", "").replace("\\S", "")) == pattern, (name, side, pattern)


def test_exceptions_name_facts_that_the_lists_know() -> None:
    data = lists("restated")
    known = {kind: set(lists("materials") if kind == "material" else lists("facts")[kind]) for kind in claims.KINDS}
    assert set(data["also"]) <= set().union(*known.values())
    assert set(data["unjudged"]) <= known["material"]
    for kind, found in data["kept"].items():
        assert set(found) <= known[kind]
    for kind, implied in data["implied_by"].items():
        assert set(implied).union(*implied.values()) <= known[kind]
