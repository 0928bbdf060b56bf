"""Whether a text stays with its source as a whole: it affirms nothing that the source denies, and no sentence is mostly about
something else. The facts of a text that can be named one by one are judged in `facts.py`; this is what no list of facts knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pipeline.language.reading.claims import listed
from pipeline.language.reading.negations import denied, negated
from pipeline.language.reading.sentences import clauses
from pipeline.language.reading.telling import telling, tells
from pipeline.language.reading.wording import LANGUAGES, WORD, both, folded, stem

#: A clause is about something else when so many of its telling words are new, and this share of them.
_NEW, _SHARE = 2, 0.6
_SHORTEST = 3


def only_denied(source: Iterable[str]) -> frozenset[str]:
    """The stems of what the texts of a source deny, and affirm nowhere."""
    said, refused = set[str](), set[str]()
    for each in source:
        refused.update(key for key, _ in negated(each, LANGUAGES))
        for key, _, inside in _mentions(each, LANGUAGES):
            (refused if inside else said).add(key)
    return frozenset(refused - said)


def affirmed(text: str, only_denied: frozenset[str], language: str) -> list[str]:
    """Words of `text` that say what its source only denies: "power bank included" of "the power bank is not included".

    Words that lists of facts know are judged by their meaning, not here."""
    only = only_denied and only_denied - {key for key, _ in negated(text, both(language))}
    if not only:
        return []
    found = (word for key, word, inside in _mentions(text, both(language)) if key in only and not inside)
    return [word for word in dict.fromkeys(found) if tells(word, language) and not listed(word, language)]


def beside(text: str, known: Callable[[str], bool], language: str) -> list[str]:
    """Clauses that are mostly about what nobody said. `known` tells whether a word is in the source, in some form."""
    found = []
    for clause in clauses(text):
        words = telling(clause, language)
        new = [word for word in words if not known(word)]
        if new and len(new) >= min(_NEW, len(words)) and len(new) >= _SHARE * len(words):
            found.append(clause)
    return found


def _mentions(text: str, languages: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """(stem, word as folded, whether it is denied)."""
    plain = folded(text)
    spans = denied(plain.text, languages, whole=True)
    for match in WORD.finditer(plain.text):
        word = match[0].rpartition("'")[2]
        if len(word) >= _SHORTEST:
            yield stem(word), word, spans.cover(match.start())
