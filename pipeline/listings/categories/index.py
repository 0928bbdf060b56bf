"""Ranking the categories of a taxonomy by the words of a product: an inverted index over their names, in numpy.

A category's own name counts most, in it the last word of each name, then its parent's, then those above. A category whose own
name (its last word, or an alias) does not occur in the product's words only gets a share of its score, and so does one whose
name says more than the product does: not every dog collar is a "Hunting Dog Collar".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.listings.categories.sureness import Evidence, sureness
from pipeline.listings.categories.text import LONGEST, Query, Term, full_names, is_spelled, names_in, phrases, stem, words

#: Bump when the same words are ranked otherwise.
VERSION = "4"
#: Weights of words by where they are in a path: the last word of the own name, its other words, parent's, those above.
_OWN, _OWN_OTHER, _PARENT, _PARENT_OTHER, _ABOVE = 3.0, 1.6, 1.0, 0.7, 0.35
_PHRASE, _LONG_PHRASE = 1.6, 1.9  # of two words, of three
_NOT_NAMED = 0.45
#: Least part of a name that counts as said: of some, only the names of those above are.
_UNSAID = 0.3
_MISSPELLED = 0.6
#: Shortest word whose spelling is corrected, and shortest part of a compound.
_LONG_WORD, _PART = 5, 3
#: Candidates whose names are looked at word by word, beside those that are wanted.
_LOOKED_AT = 20
#: Least share of the best score with which a category below the best one goes before it.
_BELOW = 0.15


@dataclass(frozen=True)
class Words:
    """`plain` words say nothing; branches that are `rare` get only a share of their scores. `last`: the last of several nouns is
    the thing, as in English: a dog food bowl is a bowl."""

    plain: frozenset[str]
    rare: Mapping[tuple[str, ...], float]
    last: bool = True


@dataclass(frozen=True)
class Match:
    """A category (its row) that fits, how sure that is (0-1), the words that say so, telling ones first, and the score, of which
    only the proportions within one ranking mean something."""

    row: int
    confidence: float
    because: tuple[Term, ...]
    score: float

    @property
    def implied(self) -> bool:
        """Whether it rests on words that are not the product's own."""
        return any(term.implied for term in self.because)


@dataclass(frozen=True)
class _Postings:
    rows: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]
    naming: npt.NDArray[np.bool_]  # the phrase names the category itself


