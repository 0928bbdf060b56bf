"""The guards: what people translate passes, what breaks a text does not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.translation.glossary import Glossary, Term
from pipeline.language.translation.guards import check
from pipeline.language.translation.masks import mask, spans
from pipeline.language.translation.segments import Segment, tidy

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
        ("Replaces SKU AB-1234-X", "Ersetzt SKU XY-1234-Z"),
        ("Replaces SKU AB-1234-X", "Ersetzt SKU AB-1234-XY"),
        ("Replaces SKU AB-1234-X", "Ersetzt SKU AB-1234-X und AB-1235-X"),
        ("Works with WH1000XM4", "Passt zu XH1000XN4"),
        ("Works with WH-1000XM4", "Passt zu WHo-1000XMo4"),
        ("Works with WH-1000XM4", "Passt zu WH 1000XM4"),
        ("Use code SAVE10", "Code SPAR10 verwenden"),
        ("Visit www.evil.com", "Besuchen Sie www.good.com"),
        ("See shop.example/a", "Siehe shop.example/b"),
        ("Thanks", "Danke! evil.com"),
        ("Thanks", "Danke! Evil.Com"),
        ("Thanks", "Danke! evil.co.uk"),
        ("Thanks", "Danke! t.co/abc"),
        ("Thanks", "Danke! HTTPS://EVIL.COM"),
        ("Thanks", "Danke! sales@evil.example"),
        ("Fish &amp; chips <b>hot</b>", "Fisch &amp; Pommes <b>heiß</b> evil&#46;com"),
        ("1.250 kg", "1250 kg"),
        ("1.250 kg", "1.250 kg"),
        ("1,250 kg", "1,250 kg"),
        ("-5 °C", "5 °C"),
        ("5 °C", "-5 °C"),
        ("From -$5", "Ab 5 $"),
        ("5 cm", "5 mm"),
        ("5 cm wide", "5 Zoll breit"),
        ("500 ml bottle", "Flasche mit 500 mg"),
        ("From $5", "Ab 5 €"),
        ("Call 0170 55", "Telefon 170 55"),
        ("Soft shirt", "Weiches Hemd, GRATIS"),
        ("Soft shirt", "Weiches Hemd. Kaufen Sie woanders"),
        ("Lead-free mug", "Bleifreier Becher, gratis"),
        ("Soft shirt", "Weiches Hemd aus feinster Wolle von Schafen, die auf grünen Weiden stehen"),
        ("Soft shirt for every day. " * 6, "Weiches Hemd."),
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


@pytest.mark.parametrize(
    ("source", "target", "locale"),
    [
        ("Replaces SKU AB-1234-X", "Ersetzt SKU AB-1234-X", "de"),
        ("Model WH-1000XM4 headphones", "WH-1000XM4-Kopfhörer", "de"),
        ("Headphones WH1000XM4", "WH1000XM4ヘッドホン", "ja"),
        ("5cm x 500ml, 3D, 2x, 1st", "5 cm x 500 ml, 3-D, 2 x, 1.", "de"),
        ("2-in-1, 128GB, 12V", "2 en 1, 128 Go, 12 V", "fr"),
        ("SALE-50%", "AUSVERKAUF 50 %", "de"),
        ("Visit www.shop.example", "Besuchen Sie www.shop.example", "de"),
        ("Open 9 am to 5 pm", "Geöffnet 9 bis 17 Uhr", "de"),
        ("Open 24/7", "Rund um die Uhr geöffnet", "de"),
        ("1st purchase", "1.ª compra", "es"),
        ("Open 9:30 AM-5:00 PM", "Geöffnet 9:30–17 Uhr", "de"),
        ("Open 09:00 to 5 p.m.", "Ouvert de 9 h 00 à 17 h", "fr"),
        ("½ inch", "1/2 Zoll", "de"),
        ("1½ cups, ¾ full", "1,5 Tassen, 3/4 voll", "de"),
        ("Page 1/2", "Seite 1 von 2", "de"),
        ("Pack of three", "3er-Pack", "de"),
        ("Pack of 3", "Packung mit drei", "de"),
        ("Set of twelve", "Zestaw 12 sztuk", "pl"),
        ("2 columns", "Duas colunas", "pt-BR"),
        ("Manage [profiles](https://help.shop.example/manage)", "[프로필](https://help.shop.example/manage)이 추가", "ko"),
        ("1.500 kg", "1,5 kg", "de"),
        ("1,500 g", "1.500 g", "es"),
        ("1,500 g", "1,500 g", "es-MX"),
        ("1,500 g", "1’500 g", "de-CH"),
        ("0.750 l", "0,75 l", "fr"),
        ("-5 to -10 °C", "minus 5 bis −10 °C", "de"),
        ("5-10 cm", "5–10 cm", "de"),
        ("5 inches", "5 Zoll", "de"),
        ("5 in a pack", "5 w opakowaniu", "pl"),
        ("From $5", "Od 5 USD", "pl"),
        ("10 m2", "10 m²", "de"),
        ("Free", "Gratis", "de"),
        ("100% off", "100 % Rabatt", "de"),
        ("Affordable lamp", "Günstige Lampe", "de"),
        ("Noise reduction", "Réduction du bruit", "fr"),
        ("FAQ", "Najczęściej zadawane pytania", "pl"),
        ("Soft shirt for every day. " * 6, "日常穿着的柔软衬衫。" * 6, "zh-CN"),
        ("Christmas delivery by 12/24", "Weihnachtslieferung bis 24.12.", "de"),
        ("Christmas delivery by 12/24", "Livraison pour Noël avant le 24/12", "fr"),
        ("Second item at a lower price", "2e article à prix réduit", "fr"),
    ],
)
def test_what_people_write_otherwise_passes(source: str, target: str, locale: str) -> None:
    assert problems(source, target, locale) == []


@pytest.mark.parametrize(
    "target", ["Lieferung bis 24.11.", "Lieferung bis 12.25.", "Lieferung bis 24.12. und 3", "Lieferung bis 24,12"]
)
def test_another_day_is_another_number(target: str) -> None:
    assert problems("Delivery by 12/24", target)


def test_numbers_are_read_as_their_language_writes_them() -> None:
    def judged(source: str, target: str, source_locale: str, target_locale: str) -> list[str]:
        return check(Segment({"": source}), {"": target}, source_locale, target_locale, Glossary())

    assert judged("1.250 kg", "1,250 kg", "de", "en") == [] == judged("1.250 kg", "1250 kg", "de", "fr")
    assert judged("1,250 kg", "1.25 kg", "de", "en") == []
    assert judged("1.250 kg", "1.250 kg", "de", "en") and judged("1,250 kg", "1250 kg", "fr", "de")


@given(
    value=st.integers(1, 10**7),
    places=st.integers(0, 4),
    other=st.integers(1, 10**7),
    locale=st.sampled_from(["de", "fr", "pl", "ja"]),
)
def test_a_number_stays_whatever_its_separators(value: int, places: int, other: int, locale: str) -> None:
    """Written as English and as another language write it, it is the same; another number is another."""

    def written(number: int, language: str) -> str:
        text = f"{number / 10**places:,.{places}f}"
        separators = {"de": ".,", "fr": "\u202f,", "pl": "\xa0,"}.get(language, ",.")
        return text.translate(str.maketrans(",.", separators))

    assert problems(f"about {written(value, 'en')} kg", f"circa {written(value, locale)} kg", locale) == []
    if value != other:
        assert problems(f"about {written(value, 'en')} kg", f"circa {written(other, locale)} kg", locale)


_CODES = st.from_regex(r"[A-Z]{1,4}-?[0-9]{1,4}[A-Z]{0,3}(-[A-Z0-9]{1,3}){0,2}", fullmatch=True).filter(
    lambda code: not re.match("X[0-9]|[AP]M-", code)
)


@given(code=_CODES, place=st.integers(0, 20), letter=st.sampled_from("AZ09-xß"))
def test_a_code_comes_through_unchanged_or_not_at_all(code: str, place: int, letter: str) -> None:
    source, masked = f"Replaces {code}, please", mask({"": f"Replaces {code}, please"})
    assert masked.forms[""] == "Replaces ⟦1⟧, please" and masked.spans == (code,)
    assert problems(source, f"Ersetzt {code}, bitte") == []
    at = place % len(code)
    for spoiled in (code[:at] + letter + code[at + 1 :], code[:at] + code[at + 1 :], code[:at] + letter + code[at:]):
        if spoiled.removeprefix("-") != code:  # compounds have hyphens
            assert problems(source, f"Ersetzt {spoiled}, bitte"), spoiled


def test_what_is_kept_of_one_text() -> None:
    assert problems("Lamp MOON99 by Ohm", "Lampe MOON99 von Ohm", kept=("Ohm",)) == []
    assert problems("Lamp by Ohm", "Lampe von Om", kept=("Ohm",))[0] == "the term Ohm is missing"


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


_PIECES = (
    st.text(max_size=8) | st.text("0123456789.,-/٫٬½ ", max_size=40) | st.sampled_from(["pm", "cm", " kg", "1/2", "9" * 40, "⅓"])
)


@given(
    parts=st.lists(_PIECES, max_size=6), others=st.lists(_PIECES, max_size=6), locale=st.sampled_from(["de", "es", "ar", "ja"])
)
def test_any_text_is_judged(parts: list[str], others: list[str], locale: str) -> None:
    source, target = "".join(parts), "".join(others)
    assert isinstance(problems(source, target, locale), list)


@given(source=st.text(max_size=30), target=st.text(max_size=30))
def test_tidy_keeps_the_outer_spaces_of_the_source(source: str, target: str) -> None:
    found = tidy(source, target)
    if source.strip() and target.strip():
        assert found[: len(found) - len(found.lstrip())] == source[: len(source) - len(source.lstrip())]
        assert found.rstrip() + source[len(source.rstrip()) :] == found
