"""Local validation of listings before anything is sent: the shape of a message, then its product type's schema. The third layer,
our policy rules, is `rules.yaml`, which the quality engine runs first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import orjson
import pandas as pd
import pyarrow.compute as pc

from pipeline.marketplaces.amazon.messages import create
from pipeline.marketplaces.amazon.product_types.definition import Definition
from pipeline.marketplaces.amazon.product_types.themes import theme_problem
from pipeline.marketplaces.amazon.product_types.types import ProductTypes, requirements_of
from pipeline.marketplaces.amazon.product_types.validator import Problem, Validator
from pipeline.marketplaces.amazon.spapi.client import field_of
from pipeline.marketplaces.amazon.validate import usable
from pipeline.marketplaces.base import ListingProblem
from pipeline.marketplaces.columns import mask, pylist, text
from pipeline.marketplaces.data import read_yaml
from pipeline.model.listing import Account, Site

_SHOWN = 5
#: How many listings have their messages in memory at once.
_ROWS = 2_000


def problems(rows: pd.DataFrame, site: Site, account: Account, types: ProductTypes) -> Iterator[ListingProblem]:
    """What Amazon would refuse. Rows of product types that nothing is known of, with no words of Amazon's in them, pass."""
    own_words = mask(pc.match_substring(text(rows, "attributes"), "[{"))
    if not types and not own_words.any():
        return
    wanting = [category is not None and types.definition(category) is not None for category in pylist(rows, "category")]
    for row, category in enumerate(pylist(rows, "category")):
        if category is not None and (found := types.problem(category)) is not None:
            place = f"{account.store} {site.key}"
            hint = f"Find another: pipeline product-types search {place} WORDS; or: pipeline product-types refresh {place}."
            yield ListingProblem(row, "AMZ_TYPE", "category", found, hint)
    checked = [row for row, (first, second) in enumerate(zip(wanting, own_words, strict=True)) if first or second]
    for start in range(0, len(checked), _ROWS):
        chosen = checked[start : start + _ROWS]
        yield from _of_rows(rows.iloc[chosen], chosen, site, account, types)


def _of_rows(
    rows: pd.DataFrame, places: list[int], site: Site, account: Account, types: ProductTypes
) -> Iterator[ListingProblem]:
    payloads = create(rows, usable(rows), site, account, types).to_pylist()
    columns = (pylist(rows, name) for name in ("category", "role", "option1_name", "option2_name", "option3_name"))
    for row, payload, requirements, (category, role, *names) in zip(
        places, payloads, requirements_of(rows), zip(*columns, strict=True), strict=True
    ):
        if payload is None:  # without a SKU or a category, which rules say
            continue
        message = orjson.loads(payload)
        for problem in _message().problems(message):
            yield ListingProblem(
                row, "AMZ_MESSAGE", "attributes", f"The message is malformed: {problem.attribute} {problem.text}.", _MESSAGE_HINT
            )
        definition = types.definition(category, requirements) or types.definition(category)
        if definition is None:
            continue
        if role == "parent" and (theme := theme_problem((names[0], names[1], names[2]), definition)):
            yield ListingProblem(
                row, "AMZ_TYPE_THEME", "option1", f"There is no variation theme: {theme}.", _theme_hint(account, site)
            )
        for problem in definition.problems(message["attributes"]):
            if problem.attribute != "variation_theme":  # of a whole family, said at its parent
                yield _listing_problem(row, problem, definition, site, account)


_MESSAGE_HINT = "Correct what the metafields amazon.*, the category rule or the setting attributes say."


def _listing_problem(row: int, problem: Problem, definition: Definition, site: Site, account: Account) -> ListingProblem:
    name = problem.attribute
    field = field_of(name) or "attributes"
    if not name:
        sentence = f"{definition.product_type}: attributes {problem.text}."
        return ListingProblem(row, problem.rule, field, sentence, _show_hint(definition, site, account))
    sentence = f"{definition.title(name)} ({name}) {problem.text}."
    return ListingProblem(row, problem.rule, field, sentence, _hint(name, field, definition, site, account))


def _hint(name: str, field: str, definition: Definition, site: Site, account: Account) -> str:
    """Where to say it, and what."""
    attribute = definition.attributes.get(name)
    allowed = attribute.allowed if attribute else ()
    values = f" Allowed: {', '.join(allowed[:_SHOWN])}{' ...' if len(allowed) > _SHOWN else ''}." if allowed else ""
    if field != "attributes" and name in _own():
        return f"{definition.product_type} wants it so: correct {field} in the store.{values}"
    setting = f"attributes.{definition.product_type}.{name}=VALUE"
    return (
        f"Set the metafield amazon.{name} of the product, or for all of them: "
        f"pipeline connection set {account.store} {site.key} {setting}.{values}"
    )


def _show_hint(definition: Definition, site: Site, account: Account) -> str:
    return f"See what it wants with: pipeline product-types show {account.store} {site.key} {definition.product_type}."


def _theme_hint(account: Account, site: Site) -> str:
    return (
        "Rename the options in the store, use another product type, or sell each variant by itself: "
        f"pipeline connection set {account.store} {site.key} families=single."
    )


@cache
def _own() -> frozenset[str]:
    from pipeline.marketplaces.amazon.product_types.fill import fills

    return frozenset(fills()["reserved"])


@cache
def _message() -> Validator:
    return Validator(read_yaml(Path(__file__).with_name("message.yaml")), "messages")
