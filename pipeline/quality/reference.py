"""The rule reference, docs/rules.md, from the declarations: `python -m pipeline.quality.reference` writes it."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.quality import DIMENSION_WEIGHTS, Rule, RuleSet
from pipeline.quality.fixes import FIXES
from pipeline.quality.ruleset import load_ruleset

_PACKAGE = Path(__file__).parent.parent
PAGE = _PACKAGE.parent / "docs" / "rules.md"

_INTRO = """# Rules and fixes

This page is generated from the declarations: `python -m pipeline.quality.reference`.

A rule belongs to a dimension and has a weight in it. An open **critical** rule keeps the score below 40, an open **error**
below 70; both keep the row out of feeds. **Warnings** and **infos** are sent. The score is exact, and each issue says how many
points it costs:

    D_d   = 100 * sum(w*q) / sum(w)       over the applicable rules of dimension d, q from 0 to 1
    Base  = sum(W_d * D_d) / sum(W_d)     over the dimensions with an applicable rule
    Score = 0.40*Base                     if a critical rule is open
          = 40 + 0.30*Base                else if an error rule is open
          = 70 + 0.30*Base                otherwise

"""


def rule_sets() -> list[RuleSet]:
    """The catalog's rule set and those of the marketplace folders."""
    folders = sorted((_PACKAGE / "marketplaces").glob("*/rules.yaml"))
    return [load_ruleset(path) for path in (Path(__file__).parent / "catalog.yaml", *folders)]


def page() -> str:
    """The whole page as Markdown."""
    parts = [_INTRO, "| Dimension | Weight |\n|---|---|\n"]
    parts += [f"| {name} | {weight} |\n" for name, weight in DIMENSION_WEIGHTS.items()]
    parts.append(
        "\n## Fixes\n\nApplied before the rules, in the order of the rules file; each change is logged and can be undone.\n\n"
    )
    parts.append("| Id | Class | What it does |\n|---|---|---|\n")
    parts += [f"| {fix.id} | {fix.fix_class} | {_cell(fix.summary)} |\n" for _, fix in sorted(FIXES.items())]
    for ruleset in rule_sets():
        steps = dict.fromkeys(step.fix for step in ruleset.fixes)
        parts.append(f"\n## {ruleset.name}\n\nFixes: {', '.join(steps) or 'none'}.\n\n")
        parts.append("| Rule | Field | Dimension | Severity | Weight | Message | What to do |\n|---|---|---|---|---|---|---|\n")
        parts += [_row(rule) for rule in ruleset.rules]
    return "".join(parts)


def _row(rule: Rule) -> str:
    severity = "; ".join([rule.severity, *(f"{flag}: {other}" for flag, other in rule.severity_when.items())])
    cells = [rule.code, rule.field, rule.dimension, severity, str(rule.weight), rule.message, rule.hint]
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
