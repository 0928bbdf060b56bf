"""Whether a text about a product says only what is known of it, and all that it must: numbers with units, materials, colors,
certifications, countries, compatibility, claims, names, model numbers, negations. Words are data (`facts.yaml`).

What is known is read leniently (in every language, also inside compounds), what is new strictly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from pathlib import Path
from typing import Any

#: Part of the key of every recorded answer: raise it when rules or words change so that refused texts deserve another try.
VERSION = 2
#: Languages whose words are known well enough to judge a text that a model wrote.
LANGUAGES = ("en", "de", "fr", "es")
_CONCEPTS = ("material", "color", "certification", "country", "compatibility", "claim")
#: Not even when the source says so.
_NEVER = "promo"
#: Concepts that a title may not lose.
_KEPT = ("material", "color")

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,'’\u00a0\u202f ]\d{3}(?!\d))*(?:[.,]\d+)?")
_CHAIN = re.compile(r"(?:\s?(?:[x×]|[-–](?=\d))\s?\d+(?:[.,]\d+)?)+")
_FRACTIONS = {"½": "0.5", "¼": "0.25", "¾": "0.75", "⅓": "0.333", "⅔": "0.667"}
#: Letters and digits in one (WH-1000XM4, A4, 4K), or capitals alone (LED), or inner capitals (PowerGrip).
_MODEL = re.compile(
    r"(?<!\w)(?=[\w./-]*\d)(?=[\w./-]*[^\W\d_])[^\W_](?:[\w./-]*[^\W_])?|(?<!\w)[A-ZÄÖÜÉÈ]{2,}(?:-[A-Z0-9]+)*(?!\w)"
    r"|(?<=[^\W\d_] )[B-DF-HJ-NP-XZ](?![\w'’]|\.\w)"  # Vitamin C
)
_INNER = re.compile(r"(?<!\w)[^\W\d_]+[a-zäöüßéè][A-ZÄÖÜÉ][^\W_]*")
_SENTENCE = re.compile(r"(?:^|[.!?:;•\n]|\s[-–—]\s|[-–—]\s)\s*[\"'“„«(]*$")
_CAPITAL = re.compile(r"(?<![\w'’])[A-ZÄÖÜÉÈÀÁÍÓÚÑÇ][^\W\d_]+(?:['’][^\W\d_]+)?(?![\w'’])")
_ENDINGS = ("ings", "ing", "edly", "ed", "ern", "es", "en", "er", "em", "e", "s", "n")
_FREE = re.compile(
    r"(?<!\w)([^\W_]+)[- ](?:free|frei\w{0,2})(?!\w)|(?<!\w)([^\W\d_]{3,})frei(?:e|er|es|en|em)?(?!\w)", re.IGNORECASE
)
_WITHOUT = re.compile(r"-(?:free|frei\w*)(?!\w)|(?<!\w)free (?:of|from)(?!\w)")  # BPA-free is no gift
_HIDDEN = re.compile(
    "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def fold(text: str) -> str:
    """Lower case without accents, for comparing."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@cache
def stem(word: str) -> str:
    """A folded word without the ending of its form; equal for most forms of a word, no word of any language."""
    folded = fold(word).removesuffix("'s")
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= 3:
            return folded.removesuffix(ending)
    return folded


def supported(language: str) -> bool:
    return language in LANGUAGES


def instructs(text: str) -> str | None:
    """The part of a product's text that speaks to a machine, such as "ignore previous instructions"; else None."""
    found = _instructions().search(visible(text))
    return " ".join(found[0].split())[:80] if found else None


def appeal(text: str, language: str) -> str | None:
    """The first offer, or call to buy or to go elsewhere, as it is written; None if there is none."""
    found = _appeals(language, "words").search(fold(text))
    return found[0] if found else None


def may_appeal(text: str, language: str) -> bool:
    """Whether a translation of a text may have an appeal: it has one, or a word that is often translated as one."""
    folded = fold(text)
    return any(_appeals(language, part).search(_WITHOUT.sub(" ", folded)) for part in ("words", "hints"))


