"""Orders in a product's text to a machine, or to whoever writes or translates it: "ignore previous instructions".

`words/orders.yaml` has words by what they do in an order, in many languages, and rules of how an order is put together from them.
A text becomes a line of marks, one a word; the rules are regular expressions over these marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.language.reading.disguises import encoded, readings, squeezed, unescaped

_MOST_SHOWN = 80
#: Letters with their vowel signs, which \w leaves out. What is written without spaces has patterns of its own (`written`).
_LETTERS = "(?:[^\\W_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff])+"
_PUNCTUATION = {
    sign: name
    for name, signs in {
        "stop": ".!?;|•\n。！？；؛؟।", "colon": ":", "comma": ",、،", "open": "([{", "close": ")]}",
        "quote": "\"“”„«»‘「」『』", "dash": "–—-",
    }.items()
    for sign in signs
}  # fmt: skip
_SIGNS = re.escape("".join(set(_PUNCTUATION) - set(".-")))
_TOKEN = re.compile(rf"(?P<word>{_LETTERS})|[.](?!\w)|[{_SIGNS}]|(?<=\s)-(?=\s)")
_Classes = frozenset[str]


_UNSEEN = "so no model was asked"


@dataclass(frozen=True)
class _Words:
    """`words/orders.yaml`, ready for use. `exact` and `begun` (words that begin so) say what a word is, `phrases` what several
    words are, by their first; `marks` has the character of each set of classes."""

    exact: Mapping[str, _Classes]
    begun: Mapping[str, _Classes]
    phrases: Mapping[str, Mapping[tuple[str, ...], _Classes]]
    marks: Mapping[_Classes, str]
    rules: re.Pattern[str]
    written: re.Pattern[str]
    markup: re.Pattern[str]
    squeezed: re.Pattern[str]


def unseen(said: str) -> str:
    """Why a text with this order is shown to no model."""
    return f"speaks to a machine ({said!r}), {_UNSEEN}"


def is_unseen(problem: str) -> bool:
    """Whether that is what a problem says."""
    return _UNSEEN in problem


def instructs(text: str) -> str | None:
    """The part of a text that speaks to a machine or to its writer; None for nearly all texts."""
    said = next(filter(None, map(_order, readings(text))), None) or next(encoded(text), None)
    if said is None and (markup := _words().markup.search(unescaped(text))) is not None:
        said = markup[0]
    if said is None and (found := next(filter(None, map(_words().squeezed.search, squeezed(text))), None)) is not None:
        said = found[0]
    return None if said is None else " ".join(said.split())[:_MOST_SHOWN]


def _order(text: str) -> str | None:
    """The first order in plain words."""
    words = _words()
    if not text.isascii() and (found := words.written.search(text)) is not None:
        return found[0]
    marks, places = _marked(text)
    match = words.rules.search(marks)
    return None if match is None else text[places[match.start()][0] : places[match.end() - 1][1]].lstrip(" .,;:!?|•\n([{-–—")


def _marked(text: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """A mark for each word, phrase and sign of punctuation, and where it stands. A text begins as if a sentence had ended."""
    known = _words().marks
    tokens = [(_fold(match[0]) if match["word"] else match[0], match) for match in _TOKEN.finditer(text)]
    marks, places, at = [known[frozenset({"stop"})]], [(0, 0)], 0
    while at < len(tokens):
        word, match = tokens[at]
        count, classes = 1, frozenset({_PUNCTUATION[word]}) if word in _PUNCTUATION else _classes(word)
        if phrases := _words().phrases.get(word):
            count, classes = max(
                ((len(parts), one) for parts, one in phrases.items() if _begins(tokens[at : at + len(parts)], parts)),
                default=(count, classes), key=lambda found: found[0],
            )  # fmt: skip
        if not classes and match[0][:1].isupper():
            classes = frozenset({"capital"})
        marks.append(known[classes])
        places.append((match.start(), tokens[at + count - 1][1].end()))
        at += count
    return "".join(marks), places


def _begins(tokens: Sequence[tuple[str, re.Match[str]]], parts: Sequence[str]) -> bool:
    return len(tokens) == len(parts) and all(
        word.startswith(part[:-1]) if part.endswith("*") else word == part
        for (word, _), part in zip(tokens, parts, strict=True)
    )  # fmt: skip


@lru_cache(maxsize=50_000)
def _classes(word: str) -> _Classes:
    return _words().exact.get(word, frozenset()) | _begun(word, _words().begun)


def _begun(word: str, begun: Mapping[str, _Classes]) -> _Classes:
    return frozenset().union(*(begun[word[:length]] for length in range(2, len(word) + 1) if word[:length] in begun))


@lru_cache(maxsize=50_000)
def _fold(text: str) -> str:
    """Lower case without accents. Of its own, because words of lists and of texts need to agree in nothing else."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@cache
def _words() -> _Words:
    import yaml

    listed: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("words").joinpath("orders.yaml").read_bytes())
    exact: dict[str, _Classes] = {}
    begun: dict[str, _Classes] = {}
    phrases: dict[str, dict[tuple[str, ...], _Classes]] = {}
    for name, languages in listed["words"].items():
        for word in (word.strip() for said in languages.values() for word in said.split("|")):
            first, *more = parts = [_fold(part) for part in re.findall(rf"{_LETTERS}\*?", word)]
            if more:
                same = phrases.setdefault(first, {})
                same[tuple(parts)] = same.get(tuple(parts), frozenset()) | {name}
            else:
                where, key = (begun, first[:-1]) if first.endswith("*") else (exact, first)
                where[key] = where.get(key, frozenset()) | {name}
    sets = {frozenset(), frozenset({"capital"}), *(frozenset({name}) for name in _PUNCTUATION.values())}
    sets |= {_begun(word, begun) | more for word in (*exact, *begun) for more in (frozenset(), exact.get(word, frozenset()))}
    sets |= {classes for same in phrases.values() for classes in same.values()}
    marks = {classes: chr(0xE000 + number) for number, classes in enumerate(sorted(sets, key=sorted))}
    rules = re.compile("|".join(_compiled(rule, listed["parts"], marks) for rule in listed["rules"]), re.VERBOSE)
    patterns = ("|".join(listed[name]) for name in ("written", "markup", "squeezed"))
    written, markup, letters = (re.compile(unicodedata.normalize("NFKC", one), re.IGNORECASE | re.DOTALL) for one in patterns)
    return _Words(exact, begun, phrases, marks, rules, written, markup, letters)


def _compiled(rule: str, parts: Mapping[str, str], marks: Mapping[_Classes, str]) -> str:
    """A rule as a pattern of marks: `<a>` is a word of that class, `<a/b>` of one of them, `~3` up to three words of a sentence,
    and a name in capitals is one of `parts`."""

    def one(names: str) -> str:
        found = "".join(mark for classes, mark in marks.items() if not classes.isdisjoint(names.split("/")))
        if not found:
            raise ValueError(f"orders.yaml: no word is {names!r}")
        return f"[{found}]"

    rule = re.sub(r"[A-Z]{2,}", lambda match: parts[match[0]], rule)
    rule = re.sub(r"~(\d)", rf"[^{marks[frozenset({'stop'})]}]{{0,\1}}?", rule)
    return re.sub(r"<([\w/]+)>", lambda match: one(match[1]), rule)
