"""`pipeline credits`: what stores have to spend on paid work, what it costs, and what was deducted for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, StoreKey, Who, Why, person
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.session import session

if TYPE_CHECKING:
    import psycopg

app = typer.Typer(help="Credits of a store: grants, deductions, balance, prices.", no_args_is_help=True)

#: Stands in the audit for what is decided about every store; no key of a store can be this.
_ALL = "*"

SomeStore = Annotated[str | None, typer.Argument(metavar="[STORE]", help="Key of the store; all stores if not given.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="credits")


@app.command(epilog="Example: pipeline credits on my-shop --at-zero go-on")
def on(
    store: StoreKey,
    at_zero: Annotated[
        str, typer.Option("--at-zero", help="stop: no paid work without credits. go-on: it goes on and is deducted later.")
    ] = "stop",
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Switch a store's credits on: from now on what a model does for it costs credits."""
    from pipeline.model.errors import UsageError
    from pipeline.stores.actions import record_action
    from pipeline.stores.credits import AT_ZERO, switch_on
    from pipeline.stores.stores import get_store

    chosen = next((each for each in AT_ZERO if each == at_zero), None)
    if chosen is None:
        raise UsageError(f"--at-zero is one of {', '.join(AT_ZERO)}")
    with session() as current, current.connect() as connection:
        found = get_store(connection, store)
        switch_on(connection, found.id, chosen)
        record_action(connection, person(who, why), "credits_on", store, at_zero=chosen)
        facts = _facts(connection, store)
    show_json(facts) if as_json else show_facts(facts)


@app.command(epilog="Example: pipeline credits off my-shop")
def off(store: StoreKey, why: Why = "", who: Who = None, as_json: Json = False) -> None:
    """Switch a store's credits off: it works without limit; its balance stays."""
    from pipeline.stores.actions import record_action
    from pipeline.stores.credits import switch_off
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        switch_off(connection, get_store(connection, store).id)
        record_action(connection, person(who, why), "credits_off", store)
        facts = _facts(connection, store)
    show_json(facts) if as_json else show_facts(facts)


@app.command(epilog="Example: pipeline credits grant my-shop 5000 --reference INV-2026-17")
def grant(
    store: StoreKey,
    credits: Annotated[int, typer.Argument(metavar="CREDITS", min=1, help="How many.", show_default=False)],
    reference: Annotated[str | None, typer.Option("--reference", help="Such as an invoice: granted once.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="For people.")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Give a store credits. What it owed is deducted by the next run, or by the daily deduction."""
    from pipeline.stores import credits as ledger
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        by = person(who, why)
        ledger.grant(connection, get_store(connection, store).id, credits, person=by, reference=reference, note=note)
        facts = _facts(connection, store)
    show_json(facts) if as_json else show_facts(facts)


@app.command(epilog='Example: pipeline credits deduct my-shop 100 --why "granted twice"')
def deduct(
    store: StoreKey,
    credits: Annotated[int, typer.Argument(metavar="CREDITS", min=1, help="How many.", show_default=False)],
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Take credits of a store back, such as a grant that was wrong. Never below zero."""
    from pipeline.stores.credits import take_back
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        take_back(connection, get_store(connection, store).id, credits, person=person(who, why))
        facts = _facts(connection, store)
    show_json(facts) if as_json else show_facts(facts)


@app.command(epilog="Example: pipeline credits balance my-shop")
def balance(store: SomeStore = None, as_json: Json = False) -> None:
    """Show what a store, or every store, has left."""
    from pipeline.stores.credits import list_accounts

    with session() as current, current.connect() as connection:
        if store is not None:
            found: Any = _facts(connection, store)
        else:
            found = list_accounts(connection)
    if as_json:
        show_json(found if store is not None else {"accounts": found})
    elif store is not None:
        show_facts(found)
    else:
        show_table(
            ("store", "balance", "credits", "at zero"),
            [(each.store, each.balance, "on" if each.active else "off", each.at_zero) for each in found],
            empty="no store's credits are switched on: every store works without limit",
        )


@app.command(epilog="Example: pipeline credits history my-shop --limit 20")
def history(
    store: StoreKey, limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50, as_json: Json = False
) -> None:
    """Show grants and deductions, the newest first."""
    from pipeline.stores.credits import history as entries
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        found = entries(connection, get_store(connection, store).id, limit)
    if as_json:
        show_json({"store": store, "entries": found})
        return
    show_table(
        ("when", "what", "units", "credits", "balance", "run", "note"),
        [
            (e.created_at, e.service or e.kind, e.units, e.amount, e.balance, (e.run_id or "")[:8], e.note or e.work)
            for e in found
        ],
        empty="nothing was granted or deducted yet",
    )


@app.command(epilog="Example: pipeline credits price label 2 --store my-shop")
def price(
    service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Whose price is set.")] = None,
    credits: Annotated[int | None, typer.Argument(metavar="[CREDITS]", min=0, help="Credits a unit.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="Only for this store.")] = None,
    why: Why = "",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Show what each service costs, or set it."""
    from pipeline.model.errors import UsageError
    from pipeline.stores import credits as ledger
    from pipeline.stores.actions import record_action
    from pipeline.stores.stores import get_store

    if (service is None) != (credits is None):
        raise UsageError("say both, or none to see all: pipeline credits price SERVICE CREDITS")
    with session() as current, current.connect() as connection:
        store_id = get_store(connection, store).id if store else None
        if service is not None and credits is not None:
            ledger.set_price(connection, store_id, service, credits)
            record_action(connection, person(who, why), "credit_price", store or _ALL, service=service, credits=credits)
        rows = [
            {"service": name, "unit": unit, "credits": ledger.price(connection, store_id, name)}
            for name, (unit, _) in ledger.SERVICES.items()
        ]
    if as_json:
        show_json({"store": store, "prices": rows})
    else:
        show_table(("service", "unit", "credits"), [tuple(row.values()) for row in rows], empty="")
        say("set one with: pipeline credits price SERVICE CREDITS [--store STORE]")


def _facts(connection: psycopg.Connection[Any], store: str) -> dict[str, Any]:
    from pipeline.language.asking.charging import unpaid_answers
    from pipeline.stores.credits import SERVICES, read_account
    from pipeline.stores.stores import get_store

    found = get_store(connection, store)
    account = read_account(connection, found.id)
    if account is None:
        return {"store": store, "credits": "off", "balance": 0, "at_zero": None, "unpaid": {}}
    owed = {name: unpaid_answers(connection, found.id, name) for name in SERVICES if name != "store_day"}
    return {
        "store": store,
        "credits": "on" if account.active else "off",
        "balance": account.balance,
        "at_zero": account.at_zero,
        "unpaid": {name: count for name, count in owed.items() if count},
    }
