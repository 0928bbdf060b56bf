"""Connections: one store on one marketplace site, with its settings and what became of it. Rows of `marketplace_credentials`.

Facts of the account (seller id, policies, location) are `sync_settings`, what the merchant decides is `export_settings`.
Credentials are no part of a `Connection`. In file mode feeds are written and validated, and nothing is sent; that is the mode of
every connection without credentials, and of every marketplace that cannot be sent to yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.model.listing import Account, Site
from pipeline.model.secret import Secret
from pipeline.platform.vault.envelope import Vault
from pipeline.stores import credentials
from pipeline.stores.assignments import Assignment, apply, check_account_settings, split
from pipeline.stores.export_settings import ExportSettings, parse_export_settings
from pipeline.stores.rows import delete_rows
from pipeline.stores.stores import get_store
from pipeline.stores.text import known_names, plain_text, shown

Status = Literal["active", "inactive", "error", "testing"]

_MAX_ERROR = 500


@dataclass(frozen=True)
class Connection:
    """One store on one marketplace site. `statistics` as `record_sync` writes them; no credentials in here."""

    id: UUID
    store_id: UUID
    store_key: str
    marketplace: str
    site: str
    marketplace_account_name: str | None
    marketplace_id: str | None
    region: str | None
    status: Status
    last_sync_at: datetime | None
    last_error: str | None
    sync_settings: Mapping[str, Any]
    export_settings: ExportSettings
    statistics: Mapping[str, Any]
    sealed_by: str | None  # the vault's key, if there are credentials
    created_at: datetime
    updated_at: datetime

    @property
    def paused(self) -> bool:
        """An operator paused it. A connection in status error is tried again."""
        return self.status == "inactive"

    def transport(self, sends: bool) -> Literal["file", "api"]:
        """How exports go out: `api` only with credentials, to a marketplace that `sends`; credentials alone send nothing."""
        return "api" if sends and self.sealed_by is not None else "file"

    def account(self, defaults: Mapping[str, Any]) -> Account:
        """What messages and feed headers need: the marketplace's `account_settings`, overridden by this connection's."""
        settings = {**defaults, **self.sync_settings, "gtin_exempt": self.export_settings.gtin_exempt}
        return Account(self.store_key, str(settings.get("seller_id") or ""), settings)


_SELECT = sql.SQL(
    "SELECT c.id, c.store_id, s.key AS store_key, c.marketplace, c.site, c.marketplace_account_name, c.marketplace_id, c.region,"
    " c.status, c.last_sync_at, c.last_error, c.sync_settings, c.export_settings, c.statistics,"
    " c.credentials->>'kid' AS sealed_by, c.created_at, c.updated_at"
    " FROM marketplace_credentials c JOIN stores s ON s.id = c.store_id"
)
_UPDATE = "UPDATE marketplace_credentials SET {} WHERE id = %(id)s"


def connect(
    connection: psycopg.Connection,
    store_key: str,
    site: Site,
    *,
    assignments: Sequence[Assignment] = (),
    account_settings: Mapping[str, Any] | None = None,
    account_name: str | None = None,
) -> Connection:
    """A new connection in file mode; `account_settings` are the marketplace's names and defaults.

    Raises UsageError for an unknown store, a bad setting, or a site that the store is connected to already."""
    store = get_store(connection, store_key)
    export, account = _changed({}, {}, assignments, account_settings or {})
    if account_name is not None:
        account_name = plain_text(account_name, "the account name")
    row = connection.execute(
        "INSERT INTO marketplace_credentials (store_id, marketplace, site, marketplace_account_name, marketplace_id, region,"
        " sync_settings, export_settings) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
        [
            store.id,
            site.marketplace,
            site.key,
            account_name,
            site.marketplace_id or None,
            site.region or None,
            *_json(account, export),
        ],
    ).fetchone()
    if row is None:
        raise UsageError(
            f"{store_key} is connected to {site.key} already; change it with: "
            f"pipeline connection set {store_key} {site.key} name=value"
        )
    return get_connection(connection, store_key, site.key)


def find_connection(connection: psycopg.Connection, store_key: str, site: str) -> Connection | None:
    """The connection, or None; raises UsageError for an unknown store."""
    store = get_store(connection, store_key)
    found = _select(connection, "WHERE c.store_id = %(store)s AND c.site = %(site)s", {"store": store.id, "site": shown(site)})
    return found[0] if found else None


def get_connection(connection: psycopg.Connection, store_key: str, site: str) -> Connection:
    """The connection; raises UsageError that names the store's connections, the nearest first."""
    found = find_connection(connection, store_key, site)
    if found is None:
        raise _not_connected(connection, store_key, site)
    return found


def list_connections(connection: psycopg.Connection, store_key: str | None = None) -> list[Connection]:
    """All connections, or those of one store, by store key and site."""
    if store_key is None:
        return _select(connection, "", {})
    return _select(connection, "WHERE c.store_id = %(store)s", {"store": get_store(connection, store_key).id})


def update(
    connection: psycopg.Connection,
    store_key: str,
    site: str,
    assignments: Sequence[Assignment],
    account_settings: Mapping[str, Any],
    *,
    account_name: str | None = None,
) -> Connection:
    """The connection with these settings changed; raises UsageError and changes nothing when one of them is wrong."""
    found = get_connection(connection, store_key, site)
    row = connection.execute(
        "SELECT export_settings, sync_settings FROM marketplace_credentials WHERE id = %s FOR UPDATE", [found.id]
    ).fetchone()
    if row is None:
        raise _not_connected(connection, store_key, site)
    export, account = _changed(row[0], row[1], assignments, account_settings)
    sync_settings, export_settings = _json(account, export)
    name = found.marketplace_account_name if account_name is None else plain_text(account_name, "the account name")
    connection.execute(
        _UPDATE.format(
            "sync_settings = %(sync_settings)s, export_settings = %(export_settings)s, marketplace_account_name = %(name)s"
        ),
        {"id": found.id, "sync_settings": sync_settings, "export_settings": export_settings, "name": name},
    )
    return get_connection(connection, store_key, site)


def set_status(connection: psycopg.Connection, store_key: str, site: str, status: Status) -> Connection:
    """The connection with another status; `active` also clears the last error."""
    found = get_connection(connection, store_key, site)
    connection.execute(
        _UPDATE.format("status = %(status)s, last_error = CASE WHEN %(status)s = 'active' THEN NULL ELSE last_error END"),
        {"id": found.id, "status": status},
    )
    return get_connection(connection, store_key, site)


def save_credentials(
    connection: psycopg.Connection, vault: Vault, found: Connection, names: CredentialNames, given: Mapping[str, Secret]
) -> None:
    """Seal the credentials of a marketplace account, which takes `names`; raises UsageError for others. None: forget them."""
    if given:
        names.check(found.marketplace, given)
    credentials.save(connection, vault, "marketplace_credentials", found.id, given)


def open_credentials(connection: psycopg.Connection, vault: Vault, found: Connection) -> dict[str, Secret]:
    """The credentials of a connection; {} when it has none.

    Raises CredentialError when they cannot be opened; `credentials.open_row` says what becomes of the row."""
    return credentials.open_row(connection, vault, "marketplace_credentials", found.id)


def set_outcome(connection: psycopg.Connection, connection_id: UUID, error: str | None, status: Status | None = None) -> None:
    """Note what trying or using the credentials came to. Without a status: error, or active. A paused one stays paused."""
    text = None if error is None else shown(" ".join(error.split()), _MAX_ERROR)
    connection.execute(
        _UPDATE.format("last_error = %(error)s, status = CASE WHEN status = 'inactive' THEN status ELSE %(status)s END"),
        {"id": connection_id, "error": text, "status": status or ("error" if error else "active")},
    )


def remove(connection: psycopg.Connection, store_key: str, site: str) -> dict[str, int]:
    """Delete the connection with its settings and the state of its listings. Returns the number of rows by table."""
    require_connected(connection, store_key, site)
    return delete_rows(connection, get_store(connection, store_key).id, site)


