"""How a refused listing is mended: from the marketplace's issues to other values. Plain functions over one listing.

Every fix is without loss, or loses what nobody misses; one that cannot tell what to change changes nothing. A listing is mended
only if all of its errors can be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from pipeline.marketplaces.live import LiveMarketplace
from pipeline.marketplaces.repairs import Cause, FixKind, Part
from pipeline.model.quality import FixClass
from pipeline.quality.fixes.channel import shorten, size
from pipeline.quality.wording import without_characters

#: What each fix does, as people read it, and whether anything is lost.
FIXES: Mapping[FixKind, tuple[str, FixClass]] = {
    "shorten": ("shortened to the limit that the marketplace names", "lossy-safe"),
    "fewer": ("as many as the marketplace takes, the first ones", "lossy-safe"),
    "characters": ("without the characters that the marketplace refuses", "lossy-safe"),
    "drop": ("left out, since it is optional", "lossy-safe"),
    "drop_item": ("without the item that the marketplace refuses", "lossy-safe"),
    "drop_image": ("without the picture that the marketplace refuses", "lossy-safe"),
}
#: Without these there is no listing: they never become empty.
_NEEDED = frozenset({"title", "description", "bullets", "images"})
#: A smaller number in a sentence is no limit of a text.
_LEAST = 10
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:[,.']\d{3})+(?!\w)|(?<![\w.])\d+(?!\w)")
_QUOTED = re.compile(r"[\"“«]([^\"”»]*)[\"”»]|(?<!\w)'([^']*)'(?!\w)")
_BYTES = re.compile(r"\bbytes?\b", re.IGNORECASE)
_INDEX = re.compile(r"bullet_point(?:\[|[./#])(\d+)")


@dataclass(frozen=True)
class Issue:
    """An error of the marketplace about one message."""

    code: str
    attribute: str | None
    text: str


@dataclass(frozen=True)
class Change:
    """A field's other value, and the issue that it answers."""

    field: str
    value: Any
    fix: FixKind
    issue: Issue

    @property
    def fix_class(self) -> FixClass:
        return FIXES[self.fix][1]


@dataclass(frozen=True)
class Proposal:
    """What would mend a listing, or `why` nothing does. `fixes` are the kinds of fix by issue, where one is known."""

    changes: Sequence[Change] = ()
    why: str | None = None
    fixes: tuple[FixKind | None, ...] = ()


def propose(listing: Mapping[str, Any], issues: Sequence[Issue], market: LiveMarketplace, language: str) -> Proposal:
    """The changes that answer all `issues` about a listing (values of LISTINGS, as it was sent)."""
    now = dict(listing)
    changes: dict[str, Change] = {}
    kinds: list[FixKind | None] = []
    why = None if issues else "the marketplace named no cause"
    for issue in issues:
        part = market.part_of(listing, issue.attribute, issue.text)
        cause = _cause(market, issue, part.field) if part is not None else None
        kinds.append(cause.fix if cause is not None else None)
        if part is None or cause is None:
            why = why or f"nothing mends {issue.attribute or 'this'} by itself"
            continue
        value = _fixed(cause.fix, now, part, issue, language)
        if value == now[part.field] or (not value and part.field in _NEEDED):
            why = why or f"it cannot be told how to change the {part.field}"
            continue
        now[part.field] = value
        changes[part.field] = Change(part.field, value, cause.fix, issue)
    return Proposal((), why, tuple(kinds)) if why else Proposal(tuple(changes.values()), None, tuple(kinds))


def _cause(market: LiveMarketplace, issue: Issue, field: str) -> Cause | None:
    return next((one for one in market.causes() if field in one.fields and one.explains(issue.code, issue.text)), None)


def _fixed(fix: FixKind, listing: Mapping[str, Any], part: Part, issue: Issue, language: str) -> Any:
    """The value after the fix; the same where it cannot be told what to do."""
    value = listing[part.field]
    if value is None:
        return None
    if fix == "drop":
        return _without_fact(value, part.part) if part.part else None
    if fix == "drop_image":
        return [url for url in value if url != part.part]
    if fix == "fewer":
        most = min(_numbers(issue.text), default=len(value))
        return list(value[:most]) if 0 < most < len(value) else list(value)
    if fix == "drop_item":
        return _without_item(list(value), issue)
    kept = [listing["brand"], *(listing[f"option{number}"] for number in (1, 2, 3))]
    change = _shortened if fix == "shorten" else _without_characters
    if isinstance(value, str):
        return change(value, issue.text, [word for word in kept if word], language)
    return [item for item in (change(item, issue.text, [], language) for item in cast("list[str]", value)) if item]


def _shortened(value: str, said: str, kept: Sequence[str], language: str) -> str:
    """The limit is the largest number of the sentence below the present size: sentences name both."""
    unit = "bytes" if _BYTES.search(said) else "characters"
    limits = [number for number in _numbers(said) if _LEAST <= number < size(value, unit)]
    return shorten(value, max(limits), unit, kept, language) if limits else value


def _without_characters(value: str, said: str, kept: Sequence[str], language: str) -> str:
    """Without the single characters that the sentence quotes; where it quotes none, without symbols and control characters."""
    quoted = {one for pair in _QUOTED.findall(said) for one in pair if len(one) == 1 and not one.isalnum()}
    named = quoted or {one for one in value if unicodedata.category(one) in ("So", "Sk", "Cc", "Cf", "Co", "Cn") and one != "\n"}
    lines = [without_characters(line, kept, "".join(sorted(named)), "") for line in value.split("\n")]
    return "\n".join(lines) if named else value


def _without_item(items: list[str], issue: Issue) -> list[str]:
    """Without the item that the sentence quotes, or that the attribute's index (from 0) names."""
    quoted = [one for pair in _QUOTED.findall(issue.text) for one in pair if len(one) >= _LEAST]
    bad = [item for item in items if any(one == item or one.rstrip(". …") in item for one in quoted)]
    place = _INDEX.search(issue.attribute or "")
    if not bad and place is not None and int(place[1]) < len(items):
        bad = [items[int(place[1])]]
    return [item for item in items if item not in bad] if len(bad) == 1 else items


def _without_fact(document: str, fact: str) -> str | None:
    left = {name: value for name, value in orjson.loads(document).items() if name != fact}
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS).decode() if left else None


def _numbers(text: str) -> list[int]:
    """The numbers of a sentence, outside of what it quotes unless all of it is quoted ('200')."""
    plain = _QUOTED.sub(lambda found: found[0] if re.sub(r"[\"“”«»']", "", found[0]).isdigit() else " ", text)
    return [int(re.sub(r"\D", "", found)) for found in _NUMBER.findall(plain)]
