"""`pipeline connect` and `pipeline connection`: stores on marketplaces, their settings and status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.credential_input import Credentials, ask_one, can_ask, read_credentials, tell
from pipeline.cli.options import Json, SiteKey, StoreKey, Who, Why, Yes, confirm, person
from pipeline.cli.output import duration, say, short, show_facts, show_json, show_table
from pipeline.cli.removal import remove_connection, show_removed
from pipeline.cli.session import Session, session
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.marketplaces.base import Marketplace
    from pipeline.model.listing import Site
    from pipeline.model.secret import Secret
    from pipeline.operations.decisions import Decided, Desk
    from pipeline.stores.assignments import Assignment
    from pipeline.stores.connections import Connection

app = typer.Typer(help="Connections: stores on marketplaces.", no_args_is_help=True)

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An export or account setting; may be repeated. See: connection show."),
]
#: Newest rows of the audit that `show` has.
_DECISIONS = 10
AccountName = Annotated[str | None, typer.Option("--account-name", help="Name of the marketplace account, for people.")]


def register(parent: typer.Typer) -> None:
    parent.command(epilog="Example: pipeline connect my-shop amazon-us --set price_adjustment_percent=7 --set rounding=.99")(
        connect
    )
    parent.add_typer(app, name="connection")


def connect(
    store: StoreKey,
    marketplace: SiteKey,
    settings: Settings = None,
    account_name: AccountName = None,
    credentials: Credentials = None,
    as_json: Json = False,
) -> None:
    """Connect a store to a marketplace. Without credentials in file mode: feeds are written and validated, nothing is sent.

    At a terminal and without options it asks for what the marketplace needs, and says where each is found."""
    from pipeline.marketplaces import find_site
    from pipeline.stores.connections import connect as add
    from pipeline.stores.connections import get_connection, save_credentials

    market, site = find_site(marketplace)
    assignments = _assignments(settings)
    secrets = {} if credentials is None else read_credentials(credentials, market.credentials, market.name)
    with session() as current:
        from pipeline.operations.partitions import register

        if not (settings or account_name or credentials or as_json) and market.sends and can_ask():
            secrets, assignments = _walk(current, store, market, site)

        with current.connect() as connection:
            found = add(
                connection,
                store,
                site,
                assignments=assignments,
                account_settings=market.account_settings,
                account_name=account_name,
            )
            _check_files(found, assignments)
            if secrets:
                save_credentials(connection, current.vault, found, market.credentials, secrets)
            register(current.instance, store_keys=[store], sites=[site.key])
        tried = {"problems": _try(current, store, site.key)} if secrets and market.sends else {}
        with current.connect() as connection:
            found = get_connection(connection, store, site.key)
    if as_json:
        show_json({**_public(found), **tried})
        raise typer.Exit(1 if tried.get("problems") else 0)
    if tried.get("problems"):
        for problem in tried["problems"]:
            say(problem)
        if found.status == "testing":
            say(f"store {store} is connected to {marketplace}; whether its credentials are good could not be asked")
            say(f"next: pipeline connection test {store} {marketplace}")
        else:
            say(f"store {store} is connected to {marketplace}, but nothing can be sent with these credentials")
            say(f"next: pipeline connection set {store} {marketplace} --credentials ask")
        raise typer.Exit(1)
    say(f"store {store} is connected to {marketplace}; {_sending(found)}")
    unset = [name for name, value in found.account(market.account_settings).settings.items() if value == ""]
    if unset:
        say(f"still empty, and needed before anything can be uploaded (--set, or connection set): {', '.join(unset)}")
    say(f"next: pipeline export {store} {marketplace}")


def _walk(current: Session, store: str, market: Marketplace, site: Site) -> tuple[dict[str, Secret], list[Assignment]]:
    """Ask for credentials and the account's facts, one after the other; none of them: file mode."""
    from pipeline.model.secret import Secret
    from pipeline.stores.assignments import Assignment
    from pipeline.stores.connections import find_connection

    with current.connect() as connection:
        if find_connection(connection, store, site.key) is not None:  # nobody types in vain
            raise UsageError(
                f"{store} is connected to {site.key} already; new credentials: "
                f"pipeline connection set {store} {site.key} --credentials ask"
            )
    names = market.credentials
    tell(f"{site.key}: region {site.region}, marketplace {site.marketplace_id}, {site.currency}, {site.language}")
    secrets: dict[str, Secret] = {}
    for number, name in enumerate(names.accepted[0]):
        typed = ask_one(name, names, empty=None if number else "Enter alone: file mode, nothing is sent")
        if not typed:
            return {}, []
        secrets[name] = Secret(typed)
    names.check(market.name, secrets)
    asked = [name for name, value in market.account_settings.items() if value == "" and name in names.where]
    return secrets, [Assignment((name,), ask_one(name, names)) for name in asked]


