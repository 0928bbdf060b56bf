"""Whether a text about a product says only what is known of it, and all that it must: numbers with units, materials, colors,
certifications, countries, amounts, compatibility, claims, parts, uses, names, model numbers, negations. Words are data.

What is known is read leniently (in every language, also inside compounds), what is new strictly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pipeline.language.reading import claims, positions
from pipeline.language.reading.grounding import affirmed, only_denied
from pipeline.language.reading.measures import Measure, inside, measures, placed_measures, shared
from pipeline.language.reading.names import is_count, models, names
from pipeline.language.reading.negations import Spans, denials, denied, implied, negated
from pipeline.language.reading.sentences import plain_sentences
from pipeline.language.reading.wording import (
    LANGUAGES,
    WORD,
    both,
    fold,
    folded,
    instructs,
    neutral,
    stem,
    supported,
    visible,
)  # fmt: skip

__all__ = [
    "VERSION", "Known", "borrowed", "fold", "instructs", "invented", "kept_share", "lost", "new_denials", "new_words",
    "plain_sentences", "supported", "visible",
]  # fmt: skip
#: Part of the key of every recorded answer: raise it when rules or words change so that refused texts deserve another try.
VERSION = 7
#: What a title may not lose: kinds of facts, and for whom and how a product is made.
_KEPT = ("material", "color", "claim")
_KEPT_CLAIMS = frozenset(
    ("women", "men", "unisex", "children", "organic", "vegan", "recycled", "waterproof", "handmade", "gluten")
)  # fmt: skip
#: Letters of a compound whose parts may be known; German has none that are longer.
_LONGEST_COMPOUND = 80
_BARE = frozenset(("", "years", "time", "money"))
_LETTER_SIZE = re.compile(r"(?<![\w'’.-])(?<!\d )(?:[2-6]?X{0,3}[SL]|[2-6]XL|M)(?![\w'’-])")


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
    def words(self) -> frozenset[str]:
        return frozenset(WORD.findall(self.folded))

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(map(stem, self.words))

    @cached_property
    def measures(self) -> list[Measure]:
        return [*measures(self.text, LANGUAGES), *shared(self.text)]

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        said = (Decimal(concept) for concept in claims.amounts() if self.says("quantity", concept))
        return frozenset([*inside(self.text), *said]).union(*(each.values for each in self.measures))

    @cached_property
    def sizes(self) -> frozenset[tuple[str, Decimal]]:
        return frozenset((each.dimension, size) for each in self.measures for size in each.sizes)

    @cached_property
    def bare(self) -> str:
        """All letters and digits in one, to find a model number however it is written."""
        return re.sub(r"[\W_]+", "", self.folded)

    @cached_property
    def negated(self) -> frozenset[str]:
        return frozenset([*(key for key, _ in negated(self.text, LANGUAGES)), *implied(self.folded)])

    @cached_property
    def denials(self) -> frozenset[str]:
        """The stems of all that it denies, in whatever words of its clause."""
        found = (one.clause for language in LANGUAGES for one in denials(self.text, (language,)))
        return self.negated.union(*found)

    @cached_property
    def denied(self) -> Spans:
        return denied(self.folded, LANGUAGES)

    @cached_property
    def only_denied(self) -> frozenset[str]:
        return only_denied(self.texts)

    @cached_property
    def _says(self) -> dict[tuple[str, str, bool], bool]:
        return {}

    @cached_property
    def _has_form(self) -> dict[str, bool]:
        return {}

    @cached_property
    def certified(self) -> bool:
        """Whether it names any certification, so that it may be called certified."""
        text = folded(self.text)
        return any(next(claims.stated(text, language, ("certification",)), None) for language in LANGUAGES)

    def says(self, kind: str, concept: str, *, affirmed: bool = False) -> bool:
        """Whether a fact is in the source; `affirmed`: not only as what the product is not."""
        key = kind, concept, affirmed
        if key not in self._says:
            found = claims.lenient(kind, concept).finditer(self.folded)
            self._says[key] = (key[:2] == ("certification", "certified") and self.certified) or any(
                not (affirmed and self.denied.go_on_at(match.start())) for match in found
            )
        return self._says[key]

    def states(self, said: claims.Statement, *, affirmed: bool = False) -> bool:
        """Whether what another text says is in the source."""
        if said.concept.startswith(claims.OTHER):
            return self.has_form(said.shown)
        if said.kind == "quantity" and said.concept.isdigit() and Decimal(said.concept) in self.numbers:
            return True
        return self.says(said.kind, said.concept, affirmed=affirmed)

    def has_code(self, shown: str) -> bool:
        """Whether a model number or abbreviation is in the source, with or without its hyphens."""
        plain = re.sub(r"[\W_]+", "", fold(shown))
        if len(plain) >= 4:
            return plain in self.bare
        written = re.search(rf"(?<![^\W_]){re.escape(fold(shown))}(?![^\W_])", self.folded)
        return written is not None or stem(shown) in self.stems or plain in self.stems

    def has(self, word: str) -> bool:
        """Whether a word, in some form or as part of another, is in the source."""
        plain = fold(word)
        if stem(word) in self.stems or (len(plain) >= 4 and plain in self.folded):
            return True
        return len(stem(word)) >= 6 and stem(word) in self.folded  # isolierte, in vakuumisoliert

    def has_form(self, word: str) -> bool:
        """Like `has`, also in a form that ends otherwise (acolchada of acolchado), or as a compound of what is there."""
        if word not in self._has_form:
            self._has_form[word] = self._is_form(fold(word))
        return self._has_form[word]

    def _is_form(self, plain: str) -> bool:
        if self.has(plain):
            return True
        begin = plain[: max(4, len(plain) - (3 if len(plain) >= 8 else 2))]
        if len(plain) > 4 and any(known.startswith(begin) and abs(len(known) - len(plain)) <= 4 for known in self.words):
            return True
        splits = ((plain[:place], plain[place:]) for place in range(3, min(len(plain), _LONGEST_COMPOUND) - 2))
        return any(stem(first) in self.stems and stem(second) in self.stems for first, second in splits)


def invented(text: str, known: Known, language: str, *, any_case: bool = False) -> list[str]:
    """What a text states that nobody said, in sentences; empty if there is nothing. `any_case`: names may be written small, as
    in search terms."""
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, None] = {}
    for each in measures(text, both(language)):
        if each.dimension and not any((each.dimension, size) in known.sizes for size in each.sizes):
            found[f"{each.shown!r} is a new number or unit"] = None
        elif not each.dimension and known.numbers.isdisjoint(each.values):
            found[f"the number {each.shown!r} is new"] = None
    found.update(dict.fromkeys(_new_statements(text, known, language)))
    rest = _without_measures(text, both(language))
    found.update(dict.fromkeys(_new_in_positions(rest, known, language)))
    for shown in models(rest):
        if not known.has_code(shown):
            found[f"{shown!r} is a new model number or abbreviation"] = None
    for shown in names(text, frozenset(known.brands), language, any_case=any_case):
        place = next(claims.stated(folded(shown), language, ("country",)), None)  # judged as such: Italy, of Italian leather
        if place is None and not known.has(shown) and fold(shown) not in known.folded:
            found[f"{shown!r} is a new name"] = None
    for word in affirmed(text, known.only_denied, language):
        found[f"{word!r} is affirmed, which the product denies"] = None
    return list(found)


def new_denials(text: str, known: Known, language: str) -> list[str]:
    """What a text denies, in words in which the product denies nothing: something else, or the same in other words."""
    found = denials(visible(text), both(language))
    return list(dict.fromkeys(one.shown for one in found if one.about.isdisjoint(known.denials)))


def _new_statements(text: str, known: Known, language: str) -> Iterator[str]:
    """What is said in words that the lists know, or formed like a claim. What the source denies, no text may affirm."""
    plain = folded(text)
    denials = denied(plain.text, both(language))
    judged: list[tuple[int, int]] = []
    for each in claims.stated(plain, language):
        judged.append((each.start, each.end))
        affirms = each.kind in ("claim", "material") and not denials.go_on_at(each.start)
        if each.concept == claims.NEVER:
            yield f"{each.shown!r} advertises an offer"
        elif not known.states(each, affirmed=affirms):
            yield f"{each.shown!r} is a {each.kind} that the product does not have"
    known_words = Spans.of(judged)
    for each in claims.formed(plain, language):
        if known_words.meet(each.start, each.end) or denials.go_on_at(each.start):
            continue
        whole = re.sub(r"[\W_]+", "", fold(each.shown))
        if whole not in known.bare and (not known.has(each.concept) or stem(each.concept) in known.negated):
            yield f"{each.shown!r} is a claim that the product does not have"


def _new_in_positions(text: str, known: Known, language: str) -> Iterator[str]:
    """What stands where a fact is stated; words that the lists know were judged by them."""
    plain = folded(text)
    denials = denied(plain.text, both(language))
    for each in positions.named(plain, language):
        if denials.go_on_at(each.start):
            continue
        if each.kind == "use" and stem(each.word) in known.negated and not claims.listed(each.word, language):
            yield f"{each.shown!r} is a use that the product does not have"
        elif each.names and not claims.listed(each.word, language) and not known.has_form(each.word):
            yield f"{each.shown!r} is a new {each.kind}"


def new_words(text: str, known: Known, language: str) -> list[str]:
    """Words of a title that the source does not have; a title only arranges what is known."""
    rest = _without_measures(text, (), bare=True)  # numbers and units are judged as such
    words = dict.fromkeys(word for word in WORD.findall(rest) if not is_count(word))
    has = known.has_form if language == "de" else known.has  # Teebeutel, of "20 Beutel" Tee
    return [word for word in words if not word.isdigit() and fold(word) not in neutral(language) and not has(word)]


def borrowed(title: str, own: Known, prose: str, language: str) -> list[str]:
    """Names of a title that only running text says, neither the product's own title nor its fields (`own`): whoever is named
    there need not be what the product is. Where all nouns have capitals nobody can tell, and nothing is found."""
    said = {fold(name) for name in names(visible(prose), frozenset(), language)}
    words = WORD.findall(_without_measures(title, both(language)))
    found = dict.fromkeys(word for word in words if fold(word) in said and not own.has(word))
    return [word for word in found if not claims.listed(fold(word), language)]


def lost(before: str, after: str, language: str, *, title: bool = False) -> list[str]:
    """What a text no longer states of what it stated: numbers, negations; a title also materials, colors and model numbers."""
    known = Known([after])
    found: dict[str, None] = {}
    for each in measures(before, both(language)):
        same = any((each.dimension, size) in known.sizes for size in each.sizes)
        bare = each.dimension in _BARE  # an age or a time may lose its unit: from 3 years, aged 3
        if not same and each.values != {1} and (known.numbers.isdisjoint(each.values) or not bare):
            found[f"the number {each.shown!r} is lost"] = None
    denies = [one for one in denials(visible(before), both(language)) if one.about.isdisjoint(known.denials)]
    if len(denies) > len(new_denials(after, Known([before]), language)):  # else they are there in other words
        found.update((f"the negation {one.shown!r} is lost", None) for one in denies)
    if title:
        for said in claims.stated(folded(before), language, _KEPT):
            if (said.kind != "claim" or said.concept in _KEPT_CLAIMS) and not known.states(said):
                found[f"the {said.kind} {said.shown!r} is lost"] = None
        kept = set(_LETTER_SIZE.findall(after))
        for size in _LETTER_SIZE.findall(before):
            if size not in kept:
                found[f"the size {size!r} is lost"] = None
    for shown in models(_without_measures(before, both(language))):
        if any(char.isdigit() for char in shown) and not known.has_code(shown):
            found[f"{shown!r} is lost"] = None
    return list(found)


def _without_measures(text: str, languages: Collection[str], *, bare: bool = False) -> str:
    """`bare` numbers may stay."""
    rest = list(text)
    for each, start, end in placed_measures(text, languages):
        if each.dimension or not bare:
            rest[start:end] = " " * (end - start)
    return "".join(rest)


def kept_share(before: str, after: str) -> float:
    """Which share of the words of a text is still there; 1 for a text without words."""
    words = {stem(word) for word in WORD.findall(before) if len(word) > 2}
    return len(words & Known([after]).stems) / len(words) if words else 1.0
