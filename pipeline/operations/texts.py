"""What exports did with texts of products, or would do, and what that costs: for people in a line, for machines in the summary.

Read from what the runs' materializations say and from the ledgers of calls and credits, so it says the same whoever ran them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from pipeline.language.asking.batches import IN_BATCH
from pipeline.language.asking.ledger import dollars, spending
from pipeline.language.optimize import SILENT
from pipeline.language.optimize import TASK as OPTIMIZATION
from pipeline.listings.categories.model import TASK as CATEGORIES
from pipeline.listings.localized.build import TASK as TRANSLATION
from pipeline.listings.open_texts import TRANSLATION_FIRST, UNTRANSLATED, by_hand, stays
from pipeline.marketplaces import find_site
from pipeline.operations.launch import Outcome
from pipeline.stores.credits import deducted_by, read_account
from pipeline.stores.stores import get_store

if TYPE_CHECKING:
    import dagster as dg

#: By asset: what it does, and the task that its calls are booked for.
_WORK = {
    "listing_categories": ("categories", CATEGORIES),
    "localized_products": ("translation", TRANSLATION),
    "optimized_products": ("optimization", OPTIMIZATION),
}
#: By kind of work: what a model is asked for.
_ASKED = {
    "translation": "texts to translate",
    "optimization": "products to optimize",
    "categories": "products to choose a category for",
}
_MOST_WHY = 160


def texts_of(
    connection: psycopg.Connection[Any], instance: dg.DagsterInstance, store_key: str, outcome: Outcome
) -> dict[str, Any]:
    """By kind of work (`translation`, `optimization`, `categories`): `products` by state, `pending` (texts or products that a
    model is still to be asked for, or has not answered), `in_batches` (products of them that batches were asked about; not of
    translations), `open` (products that a model is still to be asked for, by why), `left` (why the first of the others is not
    wholly translated), `refused` (why most of those are that got no better texts, and `refusals`, how many they are), what
    asking would take (`estimate`) and what was asked (`spent`), in US dollars and credits; `credits` of the store. {} where an
    export does none of it."""
    found = {}
    for asset, metadata in _materialized(instance, outcome.run_id):
        if asset in _WORK and "estimated_calls" in metadata:
            name, task = _WORK[asset]
            spent = spending(connection, run_id=outcome.run_id, task=task)
            found[name] = {
                "model": _value(metadata, "model"),
                "products": _counts(metadata, "by_state" if "by_state" in metadata else "by_status"),
                "pending": _value(metadata, "pending_texts") or _value(metadata, "pending_products") or 0,
                "in_batches": _value(metadata, "products_in_batches") or 0,
                "open": _counts(metadata, "left_open"),
                "left": _left(metadata),
                "refusals": _value(metadata, "products_refused") or 0,
                "refused": _value(metadata, "most_refused_because"),
                "stopped": None if _value(metadata, "stopped") in (None, "no") else _value(metadata, "stopped"),
                "estimate": {
                    "texts": _value(metadata, "texts_to_ask_for") or _value(metadata, "products_to_ask_for") or 0,
                    "requests": _value(metadata, "estimated_calls") or 0,
                    "usd": _value(metadata, "estimated_usd") or 0.0,
                    "most_usd": _value(metadata, "reserved_usd") or 0.0,
                    "credits": _value(metadata, "estimated_credits") or 0,
                },
                "spent": {"requests": spent.calls, "usd": spent.usd_micro / 1e6, "unsettled_usd": spent.unsettled / 1e6},
            }
    if not found:
        return {}
    account = read_account(connection, get_store(connection, store_key).id)
    balance = account.balance if account is not None and account.active else None
    return {**found, "credits": {"deducted": deducted_by(connection, outcome.run_id), "balance": balance}}


def text_notes(summary: Mapping[str, Any]) -> list[str]:
    """A line for each marketplace of a summary whose export had to do with texts."""
    found = []
    for site, export in summary["marketplaces"].items():
        if export["texts"]:
            said = _would_cost if export["status"] == "dry_run" else _was_done
            found.append(f"{site}: {said(export['texts'], summary['store'] + ' ' + site)}")
    return found


def _would_cost(texts: Mapping[str, Any], place: str) -> str:
    parts = []
    for name, what in _ASKED.items():
        estimate = texts[name]["estimate"] if name in texts else {"requests": 0}
        if estimate["requests"]:
            credits = f" and {estimate['credits']} credits" if estimate["credits"] else ""
            parts.append(
                f"{estimate['texts']} {what} in {estimate['requests']} requests or more, about {_dollars(estimate['usd'])} "
                f"(at most {_dollars(estimate['most_usd'])}){credits}"
            )
    balance = texts["credits"]["balance"]
    has = "" if balance is None else f"; the store has {balance} credits"
    if parts:
        return f"texts would cost: {'; '.join(parts)}{has}. Nothing is asked or spent before: pipeline export {place}"
    return f"texts would cost nothing: {_nobody(texts) or 'there is nothing to ask a model for'}"


def _was_done(texts: Mapping[str, Any], place: str) -> str:
    return "; ".join([*_chosen(texts), *_translated(texts, place), *_optimized(texts, place), *_spent(texts)])


def _translated(texts: Mapping[str, Any], place: str) -> Iterator[str]:
    if "translation" not in texts:
        return
    states = texts["translation"]["products"]
    yield f"{states.get('translated', 0)} of {sum(states.values())} products are translated"
    yield from _open(texts["translation"], place)
    refused = sum(states.values()) - states.get("translated", 0) - sum(texts["translation"]["open"].values())
    if refused > 0:
        why = texts["translation"]["left"] or "the reasons are in localized_products"
        said = f"{refused} are not, or only partly{', the first' if refused > 1 else ''}: {why}"
        store, site = place.split()
        command = by_hand(store, find_site(site)[1].language)
        yield f"{said} (one by one: pipeline explain {store} SKU; to translate them by hand: {command})"


def _optimized(texts: Mapping[str, Any], place: str) -> Iterator[str]:
    if "optimization" not in texts:
        return
    states = texts["optimization"]["products"]
    optimized = states.get("accepted", 0) + states.get("suggested", 0)
    yield f"better texts are there for {optimized} of {sum(states.values())} products"
    yield from _open(texts["optimization"], place)
    if refused := texts["optimization"]["refusals"]:
        why = texts["optimization"]["refused"]
        yield f"of {refused} nothing could be used, {'most often ' if refused > 1 else ''}because {why}"
        if SILENT in why:
            yield f"to ask once more: pipeline suggestions again {place.split()[0]}"
    if states.get("suggested"):
        yield f"those of {states['suggested']} wait for a decision: pipeline suggestions list {place} --state suggested"


def _open(work: Mapping[str, Any], place: str) -> Iterator[str]:
    """Each reason with its own products."""
    for why, products in work["open"].items():
        if why == IN_BATCH:
            yield f"{products} were asked in a batch; answers come within a day"
        elif why == UNTRANSLATED:
            store, site = place.split()
            yield f"{products} wait: {stays(store, site)} (why, one by one: pipeline explain {store} SKU)"
        elif why == TRANSLATION_FIRST:
            yield f"{products} wait: {why}"
        else:
            yield f"{products} are still to be asked for, by the next export: {why}"


def _chosen(texts: Mapping[str, Any]) -> Iterator[str]:
    for why, products in texts["categories"]["open"].items() if "categories" in texts else ():
        if why == IN_BATCH:
            yield f"categories of {products} products were asked in a batch; answers come within a day"
        else:
            yield f"a model is still to choose the category of {products} products: {why}"


def _spent(texts: Mapping[str, Any]) -> Iterator[str]:
    spent = [texts[name]["spent"] for name, _ in _WORK.values() if name in texts]
    requests, usd, unsettled = (sum(each[name] for each in spent) for name in ("requests", "usd", "unsettled_usd"))
    if not requests:
        yield f"nothing was spent{f' ({nobody})' if (nobody := _nobody(texts)) else ''}"
        return
    open_ = f", {_dollars(unsettled)} of it reserved for answers that are not there yet" if unsettled else ""
    credits = texts["credits"]
    paid = f" and {credits['deducted']} credits ({credits['balance']} are left)" if credits["balance"] is not None else ""
    yield f"spent {_dollars(usd)} in {requests} requests{open_}{paid}"


def _nobody(texts: Mapping[str, Any]) -> str:
    if any(texts[name]["model"] != "none" for name, _ in _WORK.values() if name in texts):
        return ""
    return "no model is configured, people's words, the glossary and rules do what they can"


def _materialized(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import dagster as dg

    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        event = record.event_log_entry.asset_materialization
        if event is not None:
            yield event.asset_key.path[-1], event.metadata


def _value(metadata: Mapping[str, Any], name: str) -> Any:
    return metadata[name].value if name in metadata else None


def _rows(metadata: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The rows of a table; none where there was nothing to show."""
    return [record.data for record in getattr(metadata.get(name), "records", ())]


def _counts(metadata: Mapping[str, Any], name: str) -> dict[str, int]:
    found = {}
    for row in _rows(metadata, name):
        (what,) = (value for column, value in row.items() if column != "count")
        found[str(what)] = int(row["count"])
    return found


def _left(metadata: Mapping[str, Any]) -> str | None:
    """Why the first products are not wholly translated."""
    said = next((str(row["problems"]) for row in _rows(metadata, "not_translated") if row["problems"]), None)
    return said if said is None or len(said) <= _MOST_WHY else f"{said[:_MOST_WHY]} ..."


def _dollars(usd: float) -> str:
    return dollars(round(usd * 1e6))
