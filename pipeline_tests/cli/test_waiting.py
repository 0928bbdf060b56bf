"""Lists begin with what waits for somebody, then come the newest: what `--limit` cuts off is never what must be decided."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pipeline_tests.cli.conftest import Cli


@pytest.fixture
def lane(cli: Cli, demo: str, connection: psycopg.Connection) -> tuple[object, ...]:
    assert cli("connect", demo, "amazon-us").code == 0
    row = connection.execute("SELECT store_id FROM marketplace_credentials").fetchone()
    assert row is not None
    connection.execute("INSERT INTO export_lanes (store_id, site, transport) VALUES (%s, 'amazon-us', 'file')", row)
    connection.commit()
    return row[0], "amazon-us", "file"


def export(
    connection: psycopg.Connection, lane: tuple[object, ...], name: str, status: str, planned: int, sent: int | None
) -> None:
    """An export that was planned, and sent, on these days of January."""
    day = None if sent is None else f"2026-01-{sent:02}"
    counts = Jsonb({"changes": {"price": 1}, "held": 0, "blocked": 0})
    connection.execute(
        "INSERT INTO exports (store_id, site, transport, export_id, import_id, base_version, status, counts, scope, planned_at, "
        "committed_at) VALUES (%s, %s, %s, %s, 'i', 0, %s, %s, '{}', %s, %s)",
        (*lane, name, status, counts, f"2026-01-{planned:02}", day),
    )
    connection.commit()


def test_plans_that_wait_come_before_those_that_were_sent(
    cli: Cli, demo: str, lane: tuple[object, ...], connection: psycopg.Connection
) -> None:
    export(connection, lane, "older", "committed", 1, 1)
    export(connection, lane, "waits", "waiting_approval", 2, None)
    export(connection, lane, "newer", "committed", 3, 4)
    export(connection, lane, "tried", "dry_run", 5, None)

    def listed(*options: str) -> list[str]:
        return [one["export_id"] for one in cli("changes", "list", demo, "amazon-us", "--json", *options).json["exports"]]

    assert listed() == ["waits", "tried", "newer", "older"]
    assert listed("--limit", "1") == ["waits"]
    export(connection, lane, "not sent yet", "planned", 6, None)
    assert listed("--limit", "2") == ["not sent yet", "waits"]


def test_submissions_that_are_held_come_before_all_others(
    cli: Cli, lane: tuple[object, ...], connection: psycopg.Connection
) -> None:
    export(connection, lane, "e", "committed", 1, 1)
    for number, state in enumerate(("held", "cancelled", "planned"), 1):
        connection.execute(
            "INSERT INTO submissions (store_id, site, transport, kind, path, sha256, messages, lane, export_id, next_at, "
            "idem_key, state, ended_at) VALUES (%s, %s, %s, 'price', 'p', %s, 1, 'l', 'e', now(), %s, %s, %s)",
            (*lane, "0" * 64, str(number), state, "2026-01-01" if state == "cancelled" else None),
        )
    connection.commit()
    states = [one["state"] for one in cli("submissions", "list", "--json").json["submissions"]]
    assert states == ["held", "planned", "cancelled"]
