"""Where in our terms something is that a marketplace complains of: the field, and the rule in which an operator reads more."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pipeline.listings.cell import Cell
from pipeline.marketplaces.live import FeedIssue, LiveMarketplace
from pipeline.marketplaces.repairs import Cause, FixKind
from pipeline.model.quality import SEVERITIES

#: What would mend it -> checks of our rules that look at the same.
_CHECKS: Mapping[FixKind, frozenset[str]] = {
    "shorten": frozenset({"max_length", "item_max_length"}),
    "fewer": frozenset({"count_at_most"}),
    "characters": frozenset({"not_matches", "no_control", "no_emoji"}),
    "drop_item": frozenset({"no_phrases", "not_matches"}),
    "drop_image": frozenset({"image_types", "https_urls"}),
    "drop": frozenset({"one_of", "matches", "sendable"}),
}
_PRESENT = frozenset({"present"})
_MISSING = re.compile(r"\brequired\b|\bmissing\b|\bnot supplied\b|\bempty\b|\bmust be (?:provided|specified)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Places:
    """(check, code) of a marketplace's rules by field, the heaviest first; and its table of causes."""

    rules: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    causes: Sequence[Cause] = ()

    def rule(self, name: str | None, issue: FeedIssue) -> str | None:
        """Our rule about what is wrong with this field; None when none looks at that, or nobody knows what it is."""
        rules = self.rules.get(name or "", ())
        cause = next((one for one in self.causes if name in one.fields and one.explains(issue.code, issue.text)), None)
        if cause is not None and cause.fix in _CHECKS:
            checks = _CHECKS[cause.fix]
        elif _MISSING.search(issue.text):
            checks = _PRESENT
        else:
            return None
        return next((code for check, code in rules if check in checks), None)


def places_of(cell: Cell) -> Places:
    """The rules and causes of a live connection's marketplace."""
    from pipeline.quality.ruleset import load_ruleset

    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    rules = load_ruleset(cell.marketplace.rules_file).rules
    for rule in sorted(rules, key=lambda rule: SEVERITIES.index(rule.severity)):
        found[rule.field].append((rule.check, rule.code))
    return Places(found, cast(LiveMarketplace, cell.marketplace).causes())
