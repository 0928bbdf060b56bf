"""The guards: what people translate passes, what breaks a text does not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.glossary import Glossary, Term
from pipeline.language.guards import check
from pipeline.language.masks import spans
from pipeline.language.segments import Segment, tidy

PAIRS = yaml.safe_load(Path(__file__).with_name("pairs.yaml").read_text("utf-8"))
GOOD = [(row[0], locale, row[place]) for row in PAIRS for place, locale in enumerate(("de", "fr", "es", "pl"), 1)]


def problems(source: str, target: str, locale: str = "de", glossary: Glossary | None = None, **more: object) -> list[str]:
    segment = Segment({"": source}, html="<" in source, **more)  # type: ignore[arg-type]
    return check(segment, {"": target}, "en", locale, glossary or Glossary())


def test_what_people_translate_passes() -> None:
    alarms = {(source, target): found for source, locale, target in GOOD if (found := problems(source, target, locale))}
    assert len(GOOD) >= 200
    assert len(alarms) <= len(GOOD) // 100, alarms


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("{{ count }} items", "Artikel"),
        ("{{ count }} items", "{{ anzahl }} Artikel"),
        ("{{ count }} items", "{{ count }} {{ count }} Artikel"),
        ("{{ count }} items", "{ count } Artikel"),
        ("{count} items", "{elementos} de cuenta"),
        ("%s of %d", "%d von %s"),
        ("%s items", "% s Artikel"),
        ("%(name)s", "%(nombre)s"),
        ("{% if a %}x{% endif %} text", "{% if a %}x Text"),
        ("<b>Sale</b> now", "Jetzt Sale"),
        ("<b>Sale</b> now", "<b>Jetzt <b>Sale"),
        ("<b>a <i>b</i></b>", "<b>a <i>b</b></i>"),
        ('<a href="/x">go</a>', '<a href="/y">los</a>'),
        ('<a href="/x">go</a>', '<a href="/x" onclick="x()">los</a>'),
        ("Plain text", "Text <script>alert(1)</script>"),
        ("Plain text", "Text <img src=x"),
        ("Fish &amp; chips", "Fisch &amp;amp; Pommes"),
        ("Fish and chips", "Fisch &amp; Pommes"),
        ("Pack of 5", "Packung mit 6"),
        ("Pack of 5", "Fünferpack"),
        ("1,000 items", "10.000 Artikel"),
        ("1.5 liters", "15 Liter"),
        ("Save 20% now", "Jetzt 20% bis 30% sparen"),
        ("Write to a@b.com", "Schreib an a@c.com"),
        ("See https://a.com/x", "Siehe https://b.com/x"),
        ("Close", "Translation: Schließen"),
        ("Close", "```Schließen```"),
        ("Close", "Sure, Schließen"),
        ("Close", '"Schließen"'),
        ("Close", "Schließen\u200b"),
        ("Close", "\u202eSchließen"),
        ("Close", "关闭"),
        ("Close", ""),
        ("Close", "   "),
        ("Close", "Schließen " * 20),
        ("Save your changes now", "Save your changes now"),
        ("One\nTwo", "Eins Zwei"),
        ("Close", "⟦1⟧Schließen"),
    ],
)
def test_what_breaks_a_text_does_not(source: str, target: str) -> None:
    assert problems(source, target)


@pytest.mark.parametrize(
    ("source", "target", "locale"),
    [
        ("Save your changes now", "Save your changes now", "ja"),
        ("Save your changes now", "Guardar los cambios", "ru"),
        ("Close", "Schlieбen", "de"),
    ],
)
def test_other_languages_are_noticed(source: str, target: str, locale: str) -> None:
    assert problems(source, target, locale)


@pytest.mark.parametrize(
    ("source", "target", "locale"),
    [
        ("Save your changes", "変更を保存する", "ja"),
        ("Save your changes", "保存更改", "zh-CN"),
        ("Save your changes", "حفظ التغييرات", "ar"),
        ("Save your changes", "ذخیره\u200cسازی تغییرات", "fa"),
        ("Over 1,000 items", "١٬٠٠٠ عنصر", "ar"),
        ("Save your Instagram feed", "Instagramフィードを保存", "ja"),
        ("Colour of your order", "Color of your order", "en-US"),
    ],
)
def test_other_scripts_and_digits_pass(source: str, target: str, locale: str) -> None:
    assert problems(source, target, locale) == []


def test_limits() -> None:
    assert problems("Close", "Schließen", max_length=9) == []
    assert problems("Close", "Schließen!", max_length=9) == ["it has 10 characters, at most 9"]


def test_glossary() -> None:
    glossary = Glossary((Term("Acme", "", None), Term("cart", "de", "Warenkorb"), Term("Size", "fr", "Taille")))
    assert problems("Acme cart", "Acme-Warenkorb", glossary=glossary) == []
    assert problems("Carts? cart!", "Warenkörbe? Des Warenkorbs!", glossary=glossary) == []
    assert problems("Acme cart", "Akme-Warenkorb", glossary=glossary) == ["the term Acme is missing"]
    assert problems("Your cart", "Dein Korb", glossary=glossary) == ["'cart' must be translated as 'Warenkorb'"]
    assert problems("Cartoon size", "Comicgröße", glossary=glossary) == []


def test_each_plural_form_is_judged_by_the_source_form_that_it_stands_for() -> None:
    segment = Segment({"one": "One item", "other": "{n} items"}, plural=True)

    def judged(locale: str, **forms: str) -> list[str]:
        return check(segment, forms, "en", locale, Glossary())

    assert judged("de", one="Ein Artikel", other="{n} Artikel") == []
    assert judged("de", one="{n} Artikel", other="{n} Artikel") == []
    assert judged("ru", one="{n} товар", few="{n} товара", many="{n} товаров", other="{n} товара") == []
    assert judged("ru", one="Один товар", few="{n} товара", many="{n} товаров", other="{n} товара") == [
        "one: the placeholder {n} is missing"
    ]
    assert judged("de", one="Ein Artikel", other="Artikel") == ["other: the placeholder {n} is missing"]
    assert judged("pl", one="Jeden", other="{n}") == ["the form 'few' is missing or empty", "the form 'many' is missing or empty"]


@given(pair=st.sampled_from(GOOD), seed=st.integers(0, 10**6))
def test_no_corruption_of_a_protected_part_passes(pair: tuple[str, str, str], seed: int) -> None:
    """A placeholder, tag, address or number of a good translation that is dropped, doubled, changed or invented is seen."""
    source, locale, target = pair
    chance = random.Random(seed)  # noqa: S311
    parts = [(s.start, s.end) for s in spans(target)] + [m.span() for m in re.finditer(r"(?<![\d.,  ])\d+(?![\d.,  ])", target)]
    parts = [part for part in parts if not any(other[0] <= part[0] and part[1] <= other[1] for other in parts if other != part)]
    if not parts:
        spoiled = target + chance.choice([" {{ x }}", " 7", " <b>", " %s", " https://x.example/", " x@y.example"])
    else:
        start, end = chance.choice(parts)
        part = target[start:end]
        other = chance.choice(
            ["", part + part + " ", "{{ other }}", part[:-1] + "9" if part.isdecimal() else part[1:], f"{part} 13"]
        )
        spoiled = target[:start] + other + target[end:]
    if spoiled != target:
        assert problems(source, spoiled, locale), (source, spoiled)


@given(source=st.text(max_size=30), target=st.text(max_size=30))
def test_tidy_keeps_the_outer_spaces_of_the_source(source: str, target: str) -> None:
    found = tidy(source, target)
    if source.strip() and target.strip():
        assert found[: len(found) - len(found.lstrip())] == source[: len(source) - len(source.lstrip())]
        assert found.rstrip() + source[len(source.rstrip()) :] == found
