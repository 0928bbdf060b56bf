"""`pipeline explain`: the whole way of one SKU, from its line in the source to the marketplace's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from pipeline.cli.options import Json
from pipeline.cli.output import cell, say, short, show_facts, show_json, show_table
from pipeline.cli.session import session

_WIDTH = 70


def register(parent: typer.Typer) -> None:
    parent.command("explain", epilog="Example: pipeline explain my-shop MUG-1 --marketplace amazon-us")(explain)


def explain(
    store: Annotated[str | None, typer.Argument(metavar="STORE", help="Key of the store.", show_default=False)] = None,
    sku: Annotated[str | None, typer.Argument(metavar="SKU", help="The SKU, as it is listed.", show_default=False)] = None,
    marketplace: Annotated[str | None, typer.Option("--marketplace", "-m", help="Only this site, for example amazon-us.")] = None,
    as_json: Json = False,
) -> None:
    """Show where every value of a SKU comes from, what was done to it, what was sent, and what the marketplace answered."""
    from pipeline.operations.explain import explain as gather
    from pipeline.operations.explain import require_arguments

    store, sku = require_arguments(store, sku)
    with session() as current, current.connect() as connection:
        found = gather(connection, current.settings, store, sku, marketplace)
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: Mapping[str, Any]) -> None:
    source = found["source"]
    say(f"{found['sku']} of {found['store']}")
    show_facts({name: value for name, value in source.items() if value is not None})
    rows = []
    for one in found["values"]:
        if one["source"] is None and one["fixed"] is None:
            continue
        steps = "; ".join(f"{fix['fix']}: {_cut(fix['before'])} -> {_cut(fix['after'])}" for fix in one["fixes"])
        rows.append((one["field"], one["from"], _cut(one["source"]), steps))
    show_table(("value", "comes from", "source says", "fixes of the catalog"), rows, empty="there is no source row of it")
    _rules(found["rules"])
    if found["score"]:
        say(f"catalog score: {found['score']['display']}")
    if not found["marketplaces"]:
        say(f"{found['store']} is connected to no marketplace; connect it with: pipeline connect {found['store']} amazon-us")
    for site, market in found["marketplaces"].items():
        _market(site, found["sku"], market, {one["field"]: one for one in found["values"]})


def _market(site: str, sku: str, market: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]) -> None:
    say("")
    sold_as = f", sold as {market['sku']}" if market.get("sku") not in (None, sku) else ""
    say(f"== {site} ({'live' if market.get('mode') == 'api' else 'file mode'}{sold_as})")
    listing = market.get("listing")
    if listing is not None:
        holds = {one.field: one for one in market["overrides"] if one.ended is None}
        rows = []
        for name in values:
            if listing.get(name) is None and name not in holds:
                continue
            steps = [f"{fix['fix']}: {_cut(fix['before'])} -> {_cut(fix['after'])}" for fix in market["fixes"].get(name, ())]
            if name in holds:
                one = holds[name]
                steps.append(f"{one.fix} (attempt {one.attempt}, submission {one.submission_id}: {one.code} {_cut(one.text)})")
            rows.append((name, _cut(listing[name]), "; ".join(steps)))
        if listing["sale_price"] is not None:
            rows.append(
                ("sale", f"{listing['sale_price']} from {cell(listing['sale_start'])} to {cell(listing['sale_end'])}", "")
            )
        show_table(("value", "listing", "fixes of this marketplace"), rows, empty="")
        say(f"{listing['status']}, score {market['score']}" + (f": {listing['reason']}" if listing["reason"] else ""))
        _rules(market["rules"])
    _texts(market.get("texts") or ())
    for sentence in market.get("texts_left") or ():
        say(sentence)
    plan = market.get("plan")
    if plan is not None:
        facts = {name: plan.get(name) for name in ("export_id", "status", "changes", "reason", "planned_at", "committed_at")}
        show_facts({f"plan {name}" if name != "export_id" else "plan": value for name, value in facts.items() if value})
    if market.get("state"):
        show_facts({f"acknowledged {name}": value for name, value in market["state"].items() if value is not None})
    if market.get("sent"):
        names = ("submission", "feed", "export_id", "feed_id", "state", "submitted_at", "outcome", "reason")
        show_table(("sent as", *names[1:]), [tuple(one[name] for name in names) for one in market["sent"]], empty="")
    if market.get("answers"):
        names = ("severity", "code", "text", "attribute", "field", "rule", "fix", "submission_id")
        show_table(names, [tuple(_cut(one[name]) for name in names) for one in market["answers"]], empty="")
    if market.get("drift"):
        moved = ("kind", "ours", "theirs", "state", "first_seen", "last_seen")
        show_table(("drift", *moved[1:]), [tuple(one[name] for name in moved) for one in market["drift"]], empty="")
    say(f"next: {market['next']}")


def _texts(steps: Sequence[Mapping[str, Any]]) -> None:
    """Fields of which there is more to say than that they are the source's."""
    more = {step["field"] for step in steps if step["by"] != "source"}
    names = ("by", "state", "value", "engine", "at", "who", "why")
    rows = [(step["field"], *(_cut(step[name]) for name in names)) for step in steps if step["field"] in more]
    if rows:
        show_table(("text", *names), rows, empty="")


def _rules(issues: list[Mapping[str, Any]]) -> None:
    if issues:
        names = ("severity", "rule", "field", "message", "hint", "points_lost")
        show_table(names, [tuple(_cut(_rounded(one[name])) for name in names) for one in issues], empty="")


def _rounded(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def _cut(value: Any) -> str:
    return short(value, _WIDTH)
