"""Values of options that only some variants of a product have: a text about all of them names all of these or none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.language.reading.wording import fold

#: A single letter is a value where it is written as one: "Size S", not "S's".
_LETTER = r"(?<![\w'’]){}(?![\w'’])"
_WORDS = frozenset("AEIOUY")


def one_of_several(text: str, options: str, source: str) -> Iterator[str]:
    """In sentences, what a text names of an option that has other values too. `options`: "Color: Blue, Color: Green, Size: L";
    what the `source` names itself may be named."""
    for name, values in _by_name(options).items():
        named = list(_named(values, text))
        if len(values) > len(named):
            yield from (
                f"only some variants are {value!r} ({name})" for value in named if not any(_named({fold(value): value}, source))
            )


def _by_name(options: str) -> dict[str, dict[str, str]]:
    """Option -> its values, as they are compared -> as they are written."""
    found: dict[str, dict[str, str]] = {}
    for one in options.split(", "):
        name, colon, value = one.partition(": ")
        if colon and value:
            found.setdefault(name, {})[fold(value)] = value
    return found


def _named(values: dict[str, str], text: str) -> Iterator[str]:
    """Longer ones first: "forest green" names no "green"."""
    folded = fold(text)
    for value in sorted(values, key=len, reverse=True):
        if not any(map(str.isalpha, value)):
            continue
        if len(value) == 1:
            letter = values[value].upper()
            if letter not in _WORDS and re.search(_LETTER.format(letter), text):
                yield values[value]
            continue
        rest = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", folded)
        if rest != folded:
            yield values[value]
        folded = rest
