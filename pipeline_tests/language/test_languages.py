"""The facts about languages agree with each other."""

from __future__ import annotations

import gettext
import re

import pytest
import yaml

from pipeline.language import languages
from pipeline.language.languages import CATEGORIES, counted_as, language_name, normalize_tag, plurals, scripts
from pipeline.language.translation.segments import Segment
from pipeline.model.errors import UsageError

TAGS = sorted(languages._plurals())


@pytest.mark.parametrize("tag", TAGS)
def test_gettext_rule_gives_the_category_of_each_example(tag: str) -> None:
    found = plurals(tag)
    rule = re.fullmatch(r"nplurals=(\d); plural=(.*);", found.gettext_rule)
    assert rule is not None and int(rule[1]) == len(found.gettext_forms)
    form_of = gettext.c2py(rule[2])
    assert {form_of(n) for n in range(300)} == set(range(len(found.gettext_forms)))
    for category, examples in found.categories.items():
        for number in examples.split(", "):
            if number.isdecimal() and category in found.gettext_forms:
                assert found.gettext_forms[form_of(int(number))] == category, number


@pytest.mark.parametrize("tag", TAGS)
def test_categories_are_known_and_other_is_among_them(tag: str) -> None:
    found = plurals(tag)
    assert set(found.gettext_forms) <= set(found.categories) <= set(CATEGORIES)
    assert "other" in found.categories
    assert all(found.categories[category].isdecimal() for category in found.single)
    assert language_name(tag) != tag


def test_each_language_is_there_once() -> None:
    data = yaml.safe_load(languages.Path(languages.__file__).with_name("languages.yaml").read_text("utf-8"))
    listed = [tag for group in data["plurals"] for tag in group["languages"]]
    assert len(listed) == len(set(listed)) and all(isinstance(tag, str) for tag in listed)
    assert {tag for tags in data["scripts"].values() for tag in tags} <= set(data["names"])


@pytest.mark.parametrize(("text", "tag"), [("pt_br", "pt-BR"), ("DE", "de"), ("zh-hant-tw", "zh-Hant-TW"), (" en-gb ", "en-GB")])
def test_tags(text: str, tag: str) -> None:
    assert normalize_tag(text) == tag


@pytest.mark.parametrize("text", ["", "english", "e", "de;", "de-", "../de"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(UsageError, match="not a language"):
        normalize_tag(text)


def test_country_before_language_and_unknown_languages_are_not_guessed() -> None:
    assert "many" in plurals("pt-PT").categories and plurals("pt-BR") == plurals("pt")
    assert plurals("pt-PT").single and not plurals("pt").single
    with pytest.raises(UsageError, match=r"languages\.yaml"):
        plurals("tlh")
    assert scripts("ja") == ("HIRAGANA", "KATAKANA", "CJK") and scripts("sr-Latn") == ()


def test_one_form_for_many_numbers_must_have_the_number() -> None:
    segment = Segment({"one": "One item", "other": "{n} items"}, plural=True)
    assert segment.references("one", "de") == ["One item", "{n} items"]
    assert segment.references("one", "ru") == ["{n} items"]
    assert segment.references("few", "ru") == ["{n} items"]


@pytest.mark.parametrize(
    ("found", "used", "counted"),
    [
        (["de-DE", "fr"], ["de", "fr"], {"de-DE": "de"}),
        (["de-DE"], ["de", "de-DE"], {"de-DE": "de"}),
        (["de-DE"], ["de", "de-DE", "de-AT"], {}),
        (["de-DE"], ["de-DE"], {}),
        (["de-DE"], ["fr"], {}),
        (["es-419"], ["es"], {"es-419": "es"}),
        (["de", "de-DE"], ["de"], {"de-DE": "de"}),
        (["pt-BR"], ["pt"], {"pt-BR": "pt"}),
        (["pt-BR", "pt-PT"], ["pt"], {}),  # of two, which one is meant?
        (["pt-PT"], ["pt", "pt-BR"], {}),  # what is remembered for pt is used for pt-BR
        (["pt-PT"], ["pt", "pt-PT", "pt-BR"], {}),
        (["zh-CN"], ["zh"], {"zh-CN": "zh"}),
        (["zh-TW", "zh-Hant"], ["zh"], {}),
        (["zh-TW"], ["zh"], {}),
        (["zh-CN"], ["zh", "zh-TW"], {}),
        (["sr-Latn"], ["sr"], {}),
    ],
)
def test_a_region_stands_for_the_language_where_nothing_is_mixed_up(
    found: list[str], used: list[str], counted: dict[str, str]
) -> None:
    assert counted_as(found, used) == counted