def visible(text: str) -> str:
    """What a buyer sees: without comments, and without characters that hide text."""
    text = re.sub(r"<!--.*?(?:-->|$)", " ", text, flags=re.DOTALL)
    return _HIDDEN.sub("", unicodedata.normalize("NFKC", text))


@dataclass(frozen=True)
class Measure:
    """A number as it was written, all that it may mean, and its dimension ('' without a unit) with the size in its base unit."""

    shown: str
    values: frozenset[Decimal]
    dimension: str
    factor: Decimal

    @property
    def sizes(self) -> frozenset[Decimal]:
        return frozenset(_rounded(value * self.factor) for value in self.values)


@dataclass(frozen=True)
class Known:
    """What may be said of a product. `texts` is everything that its source says, `brands` are names of others."""

    texts: Sequence[str]
    brands: Collection[str] = ()

    @cached_property
    def text(self) -> str:
        return visible("\n".join(self.texts))

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(stem(word) for word in _WORD.findall(self.text))

    @cached_property
    def measures(self) -> list[Measure]:
        return list(measures(self.text, LANGUAGES))

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        return frozenset().union(*(each.values for each in self.measures), *(_inside(self.text),))

    @cached_property
    def sizes(self) -> frozenset[tuple[str, Decimal]]:
        return frozenset((each.dimension, size) for each in self.measures for size in each.sizes)

    @cached_property
    def bare(self) -> str:
        """All letters and digits in one, to find a model number however it is written."""
        return re.sub(r"[\W_]+", "", self.folded)

    @cached_property
    def negated(self) -> frozenset[str]:
        implied = (stem(word) for pattern, words in _absent() if pattern.search(self.folded) for word in words)
        return frozenset([*(key for key, _ in _negated(self.text, LANGUAGES)), *implied])

    @cached_property
    def certified(self) -> bool:
        """Whether it names any certification, so that it may be called certified."""
        return any(next(_stated("certification", self.text, language), None) for language in LANGUAGES)

    def says(self, kind: str, concept: str) -> bool:
        if (kind, concept) == ("certification", "certified") and self.certified:
            return True
        return any(pattern.search(self.folded) for pattern in _lenient(kind, concept))

    def has_code(self, shown: str) -> bool:
        """Whether a model number or abbreviation is in the source, with or without its hyphens."""
        plain = re.sub(r"[\W_]+", "", fold(shown))
        if len(plain) >= 4:
            return plain in self.bare
        written = re.search(rf"(?<![^\W_]){re.escape(fold(shown))}(?![^\W_])", self.folded)
        return written is not None or stem(shown) in self.stems or plain in self.stems

    def has(self, word: str) -> bool:
        """Whether a word, in some form or as part of another, is in the source."""
        folded = fold(word)
        if stem(word) in self.stems or (len(folded) >= 4 and folded in self.folded):
            return True
        return len(stem(word)) >= 6 and stem(word) in self.folded  # isolierte, in vakuumisoliert


def invented(text: str, known: Known, language: str, *, any_case: bool = False) -> list[str]:
    """What a text states that nobody said, in sentences; empty if there is nothing. `any_case`: names may be written small, as
    in search terms."""
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, None] = {}
    rest = list(text)
    for each, start, end in _measures(text, _two(language)):
        rest[start:end] = " " * (end - start)
        if each.dimension and not any((each.dimension, size) in known.sizes for size in each.sizes):
            found[f"{each.shown!r} is a new number or unit"] = None
        elif not each.dimension and known.numbers.isdisjoint(each.values):
            found[f"the number {each.shown!r} is new"] = None
    for kind in _CONCEPTS:
        for concept, shown in _stated(kind, text, language):
            if concept == _NEVER:
                found[f"{shown!r} advertises an offer"] = None
            elif not known.says(kind, concept):
                found[f"{shown!r} is a {kind} that the product does not have"] = None
    for shown in _models("".join(rest)):
        if not known.has_code(shown):
            found[f"{shown!r} is a new model number or abbreviation"] = None
    for shown in _names(text, known, language, any_case):
        found[f"{shown!r} is a new name"] = None
    for key, shown in _negated(text, _two(language)):
        if key not in known.negated:
            found[f"{shown!r} is a negation that the product does not have"] = None
    return list(found)


