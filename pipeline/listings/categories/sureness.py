"""How sure the best category of a ranking is: how often guesses with such evidence were right."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Of a logistic curve that was fitted, and then lowered until 97 of 100 were right above 0.9: docs/decisions/0023 has the titles.
_BASE, _LEAD, _EXPLAINED, _CONFIRMED, _CONTRADICTED = 2.0, 0.62, 0.57, 1.0, -1.35
#: However telling it is, words make nothing certain; and of categories that are only half said the half was right, or less.
_CEILING, _DOUBTFUL, _HALF_SAID = 0.99, 0.75, 0.5
#: A smaller lead over the next one, and a smaller part of the product's words, are doubtful.
_CLOSE, _LITTLE = 0.1, 0.2


@dataclass(frozen=True)
class Evidence:
    """What the words of a product say for the best category, and against it."""

    strength: float  # its score, in most telling words
    margin: float  # share of its score by which it leads all that are not its parent, child or sibling, however much they add
    complete: bool  # the product says one of its names to the last word, not only a part
    explained: float  # share of the product's words, by weight, that are in its path
    confirmed: bool  # its name is what the store says the product is, and most of the product's words are known
    contradicted: bool  # nothing in its path is what the store says the product is
    corrected: bool  # it rests on a word that was taken for another
    passed: bool  # another thing stands behind its name, which is what the product is then


def sureness(evidence: Evidence) -> float:
    """Between 0 and 1."""
    found = (
        _BASE
        + _LEAD * evidence.strength * evidence.margin
        + _EXPLAINED * math.log(max(evidence.explained, 0.01))
        + _CONFIRMED * evidence.confirmed
        + _CONTRADICTED * evidence.contradicted
    )
    most = _CEILING
    if not evidence.complete or evidence.corrected:
        most = _HALF_SAID
    elif evidence.passed or evidence.margin < _CLOSE or evidence.explained < _LITTLE:
        most = _DOUBTFUL
    return min(most, 1 / (1 + math.exp(-found)))
