"""Which words of a text tell something of a product: not those that good copy uses of anything (`words/copywriting.yaml`)."""

from __future__ import annotations

from functools import cache, lru_cache

from pipeline.language.reading.wording import WORD, fold, lists, neutral, stem

_SHORTEST = 3


def telling(text: str, language: str) -> list[str]:
    """The words that tell something, as written, each once."""
    return [word for word in dict.fromkeys(WORD.findall(text)) if tells(word, language)]


@lru_cache(maxsize=65_536)
def tells(word: str, language: str) -> bool:
    plain = fold(word)
    if len(plain) < _SHORTEST or any(map(str.isdigit, plain)) or plain in neutral(language):
        return False
    return stem(plain.rpartition("'")[2]) not in _soft(language)  # d'eau


@cache
def _soft(language: str) -> frozenset[str]:
    return frozenset(stem(word) for word in str(lists("copywriting").get(language, "")).split())