def new_words(text: str, known: Known, language: str) -> list[str]:
    """Words of a title that the source does not have; a title only arranges what is known."""
    neutral = _neutral(language)
    rest = list(text)
    for each, start, end in _measures(text, ()):  # numbers and units are judged as such
        if each.dimension:
            rest[start:end] = " " * (end - start)
    words = dict.fromkeys(_WORD.findall("".join(rest)))
    return [word for word in words if not word.isdigit() and fold(word) not in neutral and not known.has(word)]


def lost(before: str, after: str, language: str, *, title: bool = False) -> list[str]:
    """What a text no longer states of what it stated: numbers, negations; a title also materials, colors and model numbers."""
    known = Known([after])
    found: dict[str, None] = {}
    for each in measures(before, ()):
        if known.numbers.isdisjoint(each.values) and not any((each.dimension, size) in known.sizes for size in each.sizes):
            found[f"the number {each.shown!r} is lost"] = None
    for key, shown in _negated(visible(before), _two(language)):
        if key not in known.negated:
            found[f"the negation {shown!r} is lost"] = None
    if title:
        for kind in _KEPT:
            for concept, shown in _stated(kind, before, language):
                if not known.says(kind, concept):
                    found[f"the {kind} {shown!r} is lost"] = None
        for shown in _models(before):
            if any(char.isdigit() for char in shown) and not known.has_code(shown):
                found[f"{shown!r} is lost"] = None
    return list(found)


def kept_share(before: str, after: str) -> float:
    """Which share of the words of a text is still there; 1 for a text without words."""
    words = {stem(word) for word in _WORD.findall(before) if len(word) > 2}
    return len(words & Known([after]).stems) / len(words) if words else 1.0


def measures(text: str, languages: Iterable[str]) -> Iterator[Measure]:
    """The numbers of a text, with their units; number words of `languages`."""
    for each, _, _ in _measures(visible(text), languages):
        yield each


def _measures(text: str, languages: Iterable[str]) -> Iterator[tuple[Measure, int, int]]:
    for match in _NUMBER.finditer(text):
        end = match.end()
        chain = _CHAIN.match(text, end)  # 40 x 30 x 2 cm: the unit is of all
        unit = _unit_pattern().match(text, end) or (_unit_pattern().match(text, chain.end()) if chain else None)
        before = text[: match.start()].rstrip()[-1:]
        word = fold(unit[1]) if unit else before if before in "$€£" and before else ""
        if not word and re.match(r"[-./]?[^\W_]", text[end:]) and not re.match(r"[-./x×]\s?\d|-[^\W\d_]{2,}", text[end:]):
            continue  # the beginning of a model number
        dimension, factor = _units().get(word, ("", Decimal(1)))
        stop = unit.end() if unit and word and not (chain and unit.start() >= chain.end()) else end
        yield Measure(text[match.start() : stop].strip(), _values(match[0]), dimension, factor), match.start(), stop
    for match in re.finditer("[½¼¾⅓⅔]", text):
        yield Measure(match[0], frozenset({_rounded(Decimal(_FRACTIONS[match[0]]))}), "", Decimal(1)), match.start(), match.end()
    for language in languages:
        for match in _number_words(language).finditer(text):
            values = [_data()["number_words"][language][word] for word in match[0].lower().split("-")]
            tens = len(values) == 1 or (values[0] >= 20 and values[0] % 10 == 0 and values[1] < 10)  # twenty-five
            for value in [sum(values)] if tens else values:
                yield Measure(match[0], frozenset({Decimal(value)}), "", Decimal(1)), match.start(), match.end()


def _values(written: str) -> frozenset[Decimal]:
    """1.500 may be one and a half, or fifteen hundred."""
    plain = re.sub(r"['’\u00a0\u202f ]", "", written)
    readings = {plain.replace(",", ""), plain.replace(".", "").replace(",", ".")}
    if plain.count(",") == 1 and "." not in plain:
        readings.add(plain.replace(",", "."))
    if plain.count(".") == 1 and "," not in plain:
        readings.add(plain)
    found = set()
    for reading in readings:
        try:
            found.add(_rounded(Decimal(reading)))
        except InvalidOperation:
            continue
    if "," in plain and "." not in plain and not re.search(r",\d{3}$", plain):
        found.discard(_rounded(Decimal(plain.replace(",", ""))))
    return frozenset(found)


