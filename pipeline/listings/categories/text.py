"""Texts of products and names of categories as weighted phrases of one to three stemmed words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.language.reading.claims import listed
from pipeline.language.reading.telling import tells

#: Longest phrase that is looked up, in words.
LONGEST = 3
#: A title's own words count once; the last one of a part is mostly what the thing is ("canvas *tote bag*, blue"), and what
#: follows "with" or "for" mostly is not ("case for iPhone").
_TAIL, _BESIDE = 1.5, 0.45
#: A thing and a word that is said of it, with others between them; so many words before it at most.
_APART, _FARTHEST = 0.6, 4
_MOST_CHARACTERS, _MOST_WORDS = 2_000, 60

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CUT = re.compile(r"\s[-–—]\s|[,;:|()\[\]/]|\b(?:with|for|by|in|compatible)\b", re.IGNORECASE)
_ASIDE = ("with", "for", "compatible")
_BOTH = re.compile(r"\s*[&,/]\s*|\s+and\s+|\s+or\s+")


@dataclass(frozen=True)
class Term:
    """How much a phrase counts, and how it was written: in the product's own texts, unless it is `implied` by something else."""

    weight: float
    written: str
    implied: bool = False
    meant: str = ""  # the word that it was taken for, if it was taken for another
    before: str = ""  # what stands right behind it each time, if that is a thing: the bowl of "dog food" in "dog food bowl"


@dataclass
class Query:
    """The phrases of a product; of the same phrase the weightiest."""

    plain: Collection[str]  # words that say nothing, stemmed
    terms: dict[str, Term] = field(default_factory=dict)
    spelled: Collection[str] = ()  # phrases that are right as they are written, in any taxonomy
    things: Collection[str] = ()  # what things are called, in a word, stemmed; none where the last noun is not what it is
    kinds: set[str] = field(default_factory=set)  # what it is, where the store says it: last words of product types, stemmed

    def copy(self) -> Query:
        return replace(self, terms=dict(self.terms), kinds=set(self.kinds))

    def add(
        self, text: str | None, weight: float = 1.0, without: str | None = None, *, kind: bool = False, implied: bool = False
    ) -> None:
        """The phrases of a text; the words of the name `without` (the brand) do not count in it. `kind`: the text says what the
        product is; `implied`: it is not the product's own text."""
        if not text:
            return
        brand = [stem(word) for word in words(without or "")]
        for part, aside in _parts(text[:_MOST_CHARACTERS]):
            written = words(part)[:_MOST_WORDS]
            stems = [stem(word) for word in written]
            skipped = _places(stems, brand)
            useful = [n for n, one in enumerate(stems) if n not in skipped and one not in self.plain and not one.isdigit()]
            factor = weight * (_BESIDE if aside else 1.0)
            if kind and useful and not aside:
                self.kinds.add(stems[useful[-1]])
            things = [] if aside or implied else [n for n in useful if stems[n] in self.things and not is_stuff(written[n])]
            for start in range(len(stems)):
                for end in range(start + 1, min(start + LONGEST, len(stems)) + 1):
                    if skipped.intersection(range(start, end)) or (end == start + 1 and start not in useful):
                        continue
                    tail = _TAIL if useful and end - 1 == useful[-1] else 1.0
                    before = stems[end] if end in things and stems[end - 1] in self.things else ""
                    said = Term(factor * tail, " ".join(written[start:end]), implied, before=before)
                    self._keep(" ".join(stems[start:end]), said)
            for thing in things:
                before = stems[thing + 1] if thing + 1 in things else ""
                for n in _said_of(thing, useful, written):
                    share = _APART if n < thing else _TAIL
                    said = Term(factor * share, " ".join(written[min(n, thing) : max(n, thing) + 1]), before=before)
                    self._keep(f"{stems[n]} {stems[thing]}", said)

    def _keep(self, phrase: str, term: Term) -> None:
        known = self.terms.get(phrase)
        if known is not None:
            before = known.before if term.before or term.implied else ""
            known = self.terms[phrase] = replace(known, before=before)
            term = replace(term, before=before)
        if known is None or (known.weight < term.weight and known.implied >= term.implied):
            self.terms[phrase] = term
        elif known.weight < term.weight:  # said by the product too
            self.terms[phrase] = replace(known, weight=term.weight)


def words(text: str) -> list[str]:
    """Words of a text, in lower case."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def stem(word: str) -> str:
    """An English word without the ending of its plural or possessive; words of other languages mostly stay as they are."""
    word = re.sub(r"['’](?:s|$)", "", word).replace("'", "").replace("’", "")
    if len(word) > 4 and word.endswith(("ies", "ie")):  # berries and berry, hoodies and hoodie
        return word[: word.rindex("ie")] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def names_in(name: str) -> list[list[str]]:
    """The stemmed names that one category's name holds: "Hats & Caps" are two. The last word of each is what it is."""
    found = ([stem(word) for word in words(part)] for part in _BOTH.split(name))
    return [one for one in found if one]


def full_names(name: str) -> list[list[str]]:
    """As `names_in`, with what the last one shares with those before it: "Shampoo & Conditioner Sets" are no shampoo."""
    *before, last = names_in(name) or [[]]
    return [*(one + last[-1:] if len(last) > 1 else one for one in before), last] if last else []


def phrases(stems: Sequence[str]) -> Iterator[str]:
    """All phrases of two words and more."""
    for size in range(2, LONGEST + 1):
        for start in range(len(stems) - size + 1):
            yield " ".join(stems[start : start + size])


def is_stuff(word: str) -> bool:
    """Whether it is a material or a color, which may stand behind what it is said of: "mug ceramic"."""
    return listed(word, "en", ("material", "color"))


def is_spelled(word: str) -> bool:
    """Whether it is an English word that good copy uses of anything, or one that says a fact: "quiet" is no misspelled quilt."""
    return not tells(word, "en") or listed(word, "en")


def _said_of(thing: int, useful: Collection[int], written: Sequence[str]) -> Iterator[int]:
    """Places of words that say something of a thing, other than the one before it: the dog in "dog food bowl", the clay in "face
    mask clay"."""
    place = thing - 1
    while place in useful and thing - place < _FARTHEST:
        place -= 1
        if place in useful:
            yield place
    place = thing + 1
    while place in useful and is_stuff(written[place]):
        yield place
        place += 1


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a title, and whether they only say what comes with the thing."""
    aside, last = False, 0
    for cut in _CUT.finditer(text):
        yield text[last : cut.start()], aside
        last, mark = cut.end(), cut.group().strip().lower()
        aside = mark in _ASIDE or (aside and mark.isalpha())
    yield text[last:], aside


def _places(stems: Sequence[str], name: Sequence[str]) -> set[int]:
    """Where `name` stands in a text of more than its words."""
    if not name or len(stems) <= len(name):
        return set()
    starts = (n for n in range(len(stems) - len(name) + 1) if list(stems[n : n + len(name)]) == list(name))
    return {place for start in starts for place in range(start, start + len(name))}
