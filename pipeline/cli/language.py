"""`pipeline language`: the model, what it cost, budgets; and `pipeline glossary`: terms of a store."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Json, StoreKey
from pipeline.cli.output import say, show_facts, show_json, show_table
from pipeline.cli.session import session

app = typer.Typer(help="Language model: what is configured, what it cost, budgets.", no_args_is_help=True)
terms = typer.Typer(help="Glossary of a store: terms that are kept or have one translation.", no_args_is_help=True)

Term = Annotated[str, typer.Argument(metavar="TERM", help="The term as the store writes it.", show_default=False)]
Locale = Annotated[str | None, typer.Option("--locale", help="Language of the translation; all languages if not given.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="language")
    parent.add_typer(terms, name="glossary")


@app.command(epilog="Example: pipeline language status --json")
def status(as_json: Json = False) -> None:
    """Show the model, and what was spent this month against the budgets."""
    from datetime import datetime, timezone

    from pipeline.language.asking.ledger import dollars, read_budgets, spending
    from pipeline.language.asking.models import configured_model
    from pipeline.stores.stores import list_stores

    month = datetime.now(timezone.utc).strftime("%Y-%m")
    with session() as current:
        model = configured_model(current.settings.data_dir)
        with current.connect() as connection:
            total = spending(connection, month=month)
            stores = [
                (store.key, read_budgets(connection, store.id), spending(connection, month=month, store_id=store.id))
                for store in list_stores(connection)
            ]
    facts = {
        "model": model.endpoint.model if model else None,
        "address": model.endpoint.base_url if model else None,
        "month": month,
        "calls": total.calls,
        "spent_usd": total.usd_micro / 1e6,
        "unsettled_usd": total.unsettled / 1e6,
    }
    if as_json:
        rows = [
            {
                "store": key,
                "spent_usd": spent.usd_micro / 1e6,
                "month_budget_usd": budgets.store_month / 1e6,
                "run_budget_usd": budgets.run / 1e6,
            }
            for key, budgets, spent in stores
        ]
        show_json({**facts, "stores": rows})
        return
    show_facts(
        {**facts, "model": facts["model"] or "none: translations come from people and the glossary (LLM_BASE_URL, LLM_MODEL)"}
    )
    show_table(
        ("store", "calls", "spent", "of this month's", "one run"),
        [(key, s.calls, dollars(s.usd_micro), dollars(b.store_month), dollars(b.run)) for key, b, s in stores],
        empty="no stores yet",
    )


@app.command(epilog="Example: pipeline language budget my-shop --month 20 --run 2")
def budget(
    store: Annotated[str | None, typer.Argument(metavar="STORE", help="Key of the store; else all stores together.")] = None,
    month: Annotated[float | None, typer.Option("--month", min=0, max=1_000_000, help="US dollars a month.")] = None,
    run: Annotated[float | None, typer.Option("--run", min=0, max=1_000_000, help="US dollars in one run.")] = None,
    as_json: Json = False,
) -> None:
    """Set the most that may be spent: by one store, or in sum by all (--run is then what a store has of its own)."""
    from pipeline.language.asking.ledger import set_budget
    from pipeline.model.errors import UsageError
    from pipeline.stores.stores import get_store

    given = {"month": month, "run": run}
    if month is None and run is None:
        raise UsageError("say how much: --month DOLLARS, --run DOLLARS; see what is spent with: pipeline language status")
    with session() as current, current.connect() as connection:
        store_id = get_store(connection, store).id if store else None
        for period, usd in given.items():
            if usd is not None:
                set_budget(connection, store_id, period, round(usd * 1_000_000))
    if as_json:
        show_json({"store": store, **given})
    else:
        say("the budget is set")


@app.command(epilog="Example: pipeline language batches --poll")
def batches(
    poll: Annotated[bool, typer.Option("--poll", help="Ask the server now, and use the answers that are there.")] = False,
    forget: Annotated[
        str | None,
        typer.Option(
            "--forget", help="Wait no longer for this batch, as when its server is gone; what it reserved counts as spent."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show batches of questions to the model, the newest first."""
    from pipeline.language.asking.batches import give_up, list_batches
    from pipeline.model.errors import PipelineError, UsageError
    from pipeline.stores.stores import list_stores

    with session() as current:
        if poll:
            from pipeline.cli.results import here
            from pipeline.operations.chain import poll_language_batches
            from pipeline.operations.language_batches import lines

            polled = poll_language_batches(here(current))
            done, errors = {"polled": polled.batches, "follow_ups": polled.follow_ups}, polled.errors
            said, code = lines(polled), 0 if all(one["asked"] for one in polled.batches) else 1
        else:
            done, errors, said, code = {}, [], [], 0
        with current.connect() as connection:
            found = list_batches(connection, limit=limit)
            stores = {store.id: store.key for store in list_stores(connection)}
            if forget is not None:
                found = [one for one in list_batches(connection, only_open=True) if forget in (one.batch_id, one.run_key[:8])]
                if not found:
                    raise UsageError(f"no batch {forget!r} is open; see: pipeline language batches")
                give_up(connection, found[0].run_key, "nobody waits for it any more")
                said.append(f"batch {forget} is forgotten; the next run asks its questions anew")
                found = list_batches(connection, limit=limit)
    if errors:
        raise PipelineError("; ".join([*errors, *said]))
    if as_json:
        show_json({"batches": found, **done})
        raise typer.Exit(code)
    show_table(
        ("batch", "store", "task", "model", "requests", "status", "since", "ended", "problem"),
        [
            (
                b.batch_id or b.run_key[:8],
                stores[b.store_id],
                b.task,
                b.model,
                b.requests,
                b.status,
                b.created_at,
                b.ended_at,
                b.problem,
            )
            for b in found
        ],
        empty="no batches; ask in one with: pipeline labels translate STORE --batch, or LLM_TRANSPORT=batch",
    )
    for line in said:
        say(line)
    raise typer.Exit(code)


@terms.command("add", epilog='Example: pipeline glossary add my-shop "Cart" --locale de --as Warenkorb')
def add(
    store: StoreKey,
    term: Term,
    locale: Locale = None,
    translation: Annotated[str | None, typer.Option("--as", help="How it is translated; kept as it is if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Add or change a term."""
    from pipeline.language.translation.glossary import set_term
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        found = set_term(connection, get_store(connection, store).id, term, locale=locale, translation=translation)
    if as_json:
        show_json(found)
    else:
        say("added; it counts from the next translation on, also for what was translated before")


@terms.command("list", epilog="Example: pipeline glossary list my-shop")
def list_(store: StoreKey, as_json: Json = False) -> None:
    """List the terms of a store."""
    from pipeline.language.translation.glossary import read_glossary
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        found = read_glossary(connection, get_store(connection, store).id).terms
    if as_json:
        show_json({"terms": found})
        return
    show_table(
        ("term", "language", "translation"),
        [(t.term, t.target_locale or "all", t.translation or "(kept as it is)") for t in found],
        empty=f"no terms yet; add one with: pipeline glossary add {store} TERM",
    )


@terms.command("remove", epilog="Example: pipeline glossary remove my-shop Cart --locale de")
def remove(store: StoreKey, term: Term, locale: Locale = None, as_json: Json = False) -> None:
    """Remove a term."""
    from pipeline.language.translation.glossary import remove_term
    from pipeline.stores.stores import get_store

    with session() as current, current.connect() as connection:
        gone = remove_term(connection, get_store(connection, store).id, term, locale)
    if as_json:
        show_json({"removed": gone})
    else:
        say("removed")
