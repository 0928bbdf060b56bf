"""`pipeline store add`: one store from its options, or all stores of a table. Also what the commands on stores share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.credential_input import ASK, WAYS_IN, Credentials, can_ask, read_credentials, read_file
from pipeline.cli.options import Json
from pipeline.cli.output import say, show_json
from pipeline.cli.session import Session, session
from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pipeline.model.secret import Secret
    from pipeline.stores.store_list import NewStore
    from pipeline.stores.stores import Store

File = Annotated[Path | None, typer.Option("--file", help="Catalog to import: Shopify CSV export or bulk JSONL, also .gz.")]
Collections = Annotated[Path | None, typer.Option("--collections", help="Collections as bulk JSONL, if in a file of their own.")]
Domain = Annotated[str | None, typer.Option("--domain", help="shopify: the shop, NAME.myshopify.com.")]
ApiVersion = Annotated[str | None, typer.Option("--api-version", help="shopify: version of its API, YYYY-MM.")]
Location = Annotated[
    list[str] | None, typer.Option("--location", help="shopify: id of a location whose stock counts; may be repeated.")
]
Url = Annotated[str | None, typer.Option("--url", help="akeneo: address of the PIM, https://...")]
Channel = Annotated[str | None, typer.Option("--channel", help="akeneo: code of the channel to read.")]
Locale = Annotated[str | None, typer.Option("--locale", help="akeneo: locale of the texts, for example en_US.")]
Attribute = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", metavar="ROLE=CODE", help="akeneo: attribute that is the title, gtin, price ...; may be repeated."
    ),
]
SameSource = Annotated[bool, typer.Option("--same-source", help="Another store may have the same catalog already.")]
Name = Annotated[str | None, typer.Option("--name", help="Name for people; the key if not given.")]


def add(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY", help="Lower-case letters, digits, dots, hyphens, for example my-shop.com.", show_default=False
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="Where the catalog comes from: shopify-file, shopify, akeneo.")
    ] = "shopify-file",
    file: File = None,
    collections: Collections = None,
    domain: Domain = None,
    api_version: ApiVersion = None,
    location: Location = None,
    url: Url = None,
    channel: Channel = None,
    locale: Locale = None,
    attribute: Attribute = None,
    name: Name = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code of the catalog's prices.")] = "USD",
    language: Annotated[
        str | None, typer.Option("--language", help="BCP 47 tag of the catalog's texts; en, or that of the locale.")
    ] = None,
    credentials: Credentials = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="CSV", help="Add all stores of a table: its columns are these options.")
    ] = None,
    same_source: SameSource = False,
    as_json: Json = False,
) -> None:
    """Add a store, or all stores of a table."""
    from pipeline.stores.sources import source_kind
    from pipeline.stores.store_list import NewStore, source_settings

    settings = source_settings(locals())
    if from_ is not None:
        if key is not None or settings or any((name, language, credentials)):
            raise UsageError("--from takes everything from the table; leave the key and the other options away")
        added = _add_list(from_, same_source=same_source)
    else:
        if key is None:
            raise UsageError("Missing argument 'KEY'; see: pipeline store add --help")
        kind = source_kind(source)
        kind.check(settings)  # before a database is started for nothing
        secrets = _credentials_of_new(credentials, source) if kind.live or credentials is not None else {}
        new = NewStore(key, source, settings, name, currency, language)
        with session() as current:
            added = _add(current, [(new, secrets)], same_source=same_source)
    if as_json:
        show_json({"stores": [as_public(store, []) for store in added]} if from_ is not None else as_public(added[0], []))
        return
    for store in added:
        say(f"store {store.key} is added, its catalog comes from {_origin(store)}")
    first = added[0].key
    test = "" if added[0].sealed_by is None else f"pipeline store test {first}, then "
    say(f"next: {test}pipeline import {first}, then pipeline connect {first} amazon-us")


def as_public(store: Store, sites: list[str]) -> dict[str, Any]:
    """A store as JSON shows it; of its credentials only which key has sealed them."""
    return {
        "key": store.key,
        "id": store.id,
        "name": store.name,
        "source": store.source,
        "source_settings": store.source_settings,
        "currency": store.currency,
        "language": store.language,
        "credentials": store.sealed_by and f"sealed with key {store.sealed_by}",
        "status": store.status,
        "last_error": store.last_error,
        "marketplaces": sites,
        "created_at": store.created_at,
        "updated_at": store.updated_at,
    }


def _credentials_of_new(option: str | None, source: str) -> dict[str, Secret]:
    from pipeline.stores.sources import source_kind

    names = source_kind(source).credentials
    if option is None and not can_ask():
        raise UsageError(f"the source {source} needs credentials ({names}): {WAYS_IN}")
    return read_credentials(option if option is not None else ASK, names, f"the source {source}")


def _add_list(path: Path, *, same_source: bool) -> list[Store]:
    """All stores of a table, or none of them and a sentence with everything that is wrong."""
    from pipeline.stores.store_list import read_store_list, refuse
    from pipeline.stores.stores import conflicts

    stores, wrong = read_store_list(path, same_source=same_source)
    secrets: dict[int, Mapping[str, Secret]] = {}
    for store in stores:
        try:
            secrets[store.line] = _credentials_in_file(store)
        except UsageError as error:
            wrong.append((store.line, str(error)))
    with session() as current:
        with current.connect() as connection:
            for store in stores:
                found = conflicts(connection, store.key, store.source, store.source_settings, same_source=same_source)
                wrong += [(store.line, sentence) for sentence in found]
        refuse(path, wrong)
        # Two stores of the table with one catalog were told apart already.
        return _add(current, [(store, secrets[store.line]) for store in stores], same_source=True)


def _credentials_in_file(store: NewStore) -> Mapping[str, Secret]:
    from pipeline.stores.sources import SOURCES

    if store.credentials is None:
        return {}
    found = read_file(store.credentials)
    if store.source in SOURCES:
        SOURCES[store.source].credentials.check(f"the source {store.source}", found)
    return found


def _add(current: Session, new: Sequence[tuple[NewStore, Mapping[str, Secret]]], *, same_source: bool) -> list[Store]:
    from pipeline.operations.partitions import register
    from pipeline.stores.stores import add_store, get_store, save_credentials

    added = []
    with current.connect() as connection:
        for store, secrets in new:
            one = add_store(
                connection,
                store.key,
                source=store.source,
                source_settings=store.source_settings,
                name=store.name,
                currency=store.currency,
                language=store.language,
                same_source=same_source,
            )
            if secrets:
                save_credentials(connection, current.vault, one, secrets)
            added.append(get_store(connection, store.key))
        # Before the commit: a store without its partition could not be imported, a partition without a store harms nobody.
        register(current.instance, store_keys=[store.key for store in added])
    return added


def _origin(store: Store) -> str:
    return str(store.source_settings.get("path") or store.source_settings.get("domain") or store.source_settings.get("base_url"))