@app.command("list", epilog="Example: pipeline connection list my-shop")
def list_(
    store: Annotated[str | None, typer.Argument(metavar="[STORE]", help="Only this store.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the connections."""
    from pipeline.stores.connections import list_connections

    with session() as current, current.connect() as connection:
        found = list_connections(connection, store)
    if as_json:
        show_json({"connections": [_public(one) for one in found]})
        return
    show_table(
        ("store", "marketplace", "account", "status", "mode", "last sync", "exports", "failed", "last error"),
        [
            (
                one.store_key,
                one.site,
                one.marketplace_account_name,
                one.status,
                _mode(one),
                one.last_sync_at,
                one.statistics.get("total_exports", 0),
                one.statistics.get("failed_exports", 0),
                short(one.last_error, 80),
            )
            for one in found
        ],
        empty="no connections yet; add one with: pipeline connect STORE MARKETPLACE",
    )


@app.command(epilog="Example: pipeline connection show my-shop amazon-us")
def show(store: StoreKey, marketplace: SiteKey, as_json: Json = False) -> None:
    """Show one connection with all settings, those left alone with their defaults, and what was decided about it lately."""
    from pipeline.marketplaces import find_site
    from pipeline.stores.actions import list_actions
    from pipeline.stores.connections import get_connection

    with session() as current, current.connect() as connection:
        found = get_connection(connection, store, marketplace)
        decided = list_actions(connection, store=store, marketplace=marketplace, limit=_DECISIONS)
    market, _ = find_site(marketplace)
    public = _public(found)
    public["account_settings"] = {**market.account_settings, **found.sync_settings}
    if as_json:
        show_json({**public, "decisions": decided})
        return
    export, account = public.pop("export_settings"), public.pop("account_settings")
    del public["sync_settings"]
    show_facts({**public, "last_sync_at": found.last_sync_at, "created_at": found.created_at, "updated_at": found.updated_at})
    last = found.statistics.get("last_duration_seconds")
    if last is not None:
        say(f"the last export took {duration(float(last))}")
    changed = {*found.export_settings.model_fields_set, *found.sync_settings}
    show_table(
        ("setting", "", "value"),
        [(name, "set" if name in changed else "default", value) for name, value in {**export, **account}.items()],
        empty="",
    )
    for one in decided:
        say(f"{one.at:%Y-%m-%d %H:%M} {one.action} {one.export_id or ''} by {one.who}{one.why and ': '}{one.why}")


@app.command(
    "set", epilog="Example: pipeline connection set my-shop amazon-us stock_buffer=2 'assortment.include.vendors=[Acme]'"
)
def set_(
    store: StoreKey,
    marketplace: SiteKey,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Settings; null goes back to the default.", show_default=False),
    ] = None,
    account_name: AccountName = None,
    credentials: Credentials = None,
    forget: Annotated[bool, typer.Option("--forget-credentials", help="Remove the stored credentials.")] = False,
    as_json: Json = False,
) -> None:
    """Change settings of a connection. New credentials take the place of all the old ones."""
    from pipeline.marketplaces import find_site
    from pipeline.stores.connections import get_connection, require_connected, save_credentials, update

    if not settings and account_name is None and credentials is None and not forget:
        raise UsageError("nothing to change: give settings as NAME=VALUE, --account-name or --credentials")
    if credentials is not None and forget:
        raise UsageError("--credentials and --forget-credentials exclude each other")
    market, _ = find_site(marketplace)
    assignments = _assignments(settings)
    with session() as current:
        with current.connect() as connection:
            require_connected(connection, store, marketplace)
        # Before the transaction: nobody types while one is open.
        secrets = {} if credentials is None else read_credentials(credentials, market.credentials, market.name)
        with current.connect() as connection:
            found = update(connection, store, marketplace, assignments, market.account_settings, account_name=account_name)
            _check_files(found, assignments)
            if secrets or forget:
                save_credentials(connection, current.vault, found, market.credentials, secrets)
        tried = {"problems": _try(current, store, marketplace)} if secrets and market.sends else {}
        with current.connect() as connection:
            found = get_connection(connection, store, marketplace)
    problems = tried.get("problems", [])
    if as_json:
        show_json({**_public(found), **tried})
    else:
        for problem in problems:
            say(problem)
        if tried and not problems:
            say(f"{marketplace} takes the credentials")
        say(f"{store} on {marketplace} is changed; it counts from the next export on: pipeline export {store} {marketplace}")
    if problems:
        raise typer.Exit(1)


@app.command("test", epilog="Example: pipeline connection test my-shop amazon-us")
def test(store: StoreKey, marketplace: SiteKey, as_json: Json = False) -> None:
    """Ask the marketplace whether it takes the stored credentials; nothing is changed there."""
    from pipeline.stores.connections import get_connection

    with session() as current:
        with current.connect() as connection:
            get_connection(connection, store, marketplace)
        problems = _try(current, store, marketplace)
    if as_json:
        show_json({"store": store, "marketplace": marketplace, "problems": problems})
    else:
        say(" ".join(problems) or f"{marketplace} takes the credentials of {store}")
    if problems:
        raise typer.Exit(1)


@app.command(epilog="Example: pipeline connection pause my-shop amazon-us --why 'stocktaking'")
def pause(store: StoreKey, marketplace: SiteKey, who: Who = None, why: Why = "", as_json: Json = False) -> None:
    """Pause a connection: nothing is exported or sent until it is resumed. What has not gone out is withdrawn."""
    from pipeline.operations.decisions import Desk

    _decide(store, marketplace, who, why, as_json, Desk.pause)


@app.command(epilog="Example: pipeline connection resume my-shop amazon-us")
def resume(store: StoreKey, marketplace: SiteKey, who: Who = None, why: Why = "", as_json: Json = False) -> None:
    """Resume a paused connection, and forget its last error. The next export sends the newest state, once."""
    from pipeline.operations.decisions import Desk

    _decide(store, marketplace, who, why, as_json, Desk.resume)
    if not as_json:
        say(f"next: pipeline export {store} {marketplace}")


@app.command(epilog="Example: pipeline connection remove my-shop amazon-us --yes")
def remove(store: StoreKey, marketplace: SiteKey, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a connection with its settings, state, plans and feeds. Listings on the marketplace stay as they are."""
    from pipeline.stores.connections import require_connected
    from pipeline.submissions.live import left_behind

    with session() as current:
        with current.connect() as connection:
            require_connected(connection, store, marketplace)
            stays = left_behind(connection, store, marketplace)
        question = f"Remove the connection of {store} to {marketplace} with its settings, state, plans and feeds?"
        if stays:
            question = f"{stays}. {question}"
        confirm(question, yes=yes, as_json=as_json)
        removed = remove_connection(current, store, marketplace)
    if as_json:
        show_json({"removed": {"store": store, "marketplace": marketplace}, **removed, **({"stays": stays} if stays else {})})
        return
    say(f"{store} is no longer connected to {marketplace}" + (f"; {stays}" if stays else ""))
    show_removed(removed)


def _try(current: Session, store: str, marketplace: str) -> list[str]:
    """What is wrong with a connection's credentials; its status says so too."""
    from pipeline.listings.cell import find_cell
    from pipeline.submissions.live import Office, try_connection

    with current.connect() as connection:
        cell = find_cell(connection, store, marketplace)
    office = Office(current.database, current.vault, current.settings.storage())
    return [] if cell is None else try_connection(office, cell)


def _decide(store: str, marketplace: str, who: str | None, why: str, as_json: bool, act: Callable[[Desk], Decided]) -> None:
    from pipeline.operations.decisions import Desk
    from pipeline.stores.connections import get_connection

    with session() as current:
        done = act(Desk(current.database, current.settings, store, marketplace, person(who, why)))
        with current.connect() as connection:
            found = get_connection(connection, store, marketplace)
    if as_json:
        show_json({**_public(found), "done": done.sentence, **done.details})
    else:
        say(done.sentence)


def _assignments(settings: Sequence[str] | None) -> list[Assignment]:
    """As typed, but files by their whole path: runs read them from other folders than this one."""
    from pipeline.stores.assignments import parse_assignments

    return [
        replace(one, value=str(Path(one.value).expanduser().absolute()))
        if one.path == ("category_file",) and isinstance(one.value, str) and one.value
        else one
        for one in parse_assignments(settings or [])
    ]


def _check_files(found: Connection, assignments: Sequence[Assignment]) -> None:
    """Raises UsageError or BadInputError for a file named just now that cannot be used; in the transaction that names it."""
    from pipeline.listings.categories.inputs import category_file

    if any(one.path == ("category_file",) for one in assignments):
        category_file(found.export_settings)


def _mode(found: Connection) -> str:
    """`live` only where exports are sent: with credentials, to a marketplace that this release can send to."""
    return "live" if found.transport(_sends(found)) == "api" else "file"


def _sending(found: Connection) -> str:
    """What becomes of an export, and why."""
    if found.paused:
        return "paused: nothing is planned or sent before it is resumed"
    if _mode(found) == "live":
        return "live: exports are sent"
    if not _sends(found):
        kept = f", the credentials are kept sealed (key {found.sealed_by})" if found.sealed_by else ""
        reason = f"this release cannot send to {found.marketplace}{kept}"
    else:
        reason = "there are no credentials"
    return f"file mode: feeds are written and validated, nothing is sent ({reason})"


def _sends(found: Connection) -> bool:
    from pipeline.marketplaces import load_marketplaces

    market = load_marketplaces().get(found.marketplace)  # a plug-in may have been uninstalled
    return market is not None and market.sends


def _public(found: Connection) -> dict[str, Any]:
    return {
        "store": found.store_key,
        "marketplace": found.site,
        "id": found.id,
        "account_name": found.marketplace_account_name,
        "marketplace_id": found.marketplace_id,
        "region": found.region,
        "status": found.status,
        "mode": _mode(found),
        "sending": _sending(found),
        "credentials": found.sealed_by and f"sealed with key {found.sealed_by}",
        "last_sync_at": found.last_sync_at,
        "last_error": found.last_error,
        "statistics": found.statistics,
        "sync_settings": found.sync_settings,
        "export_settings": found.export_settings.model_dump(mode="json"),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }
