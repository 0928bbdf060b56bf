"""Translations that people made of similar labels of the same file: shown to a model as examples, never used for a text
themselves. A product's text has none: what another text says to a model would reach it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any
from uuid import UUID

import psycopg

from pipeline.language.translation.masks import spans

#: The newest translations, texts of a length that is worth comparing, and how many of them are compared with one text.
_ROWS, _CHARACTERS, _CANDIDATES = 20_000, 300, 20
_LEAST_LIKE, _MOST = 0.7, 2
_WORD = re.compile(r"\w{2,}")


@dataclass(frozen=True)
class Examples:
    """(source, target) of one pair of languages, findable by their words; `_contexts` are the places that they were made for."""

    pairs: list[tuple[str, str]]
    _contexts: list[str]
    _by_word: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str) -> Examples:
        """Texts with one form and without anything that is masked: examples must not bring placeholders into an answer."""
        rows = connection.execute(
            "SELECT source ->> '', target ->> '', context FROM translation_memory WHERE store_id = %s AND source_locale = %s"
            " AND target_locale = %s AND context <> '' AND source ? '' AND target ? '' AND length(source ->> '') <= %s"
            " ORDER BY updated_at DESC, source_hash LIMIT %s",
            (store_id, source_locale, target_locale, _CHARACTERS, _ROWS),
        )
        plain = [row for row in rows if not any(spans(row[0])) and not any(spans(row[1]))]
        found = cls([(source, target) for source, target, _ in plain], [context for *_, context in plain])
        for number, (source, _) in enumerate(found.pairs):
            for word in _words(source):
                found._by_word.setdefault(word, []).append(number)
        return found

    def like(self, forms: Iterable[str], origin: str) -> tuple[tuple[str, str], ...]:
        """The most similar ones of a text of this origin (see `Segment`), the most similar first."""
        text = next(iter(forms), "")
        if not self.pairs or not origin or len(text) > _CHARACTERS:
            return ()
        near = (number for word in _words(text) for number in self._by_word.get(word, ()))
        shared = Counter(number for number in near if self._contexts[number].startswith(origin))
        scored = []
        for number, _ in shared.most_common(_CANDIDATES):
            matcher = SequenceMatcher(None, self.pairs[number][0].casefold(), text.casefold(), autojunk=False)
            if matcher.real_quick_ratio() >= _LEAST_LIKE and (score := matcher.ratio()) >= _LEAST_LIKE:
                scored.append((-score, number))
        return tuple(self.pairs[number] for _, number in sorted(scored)[:_MOST])


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
