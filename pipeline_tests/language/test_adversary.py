"""A model that breaks what it can: whatever of it is published keeps the placeholders, tags, codes and numbers of its text.

Judged here by other code than the guards."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest

from pipeline.language.asking.results import Question
from pipeline.language.translation.glossary import Glossary
from pipeline.language.translation.masks import mask
from pipeline.language.translation.plan import Item, Pair, Use
from pipeline.language.translation.segments import TEXT, Segment
from pipeline_tests.fakes.openai_server import source_of, translated
from pipeline_tests.language.conftest import Desk

_PARTS = (
    "{{ count }}", "{name}", "%{total}", "%s", "%1$d", "<b>now</b>", '<a href="/x?a=1">here</a>', "<br>", "5", "1,000", "2.5",
    "50%", "https://shop.example/a", "help@shop.example", "&amp;", "SKU-99", "WH1000XM4", "AB-1234-X", "www.shop.example", "(-7)",
    "=", "—", "\n",
)  # fmt: skip
_WORDS = ("cart", "order", "shipping", "Please", "your", "items", "left", "for", "and", "Save")
_INVENTED = (
    "{{ x }}",
    "{y}",
    "%d",
    "<i>",
    "</b>",
    "7",
    "⟦1⟧",
    "⟦99⟧",
    "https://evil.example/",
    " evil.example ",
    "-",
    "X",
    "&nbsp;",
    "\u200b",
    "Translation: ",
    "```",
    '"',
)


def text(chance: random.Random) -> str:
    words = chance.choices(_WORDS, k=chance.randint(1, 5)) + chance.choices(_PARTS, k=chance.randint(0, 3))
    chance.shuffle(words)
    return " ".join(words).strip() or "cart"


def spoiled(chance: random.Random, good: str) -> str:
    """A good answer with something dropped, doubled, changed, moved or invented."""
    pieces = re.findall(r"⟦\d+⟧|<[^>]*>|&\w+;|\d+|\w+|\s+|.", good)
    for _ in range(chance.randint(1, 2)):
        index = chance.randrange(len(pieces))
        what = chance.choice(["drop", "double", "change", "invent", "swap", "case"])
        if what == "drop":
            pieces[index] = ""
        elif what == "double":
            pieces[index] *= 2
        elif what == "change":
            pieces[index] = pieces[index][:-1] + chance.choice("0x⟧>}")
        elif what == "invent":
            pieces[index] += chance.choice(_INVENTED)
        elif what == "swap":
            other = chance.randrange(len(pieces))
            pieces[index], pieces[other] = pieces[other], pieces[index]
        else:
            pieces[index] = pieces[index].upper()
    return "".join(pieces)


def protected(text: str) -> list[Counter[str]]:
    placeholders = re.findall(r"\{\{\s*\w+\s*\}\}|%\{\w+\}|(?<![{%])\{\w+\}(?!\})|(?<!\d)%(?:\d\$)?[sd]", text)
    tags = re.findall(r"</?[a-z]+[^>]*>", text)
    rest = re.sub(r"\{\{.*?\}\}|%?\{\w+\}|<[^>]*>|%\d\$[sd]|https?://[^\s<]+|www[^\s<]+|\w+@[\w.]+|&\w+;", " ", text)
    codes = re.findall(r"[A-Z]+(?:-\d+)+(?:-X)?|[A-Z]+\d+[A-Z]+\d+", rest)
    rest = re.sub(r"[A-Z]+(?:-\d+)+(?:-X)?|[A-Z]+\d+[A-Z]+\d+", " ", rest)
    numbers = re.sub(r"(?<=\d)[., ](?=\d{3}(?!\d))", "", rest)  # 1,000 may be written 1000 or 1.000,
    numbers = re.sub(r"(\d[.,]\d+?)0+(?!\d)", r"\1", numbers)  # and 2.5 as 2.50
    return [
        Counter(placeholders),
        Counter(tags),
        Counter(re.findall(r"(?:(?<![^\s(])-)?\d+", numbers)),
        Counter(codes),
        Counter(re.findall(r"https?://[^\s<>]+|www[^\s<>]+|\w+@[\w.]+", re.sub(r"<[^>]*>|%s", " ", text))),
    ]


def judged(label: str, answer: Callable[[str], str]) -> str | None:
    """What would be published of an answer to the masked text; None if the guards refuse it."""
    segment = Segment({TEXT: label}, html="<" in label)
    masked, pair = mask(segment.forms), Pair(UUID(int=0), "label", "en", "de", Glossary(), "m")
    item = Item(pair, Question("", "", "label", "en", "de"), (TEXT,), {}, [Use(0, segment, masked)])
    ((_, result),) = item.results({TEXT: answer(masked.forms[TEXT])}, "model:m")
    return result.forms.get(TEXT)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_broken_is_published(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    labels = [text(chance) for _ in range(500)]
    good = [judged(label, lambda masked: translated({"text": masked}, "de")) for label in labels]
    assert None not in good
    for label in labels:
        found = judged(label, lambda masked: spoiled(chance, translated({"text": masked}, "de")))
        if found is not None:
            assert protected(label) == protected(found), (label, found)
            assert not set("⟦⟧\u200b") & set(found) and "evil" not in found and "```" not in found, (label, found)


def test_a_second_and_good_answer_is_taken(desk: Desk) -> None:
    chance = random.Random(7)  # noqa: S311
    labels = list(dict.fromkeys(text(chance) for _ in range(300)))

    def say(item: dict, locale: str) -> str:
        good = translated(item, locale)
        return good if "rejected" in item else spoiled(chance, good)

    desk.model.say = say
    results = desk.translate([Segment({"": label}, html="<" in label) for label in labels])
    assert {result.state for result in results} <= {"translated", "copied"}
    assert sum("rejected" in item for item in desk.model.items) > len(labels) / 3


def test_a_model_that_breaks_the_second_answer_too_publishes_nothing_of_it(desk: Desk) -> None:
    desk.model.say = lambda item, locale: source_of(item).replace("⟦1⟧", "") + " extra"
    results = desk.translate([f"{{{{ n }}}} {word}" for word in _WORDS])
    assert {result.state for result in results} == {"untranslated"}
    assert all("{{n}}" in result.problems[0] for result in results)