def _rounded(value: Decimal) -> Decimal:
    return Decimal(f"{value:.6g}").normalize()


def _inside(text: str) -> Iterator[Decimal]:
    """Numbers inside model numbers and compounds: they are known, too."""
    for match in re.finditer(r"\d+(?:[.,]\d+)?", text):
        yield from _values(match[0])


def _stated(kind: str, text: str, language: str) -> Iterator[tuple[str, str]]:
    """(concept, as written) of each fact of a kind in a text, by the words of its language and of English."""
    for tongue in (*_two(language), "any"):
        pattern, concepts = _strict(kind, tongue)
        if pattern is None:
            continue
        for match in pattern.finditer(text if tongue == "any" else fold(text)):
            name = match.lastgroup or ""
            shown = text[match.start() : match.end()] if len(text) == len(fold(text)) else match[0]
            yield concepts[name], shown


def _models(text: str) -> Iterator[str]:
    for pattern in (_MODEL, _INNER):
        for match in pattern.finditer(text):
            yield match[0]


def _names(text: str, known: Known, language: str, any_case: bool) -> Iterator[str]:
    """Names of others: known marks, what follows a word such as "by", and (where nouns are written small) capitals inside a
    sentence."""
    marks = _brands(frozenset(known.brands), any_case)
    for match in marks.finditer(text) if marks else ():
        if not known.has(match[0]) and fold(match[0]) not in known.folded:
            yield match[0]
    cue = _cues(language)
    for match in cue.finditer(text) if cue else ():
        name = match[1]
        if not known.has(name):
            yield name
    if language == "de":
        return
    for match in _CAPITAL.finditer(text):
        if (
            not _SENTENCE.search(text[max(0, match.start() - 40) : match.start()])
            and not known.has(match[0])
            and fold(match[0]) not in _neutral(language)
            and not _listed(text, match)
        ):
            yield match[0]


def _listed(text: str, match: re.Match[str]) -> bool:
    """Whether all words around are written with capitals, as in a heading: there a capital says nothing."""
    line = text[text.rfind("\n", 0, match.start()) + 1 :].split("\n", 1)[0].split(". ", 1)[0]
    words = [word for word in _WORD.findall(line.split(":")[0] if ":" in line[:40] else "") if len(word) > 3]
    return bool(words) and match[0] in words and all(word[0].isupper() or word[0].isdigit() for word in words)


