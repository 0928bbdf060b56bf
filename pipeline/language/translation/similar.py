"""Translations that people made of similar texts: shown to a model as examples, never used for a text themselves."""

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
    """(source, target) of one pair of languages, findable by their words."""

    pairs: list[tuple[str, str]]
    _by_word: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: psycopg.Connection[Any], store_id: UUID, source_locale: str, target_locale: str) -> Examples:
        """Texts with one form and without anything that is masked: examples must not bring placeholders into an answer."""
        rows = connection.execute(
            "SELECT source ->> '', target ->> '' FROM translation_memory WHERE store_id = %s AND source_locale = %s"
            " AND target_locale = %s AND source ? '' AND target ? '' AND length(source ->> '') <= %s"
            " ORDER BY updated_at DESC, source_hash LIMIT %s",
            (store_id, source_locale, target_locale, _CHARACTERS, _ROWS),
        )
        found = cls([(source, target) for source, target in rows if not any(spans(source)) and not any(spans(target))])
        for number, (source, _) in enumerate(found.pairs):
            for word in _words(source):
                found._by_word.setdefault(word, []).append(number)
        return found

    def like(self, forms: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The most similar ones of a text, the most similar first."""
        text = next(iter(forms), "")
        if not self.pairs or len(text) > _CHARACTERS:
            return ()
        shared = Counter(number for word in _words(text) for number in self._by_word.get(word, ()))
        scored = []
        for number, _ in shared.most_common(_CANDIDATES):
            matcher = SequenceMatcher(None, self.pairs[number][0].casefold(), text.casefold(), autojunk=False)
            if matcher.real_quick_ratio() >= _LEAST_LIKE and (score := matcher.ratio()) >= _LEAST_LIKE:
                scored.append((-score, number))
        return tuple(self.pairs[number] for _, number in sorted(scored)[:_MOST])


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
