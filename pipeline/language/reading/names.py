"""Names of others, model numbers and abbreviations in a text. Marks and cues are data (`words/facts.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pipeline.language.reading.sentences import CLAUSE_END
from pipeline.language.reading.telling import tells
from pipeline.language.reading.wording import WORD, fold, lists, neutral

#: Letters and digits in one (WH-1000XM4, A4, 4K), or capitals alone (LED), or inner capitals (PowerGrip).
_MODEL = re.compile(
    r"(?<!\w)(?=[^\W_])(?=[\w./-]*\d)(?=[\w./-]*[^\W\d_])[^\W_](?:[\w./-]*[^\W_])?|(?<!\w)[A-ZÄÖÜÉÈ]{2,}(?:-[A-Z0-9]+)*(?!\w)"
    r"|(?<=[^\W\d_] )[B-DF-HJ-NP-XZ](?![\w'’]|\.\w)"  # Vitamin C
)
_COUNT = re.compile(r"[x×]\d+|\d+[x×]", re.IGNORECASE)
_INNER = re.compile(r"(?<!\w)[^\W\d_]+[a-zäöüßéè][A-ZÄÖÜÉ][^\W_]*")
_BEGIN = re.compile(rf"(?:^|{CLAUSE_END}|[-–—]\s)\s*[\"'“„«(]*$")
#: No abbreviation of three letters, which is one of `models`, or a known mark.
_CAPITAL = re.compile(r"(?<![\w'’])(?![A-ZÄÖÜÉÈ]{2,3}(?![^\W\d_]))[A-ZÄÖÜÉÈÀÁÍÓÚÑÇ][^\W\d_]+(?:['’][^\W\d_]+)?(?![\w'’])")


def models(text: str) -> Iterator[str]:
    for pattern in (_MODEL, _INNER):
        for match in pattern.finditer(text):
            if not is_count(match[0]):
                yield match[0]


def is_count(word: str) -> bool:
    """x30, 12x"""
    return _COUNT.fullmatch(word) is not None


def names(text: str, brands: frozenset[str], language: str, *, any_case: bool = False) -> Iterator[str]:
    """Names of others: known marks, what follows a word such as "by", and (where nouns are written small) capitals inside a
    sentence. `any_case`: marks may be written small."""
    marks, cue = _brands(brands, any_case), _cues(language)
    for match in marks.finditer(text) if marks else ():
        yield match[0]
    for match in cue.finditer(text) if cue else ():
        if tells(match[1], language):  # von Natur
            yield match[1]
    if language == "de":
        return
    for match in _CAPITAL.finditer(text):
        if (
            not _BEGIN.search(text[max(0, match.start() - 40) : match.start()])
            and fold(match[0]) not in neutral(language)
            and not _listed(text, match)
        ):
            yield match[0]


def _listed(text: str, match: re.Match[str]) -> bool:
    """Whether all words around are written with capitals, as in a heading: there a capital says nothing."""
    line = text[text.rfind("\n", 0, match.start()) + 1 :].split("\n", 1)[0].split(". ", 1)[0]
    words = [word for word in WORD.findall(line.split(":")[0] if ":" in line[:40] else "") if len(word) > 3]
    return bool(words) and match[0] in words and all(word[0].isupper() or word[0].isdigit() for word in words)


@cache
def _brands(more: frozenset[str], any_case: bool) -> re.Pattern[str] | None:
    names = [*str(lists("facts")["brands"]).split(), *(name for name in more if len(name) > 2)]
    names.sort(key=len, reverse=True)
    return (
        re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE if any_case else 0)
        if names
        else None
    )


@cache
def _cues(language: str) -> re.Pattern[str] | None:
    words = sorted(lists("facts")["name_cues"].get(language, ()), key=len, reverse=True)
    if not words:
        return None
    found = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![^\W_])(?i:{found})\s+((?:[A-ZÄÖÜÉ][\w&'’-]+))")