class Index:
    """Of one taxonomy; thread-safe once made, which takes about a second for 10,000 categories."""

    def __init__(self, paths: Sequence[tuple[str, ...]], aliases: Mapping[int, Sequence[str]], given: Words) -> None:
        self._paths = paths
        self._aliases = {row: [" ".join(_alias(alias)) for alias in found] for row, found in aliases.items()}
        self.plain = frozenset(stem(word) for word in given.plain)
        self._share = np.array([_share(path, given.rare) for path in paths])
        documents = [_document(path, self._aliases.get(row, ())) for row, path in enumerate(paths)]
        count: dict[str, int] = {}
        for weights, _, _ in documents:
            for phrase in weights:
                count[phrase] = count.get(phrase, 0) + 1
        self._telling = {phrase: math.log(1 + len(paths) / (1 + n)) for phrase, n in count.items()}
        self._most_telling = math.log(1 + len(paths) / 2)
        self._names = [[self._shares(stems) for stems in names_in(path[-1])] for path in paths]
        self._postings = self._post(documents)
        naming = (word for word, found in self._postings.items() if " " not in word and found.naming.any())
        self._things = frozenset(naming if given.last else ())
        self._near: dict[str, str] | None = None

    def knows(self, word: str) -> bool:
        return stem(word) in self._postings

    def query(self) -> Query:
        return Query(self.plain, spelled=self._postings, things=self._things)

    def rank(self, query: Query, most: int = 5) -> list[Match]:
        """The best categories, the best first; none without a known word."""
        terms = dict(self._known(query))
        scores = self._scores(terms)
        best = np.argsort(-scores, kind="stable")[: most + _LOOKED_AT]
        best = best[scores[best] > 0]
        if not len(best):
            return []
        said = {word for found in (query.terms, terms) for phrase in found for word in phrase.split()}
        parts = np.array([self._said_of(int(row), said, terms) for row in best])
        ranked = scores[best] * np.maximum(parts, _UNSAID) ** 2
        order = np.argsort(-ranked, kind="stable")
        better = self._below(best[order], ranked[order], parts[order]) or self._called(best[order], parts[order], terms)
        if better:  # as good as the best one
            first, chosen = order[0], order[better]
            ranked[chosen], scores[best[chosen]] = ranked[first], scores[best[first]]
            order = np.concatenate([[chosen], np.delete(order, better)])
        best, parts, ranked = best[order], parts[order], ranked[order]
        because = self._because(terms, best[:most])
        sure = sureness(self._evidence(query, terms, scores, best, parts, because[0]))
        shares = ranked / ranked[0]
        return [
            Match(
                int(row),
                round(sure if place == 0 else min(sure, 0.5) * float(shares[place]), 3),
                because[place],
                float(ranked[place]),
            )
            for place, row in enumerate(best[:most])
        ]

    def named_below(self, row: int, query: Query, without: Collection[int] = ()) -> tuple[int, Term] | None:
        """The category below another one that the product names in full and side by side, and the words that do; the lowest of
        several in one branch. None where the product also says the name of one in another branch: nothing tells which it is."""
        branch, terms = self._paths[row], {phrase: term for phrase, term in query.terms.items() if not term.implied}
        said = {word for phrase in terms for word in phrase.split()}
        posts = (found for word in said if (found := self._postings.get(word)) is not None)
        below = {
            one
            for found in posts
            for one in map(int, found.rows[found.naming])
            if one != row and one not in without and self._paths[one][: len(branch)] == branch
        }
        names = {one: [name for name in full_names(self._paths[one][-1]) if said.issuperset(name)] for one in below}
        lowest = max((one for one in below if names[one]), key=lambda one: len(self._paths[one]), default=None)
        if lowest is None or any(names[one] and not self._in_branch(lowest, one) for one in below):
            return None
        joined = (" ".join(name[-LONGEST:]) for name in names[lowest])
        return next(((lowest, terms[phrase]) for phrase in joined if phrase in terms), None)

    def _in_branch(self, row: int, above: int) -> bool:
        path = self._paths[above]
        return self._paths[row][: len(path)] == path

    def _scores(self, terms: Mapping[str, Term]) -> npt.NDArray[np.float64]:
        """One of each category, by all words that are in its path."""
        scores, named = np.zeros(len(self._paths)), np.zeros(len(self._paths), dtype=bool)
        for phrase, term in terms.items():
            found = self._postings[phrase]
            scores[found.rows] += found.weights * (term.weight * self._telling[phrase])
            named[found.rows[found.naming]] = True
        scores *= self._share * np.where(named, 1.0, _NOT_NAMED)
        return scores

    def _shares(self, stems: Sequence[str]) -> dict[str, float]:
        """How much of a name each of its words is."""
        worth = {word: self._telling[word] for word in stems}
        return {word: one / sum(worth.values()) for word, one in worth.items()}

    def _post(self, documents: Sequence[tuple[dict[str, float], set[str], set[str]]]) -> dict[str, _Postings]:
        gathered: dict[str, tuple[list[int], list[float], list[bool]]] = {}
        for row, (weights, named, own) in enumerate(documents):
            length = math.sqrt(sum((weights[word] * self._telling[word]) ** 2 for word in own)) or 1.0
            for phrase, weight in weights.items():
                rows, values, naming = gathered.setdefault(phrase, ([], [], []))
                rows.append(row)
                values.append(weight * self._telling[phrase] / length)
                naming.append(phrase in named)
        return {
            phrase: _Postings(np.array(rows, np.int32), np.array(values), np.array(naming, bool))
            for phrase, (rows, values, naming) in gathered.items()
        }

    def _known(self, query: Query) -> Iterator[tuple[str, Term]]:
        """Phrases that are in the index; a word that is not, as it was perhaps meant."""
        terms = query.terms
        for phrase, term in terms.items():
            if phrase in self._postings:
                yield phrase, term
            elif " " in phrase:
                joined = phrase.replace(" ", "")
                if len(joined) > _LONG_WORD and joined in self._postings and joined not in terms:
                    yield joined, term
            elif len(phrase) >= _LONG_WORD and phrase.isalpha():
                meant = self._parted(phrase)
                if meant is not None and meant not in terms:
                    yield meant, term
                elif meant is None and phrase not in query.spelled and not is_spelled(term.written):
                    meant = self._corrected(phrase)
                    if meant is not None and meant not in terms:
                        yield meant, replace(term, weight=term.weight * _MISSPELLED, meant=meant)

    def _parted(self, word: str) -> str | None:
        for cut in range(_PART, len(word) - _PART + 1):
            first, second = word[:cut], stem(word[cut:])
            if f"{first} {second}" in self._postings:
                return f"{first} {second}"
        return None

    def _corrected(self, word: str) -> str | None:
        if self._near is None:
            known = [one for one in self._postings if len(one) >= _LONG_WORD and one.isalpha()]
            self._near = {near: one for one in reversed(known) for near in _shortened(one)}
        found = next((self._near[near] for near in _shortened(word) if near in self._near), None)
        return found if found is not None and abs(len(found) - len(word)) <= 1 else None

    def _said_of(self, row: int, said: Collection[str], terms: Mapping[str, Term]) -> float:
        """How much of one of the category's names the product says, by how telling its words are: 1 for all of it."""
        if any(alias in terms for alias in self._aliases.get(row, ())):
            return 1.0
        most = 0.0
        for name in self._names[row]:
            left = sum([share for word, share in name.items() if word not in said])
            if not left:
                return 1.0
            most = max(most, 1 - left)
        return most

    def _below(self, best: npt.NDArray[np.int64], ranked: npt.NDArray[Any], parts: npt.NDArray[np.float64]) -> int:
        """The place of a category below the best one that is said by its whole name, in words that the best one does not have: a
        product type may only name the department. 0 where there is none."""
        branch, own = self._paths[int(best[0])], self._own(int(best[0]))
        for place in range(1, len(best)):
            path = self._paths[int(best[place])]
            if (
                path[: len(branch)] == branch
                and parts[place] == 1
                and ranked[place] >= _BELOW * ranked[0]
                and any(own.isdisjoint(name) for name in self._names[int(best[place])])
            ):
                return place
        return 0

    def _called(self, best: npt.NDArray[np.int64], parts: npt.NDArray[np.float64], terms: Mapping[str, Term]) -> int:
        """The place of the category that is called what the best one's name only says something of, and something else that is
        said of it: the dog bowls where the best one is dog food. 0 where there is none."""
        top = int(best[0])
        if not (things := self._behind(top, terms)):
            return 0
        passed = {name.rpartition(" ")[2] for name in self._naming(top) if name in terms}
        for place in np.flatnonzero(parts[1:] == 1) + 1:
            row = int(best[place])
            said = [alias.split() for alias in self._aliases.get(row, ()) if alias in terms]
            said += [list(name) for name in self._names[row] if name.keys() <= terms.keys()]
            if any(len(name) > 1 and name[-1] in things and passed.isdisjoint(name) for name in said):
                return int(place)
        return 0

    def _behind(self, row: int, terms: Mapping[str, Term]) -> set[str]:
        """The things that stand behind the category's name, each time that the product says it; they are what the product is."""
        said = {terms[name].before for name in self._naming(row) if name in terms and not terms[name].implied}
        return set() if "" in said else said - self._own(row)

    def _naming(self, row: int) -> list[str]:
        """The phrases that name it: aliases, and the last words of its name."""
        return [*self._aliases.get(row, ()), *(list(name)[-1] for name in self._names[row])]

    def _own(self, row: int) -> set[str]:
        """The words of its path."""
        return {word for name in self._paths[row] for stems in names_in(name) for word in stems}

    def _evidence(
        self,
        query: Query,
        terms: Mapping[str, Term],
        scores: npt.NDArray[np.float64],
        best: npt.NDArray[np.int64],
        parts: npt.NDArray[np.float64],
        because: Sequence[Term],
    ) -> Evidence:
        """For the first of `best`."""
        top = int(best[0])
        rival = max((float(scores[row]) for row in best[1:] if not self.related(int(row), top)), default=0.0)
        aliases = self._aliases.get(top, ())
        own = self._own(top).union(word for alias in aliases if alias in terms for word in alias.split())
        heads = {list(name)[-1] for name in self._names[top]}.union(alias.split()[-1] for alias in aliases)
        worth = {
            word: term.weight * self._telling.get(word, self._most_telling)
            for word, term in query.terms.items()
            if word.isalpha() and not term.implied
        }
        known = sum(word in self._postings for word in worth)
        explained = sum(one for word, one in worth.items() if word in own)
        return Evidence(
            strength=float(scores[top]) / self._most_telling,
            margin=1 - rival / float(scores[top]),
            complete=bool(parts[0] == 1),
            explained=explained / (sum(worth.values()) or 1.0),
            confirmed=not heads.isdisjoint(query.kinds) and 2 * known >= len(worth),
            contradicted=any(word in self._postings and word not in own for word in query.kinds),
            corrected=bool(because[0].meant),
            passed=bool(self._behind(top, terms)),
        )

    def related(self, row: int, other: int) -> bool:
        """Whether two categories are the same, siblings, or one above the other."""
        one, two = self._paths[row], self._paths[other]
        return one[:-1] == two[:-1] or one == two[: len(one)] or two == one[: len(two)]

    def _because(self, terms: Mapping[str, Term], best: npt.NDArray[np.int64]) -> list[tuple[Term, ...]]:
        """The words that say each of these categories, telling ones first, none inside another."""
        worth: list[list[tuple[float, str, Term]]] = [[] for _ in best]
        for phrase, term in terms.items():
            found = self._postings[phrase]
            places = np.minimum(np.searchsorted(found.rows, best), len(found.rows) - 1)
            for number in np.flatnonzero(found.rows[places] == best):
                value = -float(found.weights[places[number]]) * term.weight * self._telling[phrase]
                worth[number].append((value, term.written, term))
        because = []
        for one in worth:
            shown: list[Term] = []
            for _, written, term in sorted(one, key=lambda found: found[:2]):
                if not any(written in other.written or other.written in written for other in shown):
                    shown.append(term)
            because.append(tuple(shown[:3]))
        return because


