"""Where the texts and the category of one product on a marketplace come from: what the source says, what was made of it and by
whom, and why something else is not used. Reads rows of the stored tables as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pipeline.language.drafts import FIELDS
from pipeline.listings.categories.decisions import Recorded, Scope, key_of

Row = Mapping[str, Any]
State = Literal["used", "replaced", "suggested", "rejected", "refused", "untranslated", "none"]
#: Field -> the column of the product that it is made from.
_SOURCE = {"title": "title", "description": "description_html", "bullets": "description_html", "keywords": "tags"}
_WAITS = "it waits for a decision: pipeline suggestions list"
_WAITS_CATEGORY = "it waits for a decision: pipeline categories list"


@dataclass(frozen=True)
class Step:
    """One value of a field. `replaced` by the next one that is used, `refused` by a guard, `none` found.

    `by`: source, translation, rules, model, human; of a category also choice, rule, taxonomy, words, marketplace, item, default.
    `at`: null where it is not recorded.
    """

    field: str
    by: str
    state: State
    value: Any
    engine: str | None = None
    at: datetime | None = None
    who: str | None = None
    why: str | None = None


def provenance(
    product: Row, localized: Row, optimized: Row, category: Row, listing: Row, decisions: Iterable[Recorded]
) -> list[dict[str, Any]]:
    """Steps by field, in the order in which they lie on top of each other.

    `product` is a row of fixed_products, the others of localized_products, optimized_products, listing_categories and listings
    ({} where there is none); `decisions` are all about categories of the connection.
    """
    steps: list[Step] = []
    for name in FIELDS:
        steps += _settled([*_translated(name, product, localized), *_optimized(name, optimized)])
    steps += _settled(list(_category(product, category, listing, decisions)))
    return [asdict(step) for step in steps]


def _settled(steps: Sequence[Step]) -> Iterator[Step]:
    """Of several values that are used, the last one is."""
    used = [step for step in steps if step.state == "used"]
    for step in steps:
        yield Step(**{**asdict(step), "state": "replaced"}) if step in used[:-1] else step


def _translated(name: str, product: Row, localized: Row) -> Iterator[Step]:
    source = product.get(_SOURCE[name])
    yield Step(name, "source", "used", source)
    if not localized:
        return
    at = localized["made_at"]
    if name == "keywords":
        words = {word["source"]: word["target"] for word in localized["words"] or ()}
        said = [words.get(tag, tag) for tag in source or ()]
        if said != list(source or ()):
            yield Step(name, "translation", "used", said, localized["engine"], at)
        return
    text = "title" if name == "title" else "description"
    value = localized["title" if name == "title" else "description_html"]
    why = next((said for said in localized["problems"] or () if said.startswith(f"{text}: ")), None)
    if value is not None:
        yield Step(name, "translation", "used", value, localized[f"{text}_engine"], at)
    elif why is not None:
        yield Step(name, "translation", "untranslated", None, None, at, None, why.removeprefix(f"{text}: "))


def _optimized(name: str, optimized: Row) -> Iterator[Step]:
    states: Mapping[str, State] = {"accepted": "used", "suggested": "suggested", "rejected": "rejected", "kept": "refused"}
    for one in optimized.get("fields") or ():
        if one["field"] != name:
            continue
        state = states[one["state"]]
        # What a person said goes before what the model did; a guard's words say why nothing is used.
        said = one["problems"] if state == "refused" else [one["why"]] if one["why"] else [one["reason"]]
        why = "; ".join(filter(None, said)) or None
        engine, at = one["engine"], one["decided_at"] or optimized["made_at"]
        why = f"{_WAITS} ({why})" if state == "suggested" and why else _WAITS if state == "suggested" else why
        yield Step(name, engine.partition(":")[0], state, one["after"], engine, at, one["who"], why)


def _category(product: Row, category: Row, listing: Row, decisions: Iterable[Recorded]) -> Iterator[Step]:
    yield Step("category", "source", "used", product.get("category") or product.get("product_type"))
    about = [one for one in decisions if (one.scope, one.key) in _keys(product, category)]
    for one in about:
        if not one.accepted:
            yield Step("category", "human", "rejected", one.category, "choice", one.decided_at, one.who, one.why or None)
    if category.get("engine"):
        chosen = next((one for one in about if one.accepted and one.category == category["category"]), None)
        by = category["engine"].partition(":")[0]
        used = category["status"] == "accepted"
        why = category["reason"] if used else f"{_WAITS_CATEGORY} ({category['reason']})"
        if chosen is not None and by == "choice":
            why = f"{category['reason']}: {chosen.why}" if chosen.why else category["reason"]
            at, who = chosen.decided_at, chosen.who
        else:
            at, who = None, None
        yield Step(
            "category", "words" if by == "lexical" else by, "used" if used else "suggested", category["category"],
            category["engine"], at, who, why,
        )  # fmt: skip
    elif category.get("reason"):
        yield Step("category", "words", "none", None, None, None, None, category["reason"])
    said = listing.get("category_source")
    if said in ("default", "item") and listing.get("category"):
        why = "the connection's default_category" if said == "default" else "that of the item of the marketplace's catalog"
        yield Step("category", said, "used", listing["category"], None, None, None, why)


def _keys(product: Row, category: Row) -> set[tuple[Scope, str]]:
    """What a decision may be about so that it is about this product."""
    keys: set[tuple[Scope, str]] = {("product", str(product.get("product_id"))), ("product_type", key_of(
        "product_type", product.get("product_type") or ""))}  # fmt: skip
    taxonomy = category.get("taxonomy") or ""
    while taxonomy:
        keys.add(("taxonomy", taxonomy))
        taxonomy = taxonomy.rpartition("-")[0]
    return keys
