"""Rows that belong to a store, or to one of its connections, in whatever table: every such table has a column `store_id`,
and `site` where it is about one connection."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg import sql


def count_rows(connection: psycopg.Connection, store_id: UUID, site: str | None = None) -> dict[str, int]:
    """Rows of the store (of one connection) by table, only tables that have some."""
    counted = {}
    for table in _tables(connection, site):
        query = sql.SQL("SELECT count(*) FROM {} {}").format(sql.Identifier(table), _where(site))
        row = connection.execute(query, {"store": store_id, "site": site}).fetchone()
        counted[table] = int(row[0]) if row else 0
    return {table: count for table, count in counted.items() if count}


def delete_rows(connection: psycopg.Connection, store_id: UUID, site: str) -> dict[str, int]:
    """Delete the rows of one connection. Returns their number by table, only tables that had some."""
    counted = count_rows(connection, store_id, site)
    for table in counted:  # in any order: references cascade
        connection.execute(
            sql.SQL("DELETE FROM {} {}").format(sql.Identifier(table), _where(site)), {"store": store_id, "site": site}
        )
    return counted


def _tables(connection: psycopg.Connection, site: str | None) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND column_name = ANY(%s)"
        " GROUP BY table_name HAVING count(*) = %s ORDER BY table_name",
        [["store_id", "site"], 2] if site is not None else [["store_id"], 1],
    )
    return [str(row[0]) for row in rows]


def _where(site: str | None) -> sql.SQL:
    return sql.SQL("WHERE store_id = %(store)s") if site is None else sql.SQL("WHERE store_id = %(store)s AND site = %(site)s")
