"""Translations that say something else, and would hurt a shop (pairs in `said.yaml`): which the guards see, and how rarely they
refuse what is right."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.language.reading import opposites
from pipeline.language.reading.wording import LANGUAGES, fold, lists
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.guards import check
from pipeline.language.translation.segments import Segment

SAID = yaml.safe_load(Path(__file__).with_name("said.yaml").read_text("utf-8"))
ROWS = {kind: [row for found in SAID.values() for row in found.get(kind, ())] for kind in ("good", "bad")}
NAMES = {
    "en": {"height": "height", "width": "width", "depth": "depth"},
    "de": {"height": "Höhe", "width": "Breite", "depth": "Tiefe"},
    "fr": {"height": "hauteur", "width": "largeur", "depth": "profondeur"},
    "es": {"height": "alto", "width": "ancho", "depth": "fondo"},
}


def problems(source: str, target: str, source_locale: str, target_locale: str) -> list[str]:
    return check(Segment({"": source}), {"": target}, source_locale, target_locale, Glossary())


def test_nearly_all_that_would_hurt_a_shop_is_seen() -> None:
    passed = [(text, other) for source, target, text, other in ROWS["bad"] if not problems(text, other, source, target)]
    assert len(ROWS["bad"]) >= 130
    assert len(passed) <= len(ROWS["bad"]) // 20, passed


def test_few_right_translations_are_refused() -> None:
    alarms = {
        (text, other): found for source, target, text, other in ROWS["good"] if (found := problems(text, other, source, target))
    }
    assert len(ROWS["good"]) >= 240
    assert len(alarms) <= len(ROWS["good"]) // 100, alarms


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("Contains milk and soy", "Enthält Milch", "'soy' is lost"),
        ("Contains milk", "Enthält Milch und Ei", "'ei' is not in the source"),
        ("Contains milk, free from gluten", "Enthält Gluten, frei von Milch", "'milk' is denied"),
        ("Height 12 cm, width 8 cm", "Höhe 8 cm, Breite 12 cm", "12 is the height in the source, here the width"),
        ("Charger, cable and case included", "Ladegerät und Kabel enthalten", "of 3 items of the source, fewer are left"),
        ("Wireless mouse", "Kabelgebundene Maus", "'wireless' became 'kabelgebundene'"),
        ("Paper from FSC-certified forests", "Papier aus PEFC-zertifizierten Wäldern", "'FSC' became 'PEFC'"),
        ("Cable with a USB-C plug", "Kabel mit USB-A-Stecker", "'USB-C' became 'USB-A'"),
        ("Needs two AA batteries", "Braucht zwei AAA-Batterien", "'AA' became 'AAA'"),
        ("With an EU plug", "Mit UK-Stecker", "'EU' became 'UK'"),
        ("Light blue, striped", "Dunkelblau, gestreift", "'light' became 'dunkelblau'"),
        ("Medium", "Groß", "'medium' became 'gross'"),
        ("Dries in seconds", "Trocknet in Minuten", "'seconds' became 'minuten'"),
        ("Souvenir shirt", "Souvenirhemd, Geld-zurück-Garantie", "'geld-zuruck' advertises, and the source does not"),
    ],
)
def test_a_problem_says_what_is_wrong(source: str, target: str, said: str) -> None:
    assert said in problems(source, target, "en", "de")


@pytest.mark.parametrize(
    ("source", "target", "source_locale", "target_locale"),
    [
        ("Gluten-free, contains milk", "Glutenfrei, enthält Milch", "en", "de"),
        ("Glutenfrei, laktosefrei und vegan", "Sans gluten, sans lactose et végan", "de", "fr"),
        ("Terms and conditions", "AGB", "en", "de"),
        ("Height x width: 30 x 20 cm", "Maße (H x B): 30 x 20 cm", "en", "de"),
        ("Height 30 cm (11.8 in)", "Höhe 11,8 in (30 cm)", "en", "de"),
        ("Sans frais, sans fil", "Kabellos, ohne Aufpreis", "fr", "de"),
        ("Contains almond milk and buckwheat", "Enthält Mandelmilch und Buchweizen", "en", "de"),
        ("Contient du blé noir", "Enthält Buchweizen", "fr", "de"),
        ("Contains soy", "大豆を含む", "en", "ja"),
        ("Sunscreen SPF 50, made in the USA", "Sonnencreme LSF 50, in den USA hergestellt", "en", "de"),
        ("Fits US and EU sizes, XL", "Passt für US- und EU-Größen, XL", "en", "de"),
        ("NEW: works with any Wi-Fi and TV", "NEU: für jedes WLAN und jeden Fernseher", "en", "de"),
        ("Dark oak or light oak", "Eiche dunkel oder hell", "en", "de"),
        ("Sizes from Medium to Large", "Tailles de M à L", "en", "fr"),
        ("Light and airy, in dark green", "Luftig leicht, in Dunkelgrün", "en", "de"),
    ],
)
def test_what_is_worded_otherwise_passes(source: str, target: str, source_locale: str, target_locale: str) -> None:
    assert problems(source, target, source_locale, target_locale) == []


@given(
    sizes=st.lists(st.integers(1, 999), min_size=3, max_size=3, unique=True),
    languages=st.tuples(st.sampled_from(LANGUAGES), st.sampled_from(LANGUAGES)).filter(lambda pair: pair[0] != pair[1]),
    order=st.permutations(["height", "width", "depth"]),
)
def test_each_number_keeps_its_dimension(sizes: list[int], languages: tuple[str, str], order: list[str]) -> None:
    def written(language: str, names: list[str], numbers: list[int]) -> str:
        return ", ".join(f"{NAMES[language][name]} {number} cm" for name, number in zip(names, numbers, strict=True))

    source, target = languages
    numbers = dict(zip(("height", "width", "depth"), sizes, strict=True))
    text = written(source, list(numbers), sizes)
    assert problems(text, written(target, order, [numbers[name] for name in order]), *languages) == []
    swapped = [numbers[order[1]], numbers[order[0]], numbers[order[2]]]
    assert problems(text, written(target, order, swapped), *languages)


def test_words_are_written_as_they_are_compared() -> None:
    def patterns(node: object) -> list[str]:
        if isinstance(node, dict):
            return [found for value in node.values() for found in patterns(value)]
        return [node] if isinstance(node, str) else []

    for name in ("substances", "dimensions", "enumerations"):
        for pattern in patterns(lists(name)):
            assert fold(pattern.replace("\\W", "").replace("\\S", "")) == pattern.replace("\\W", "").replace("\\S", ""), (
                name,
                pattern,
            )


def test_a_group_of_opposites_is_looked_at_for_each_of_its_words() -> None:
    texts = [text for row in (*ROWS["good"], *ROWS["bad"]) for text in ((row[0], row[2]), (row[1], row[3]))]
    for language, text in texts:
        possible = set(opposites._possible(fold(text), language))
        for name in lists("opposites"):
            pattern = opposites._pattern(name, language)
            assert pattern is None or name in possible or not pattern.search(fold(text)), (name, text)