def require_connected(connection: psycopg.Connection, store_key: str, site: str) -> None:
    """Raise UsageError unless the store is connected to the site; works also where its settings cannot be read."""
    if site not in list_sites(connection, store_key):
        raise _not_connected(connection, store_key, site)


def list_sites(connection: psycopg.Connection, store_key: str) -> list[str]:
    """The sites that this store is connected to."""
    store = get_store(connection, store_key)
    query = "SELECT site FROM marketplace_credentials WHERE store_id = %s ORDER BY site"
    return [str(row[0]) for row in connection.execute(query, [store.id])]


def connected_sites(connection: psycopg.Connection) -> list[str]:
    """The sites that any store is connected to."""
    return [str(row[0]) for row in connection.execute("SELECT DISTINCT site FROM marketplace_credentials ORDER BY site")]


def record_sync(
    connection: psycopg.Connection,
    connection_id: UUID,
    *,
    duration_seconds: float = 0.0,
    error: str | None = None,
) -> None:
    """Note the end of an export run, or its `error`, cut to 500 characters. What the marketplace said of its messages is
    `submissions.statistics`' business.

    A success clears the last error and status error; a failure sets them. Paused and testing connections keep their status."""
    text = None if error is None else shown(" ".join(error.split()), _MAX_ERROR)
    connection.execute(
        _UPDATE.format("""
            last_sync_at = CASE WHEN %(failed)s THEN last_sync_at ELSE now() END,
            last_error = %(error)s,
            status = CASE WHEN status IN ('inactive', 'testing') THEN status WHEN %(failed)s THEN 'error' ELSE 'active' END,
            statistics = statistics || jsonb_build_object(
                'total_exports', coalesce((statistics ->> 'total_exports')::bigint, 0) + 1,
                'successful_exports', coalesce((statistics ->> 'successful_exports')::bigint, 0) + (NOT %(failed)s)::int,
                'failed_exports', coalesce((statistics ->> 'failed_exports')::bigint, 0) + %(failed)s::int,
                'last_duration_seconds',
                CASE WHEN %(failed)s THEN statistics -> 'last_duration_seconds' ELSE to_jsonb(%(duration)s::float8) END)"""),
        {
            "id": connection_id,
            "failed": error is not None,
            "error": text,
            "duration": round(duration_seconds, 3),
        },
    )


def _select(connection: psycopg.Connection, where: str, parameters: Mapping[str, Any]) -> list[Connection]:
    query = _SELECT + sql.SQL(f" {where} ORDER BY s.key, c.site")
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, parameters).fetchall()
    return [Connection(**{**row, "export_settings": _stored_settings(row)}) for row in rows]


def _stored_settings(row: Mapping[str, Any]) -> ExportSettings:
    try:
        return parse_export_settings(row["export_settings"])
    except UsageError as error:
        raise UsageError(f"the stored settings of {row['store_key']} on {row['site']} are wrong: {error}") from None


def _changed(
    stored_export: Mapping[str, Any],
    stored_account: Mapping[str, Any],
    assignments: Sequence[Assignment],
    account_settings: Mapping[str, Any],
) -> tuple[ExportSettings, dict[str, Any]]:
    export, account = split(assignments, account_settings)
    settings = parse_export_settings(apply(stored_export, export))
    return settings, check_account_settings(apply(stored_account, account), account_settings)


def _json(account: Mapping[str, Any], export: ExportSettings) -> tuple[Jsonb, Jsonb]:
    """What is stored: only what was set, so that a setting left alone follows its default."""
    return Jsonb(dict(account)), Jsonb(export.model_dump(mode="json", exclude_unset=True))


def _not_connected(connection: psycopg.Connection, store_key: str, site: str) -> UsageError:
    sites = list_sites(connection, store_key)
    known = f"its connections: {known_names(site, sites)}" if sites else "it has no connections"
    return UsageError(
        f"store {store_key} is not connected to {shown(site)!r}; {known}; add one with: pipeline connect {store_key} MARKETPLACE"
    )