def _alias(written: str) -> list[str]:
    return [stem(word) for word in words(written)][:LONGEST]


def _document(path: tuple[str, ...], aliases: Sequence[str]) -> tuple[dict[str, float], set[str], set[str]]:
    """Weights of a category's phrases, those that name it, and the words of its path (which make its length)."""
    weights: dict[str, float] = {}
    named: set[str] = set()

    def add(phrase: str, weight: float) -> None:
        weights[phrase] = max(weights.get(phrase, 0.0), weight)

    for above, name in enumerate(reversed(path)):
        last, other = ((_OWN, _OWN_OTHER), (_PARENT, _PARENT_OTHER), (_ABOVE, _ABOVE))[min(above, 2)]
        for stems in names_in(name):
            for word in stems[:-1]:
                add(word, other)
            add(stems[-1], last)
            if above == 0:
                named.add(stems[-1])
            if above < 2:
                for phrase in phrases(stems):
                    add(phrase, last * (_PHRASE if phrase.count(" ") == 1 else _LONG_PHRASE))
    own = {word for word in weights if " " not in word}
    for alias in aliases:
        add(alias, _OWN * (1.0, _PHRASE, _LONG_PHRASE)[alias.count(" ")])
        named.add(alias)
    return weights, named, own


def _share(path: tuple[str, ...], rare: Mapping[tuple[str, ...], float]) -> float:
    return min((share for branch, share in rare.items() if path[: len(branch)] == branch), default=1.0)


def _shortened(word: str) -> Iterator[str]:
    """The word, and it without each of its letters but the first: two words with one in common are one letter apart, or two
    letters changed places."""
    yield word
    for place in range(1, len(word)):
        yield word[:place] + word[place + 1 :]
