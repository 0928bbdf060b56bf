"""The score: exact, transparent, the same on one worker or many.

    D_d   = 100 * sum(w*q) / sum(w)       over the applicable rules of dimension d
    Base  = sum(W_d * D_d) / sum(W_d)     over the dimensions with an applicable rule; 100 if there is none
    Score = 0.40*Base                     if a critical rule is open (q < 1)
          = 40 + 0.30*Base                else if an error rule is open
          = 70 + 0.30*Base                otherwise
    points lost by rule r = W_d/sum(W) * 100 * w*(1-q)/sum_d(w), so that they sum to 100 - Base

w is the rule's weight, q its degree from 0 to 1, W the weight of the dimension. All in integers and fractions: a float could
show 69.995 as 70. Rows with the same pattern of degrees share one calculation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.model.quality import DIMENSION_WEIGHTS, SEVERITIES, Dimension, Severity

#: In a pattern: the rule does not apply to the row.
NOT_APPLICABLE = -1
#: A score from here on may be published.
PUBLISHABLE = 70

_FACTOR = {"critical": (Fraction(0), Fraction(2, 5)), "error": (Fraction(40), Fraction(3, 10))}
_OTHERWISE = (Fraction(70), Fraction(3, 10))


@dataclass(frozen=True)
class Weighing:
    """What the score needs of a rule; `denominator` is that of its degrees."""

    dimension: Dimension
    severity: Severity
    weight: int
    denominator: int = 1


@dataclass(frozen=True)
class Score:
    """The result for one pattern; `points_lost` in the order of the rules, 0 where fulfilled or not applicable."""

    score: Fraction
    base: Fraction
    worst: Severity | None
    dimensions: Mapping[Dimension, Fraction]
    points_lost: tuple[Fraction, ...]

    @property
    def display(self) -> int:
        """The whole number shown."""
        return int(self.score)


def floored(value: Fraction) -> float:
    """Two decimals, rounded down."""
    return (value.numerator * 100 // value.denominator) / 100


def score(rules: Sequence[Weighing], pattern: Sequence[int]) -> Score:
    """The score of one pattern: the numerator of each rule's degree, or NOT_APPLICABLE."""
    weights: dict[Dimension, int] = {}
    earned: dict[Dimension, Fraction] = {}
    open_severities: set[Severity] = set()
    for rule, numerator in zip(rules, pattern, strict=True):
        if numerator == NOT_APPLICABLE:
            continue
        weights[rule.dimension] = weights.get(rule.dimension, 0) + rule.weight
        degree = 1 if numerator == rule.denominator else Fraction(int(numerator), rule.denominator)
        earned[rule.dimension] = earned.get(rule.dimension, Fraction(0)) + rule.weight * degree
        if numerator != rule.denominator:
            open_severities.add(rule.severity)
    total = sum(DIMENSION_WEIGHTS[dimension] for dimension in weights)
    shares = {dimension: 100 * earned[dimension] / weight for dimension, weight in weights.items()}
    base = (
        sum((DIMENSION_WEIGHTS[name] * share for name, share in shares.items()), Fraction(0)) / total if total else Fraction(100)
    )
    worst = next((severity for severity in SEVERITIES if severity in open_severities), None)
    offset, factor = _FACTOR.get(worst or "info", _OTHERWISE)
    lost = tuple(
        Fraction(0)
        if numerator in (NOT_APPLICABLE, rule.denominator)
        else Fraction(100 * DIMENSION_WEIGHTS[rule.dimension] * rule.weight * (rule.denominator - int(numerator)))
        / (total * weights[rule.dimension] * rule.denominator)
        for rule, numerator in zip(rules, pattern, strict=True)
    )
    return Score(offset + factor * base, base, worst, shares, lost)