def _negated(text: str, languages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(the stem of what is negated, as written)."""
    text = _not_negations().sub(lambda match: " " * len(match[0]), text)
    for match in _FREE.finditer(text):
        word = match[1] or match[2]
        if word and fold(word) not in _neutral("en"):
            yield stem(word), match[0]
    for language in languages:
        for match in _negations(language).finditer(text):
            words = [word for word in _WORD.findall(text[match.end() : match.end() + 60].split(".")[0].split(",")[0])]
            content = [word for word in words if fold(word) not in _neutral(language) and fold(word) not in _SMALL][:1]
            for word in content:
                yield stem(word), f"{match[0]} {word}"


#: Between a negation and what it is of.
_SMALL = frozenset(
    ("be", "is", "are", "it", "this", "any", "se", "le", "la", "les", "un", "une", "ist", "sind", "werden", "suitable",
     "geeignet", "es", "son", "other", "more", "been",
     "contain", "contains", "have", "has", "enthält", "hat", "contient", "contiene", "lleva", "tiene")
)  # fmt: skip


def _two(language: str) -> tuple[str, ...]:
    return (language,) if language == "en" else (language, "en")


@cache
def _data() -> Mapping[str, Any]:
    import yaml

    found: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("facts.yaml").read_bytes())
    return found


@cache
def _strict(kind: str, language: str) -> tuple[re.Pattern[str] | None, Mapping[str, str]]:
    parts, names = [], {}
    for number, (concept, by_language) in enumerate(_data()[kind].items()):
        words = str(by_language[language]).split("|") if language in by_language else []
        for place, word in enumerate(sorted(words, key=len, reverse=True)):
            name = f"c{number}_{place}"
            names[name] = concept
            exact = word if language == "any" else fold(word)
            parts.append((len(word), f"(?P<{name}>{_as_pattern(exact)})"))
    if not parts:
        return None, {}
    parts.sort(key=lambda part: -part[0])
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(part for _, part in parts)})(?![^\W_])"), names


def _as_pattern(word: str) -> str:
    """A word of the list; `*` at its end stands for any letters, a space also for a hyphen."""
    return re.escape(word.rstrip("*")).replace(r"\ ", r"[\s-]+") + (r"[^\W_]*" if word.endswith("*") else "")


@cache
def _lenient(kind: str, concept: str) -> list[re.Pattern[str]]:
    """A word of four letters and more also inside another."""
    found = []
    for words in _data()[kind][concept].values():
        for word in str(words).split("|"):
            folded = fold(word.rstrip("*"))
            pattern = re.escape(folded).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]?")
            found.append(re.compile(pattern if len(folded) >= 4 else rf"(?<![^\W_]){pattern}(?![^\W_])"))
    return found


@cache
def _units() -> Mapping[str, tuple[str, Decimal]]:
    return {
        fold(str(unit)): (dimension, Decimal(str(factor)))
        for dimension, units in _data()["units"].items()
        for unit, factor in units.items()
    }


@cache
def _unit_pattern() -> re.Pattern[str]:
    names = sorted((str(unit) for units in _data()["units"].values() for unit in units), key=len, reverse=True)
    return re.compile(rf"[\s\u00a0\u202f-]?({'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE)


@cache
def _number_words(language: str) -> re.Pattern[str]:
    words = "|".join(_data()["number_words"].get(language, {})) or r"(?!)"
    return re.compile(rf"(?<![^\W_])(?:{words})(?:-(?:{words}))?(?![^\W_])", re.IGNORECASE)


@cache
def _absent() -> Sequence[tuple[re.Pattern[str], Sequence[str]]]:
    found = []
    for names, words in _data()["absent"].items():
        parts = "|".join(_as_pattern(fold(name)) for name in str(names).split("|"))
        found.append((re.compile(rf"(?<![^\W_])(?:{parts})(?![^\W_])"), words))
    return found


@cache
def _negations(language: str) -> re.Pattern[str]:
    words = sorted(_data()["negations"].get(language, ()), key=len, reverse=True)
    found = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words) or r"(?!)"
    return re.compile(rf"(?<![^\W_])(?:{found})(?![^\W_])", re.IGNORECASE)


@cache
def _not_negations() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, _data()["not_negations"])), re.IGNORECASE)


@cache
def _neutral(language: str) -> frozenset[str]:
    return frozenset(fold(word) for word in _data()["neutral"].get(language, _data()["neutral"]["en"]))


@cache
def _brands(more: frozenset[str], any_case: bool) -> re.Pattern[str] | None:
    names = [*str(_data()["brands"]).split(), *(name for name in more if len(name) > 2)]
    names.sort(key=len, reverse=True)
    return (
        re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE if any_case else 0)
        if names
        else None
    )


@cache
def _cues(language: str) -> re.Pattern[str] | None:
    words = sorted(_data()["name_cues"].get(language, ()), key=len, reverse=True)
    if not words:
        return None
    found = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![^\W_])(?i:{found})\s+((?:[A-ZÄÖÜÉ][\w&'’-]+))")


@cache
def _appeals(language: str, part: str) -> re.Pattern[str]:
    lists = [_data()["appeals"][part], *([_data()["claim"]["promo"]] if part == "words" else [])]
    words = [word for one in lists for tongue in _two(language) for word in str(one.get(tongue, "")).split("|") if word]
    found = "|".join(_as_pattern(fold(word)) for word in sorted(words, key=len, reverse=True)) or r"(?!)"
    return re.compile(rf"(?<![^\W_])(?:{found})(?![^\W_])")


@cache
def _instructions() -> re.Pattern[str]:
    return re.compile("|".join(_data()["instructions"]), re.IGNORECASE | re.DOTALL)
