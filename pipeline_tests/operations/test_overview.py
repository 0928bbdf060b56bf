"""What `pipeline status` says of a store whose import failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pipeline.catalog.imports import begin_import, fail_import
from pipeline.catalog.watches import note_error
from pipeline.model.secret import Secret
from pipeline.operations.overview import overview
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.keys import Keyring
from pipeline.stores.stores import Store, add_store, clear_error, save_credentials, update_store

VAULT = Vault(Keyring({"k1": bytes(range(32))}))
TOKEN = {"access_token": Secret("shpat_1")}
Connection = psycopg.Connection[Any]


def notice_and_forget(connection: Connection, store: Store) -> None:
    """The watcher could not reach the shop, and could again."""
    note_error(connection, store.id, "Shopify cannot be reached")
    clear_error(connection, store.id)


CHANGES: dict[str, tuple[Callable[[Connection, Store], object], bool]] = {
    "nothing": (lambda connection, store: None, False),
    "an error of the watcher": (notice_and_forget, False),
    "another name": (lambda connection, store: update_store(connection, store.key, name="Mine"), False),
    "another currency": (lambda connection, store: update_store(connection, store.key, currency="EUR"), True),
    "another setting": (
        lambda connection, store: update_store(connection, store.key, source_settings={"api_version": "2026-07"}), True
    ),
    "other credentials": (lambda connection, store: save_credentials(connection, VAULT, store, TOKEN), True),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_an_operator_changed_makes_a_failure_an_old_one(connection: Connection, name: str) -> None:
    change, corrected = CHANGES[name]
    store = add_store(connection, "shop", source="shopify", source_settings={"domain": "shop"})
    save_credentials(connection, VAULT, store, TOKEN)
    fail_import(connection, begin_import(connection, store.id, "all", "shopify"), "the shop is locked")
    connection.commit()
    change(connection, store)
    connection.commit()
    (row,) = overview(connection)
    assert row.last_error == "the shop is locked" + (" (before the store was changed)" if corrected else "")
