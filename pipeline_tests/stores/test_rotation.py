"""Rotating master keys beside readers: the documented steps, with nobody stopped, and no read that fails."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.model.listing import Site
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.key_files import add_key, promote_key, read_key_file, remove_key
from pipeline.settings import Settings
from pipeline.stores import connections, stores
from pipeline.stores.credentials import CredentialError, open_row, rotate, survey

READERS, ROTATIONS, STORES = 4, 12, 8
US = Site("amazon-us", "amazon", "ATVPDKIKX0DER", "US", "USD", "en-US", "na", {})
_CHILDREN = multiprocessing.get_context("forkserver")


def expected(key: str) -> str:
    return f"token of {key}"


def read_on(environment: Mapping[str, str], keys: str, number: int, shared: Any, cycles: Any, failures: Any, stop: Any) -> None:
    """Again and again, as each run does: read the key file, then open the credentials of every store and connection."""
    with Database.open(Settings.load(environment)) as database, database.connect(autocommit=True) as connection:
        query = (
            "SELECT 'stores', id, key FROM stores UNION ALL"
            " SELECT 'marketplace_credentials', c.id, s.key FROM marketplace_credentials c JOIN stores s ON s.id = c.store_id"
        )
        while not stop.is_set():
            vault = Vault(read_key_file(Path(keys)))
            for table, row, key in connection.execute(query.encode()).fetchall():
                try:
                    right = open_row(connection, vault, table, row)["access_token"].reveal() == expected(key)
                except CredentialError:
                    right = False
                if not right:
                    with failures.get_lock():
                        failures.value += 1
            with shared:
                cycles[number] += 1
                shared.notify_all()


def test_rotations_beside_readers_fail_no_read(database: Database, settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    add_key(keys)
    first = Vault(read_key_file(keys))
    with database.connect() as connection:
        for number in range(STORES):
            store = stores.add_store(connection, f"shop-{number}", source="shopify", source_settings={"domain": f"shop-{number}"})
            token = {"access_token": Secret(expected(store.key))}
            stores.save_credentials(connection, first, store, token)
            found = connections.connect(connection, store.key, US)
            connections.credentials.save(connection, first, "marketplace_credentials", found.id, token)
    shared, stop = _CHILDREN.Condition(), _CHILDREN.Event()
    cycles, failures = _CHILDREN.Array("q", READERS, lock=False), _CHILDREN.Value("q", 0)
    readers: list[BaseProcess] = [
        _CHILDREN.Process(
            target=read_on, args=(settings.environment(), str(keys), number, shared, cycles, failures, stop), daemon=True
        )
        for number in range(READERS)
    ]
    for reader in readers:
        reader.start()

    def restarted() -> None:
        """Every reader has begun anew and come to its end."""
        with shared:
            goal = [count + 2 for count in cycles]
            assert shared.wait_for(lambda: all(map(int.__ge__, list(cycles), goal)), timeout=60)

    restarted()
    for _ in range(ROTATIONS):
        old = read_key_file(keys).primary
        new, _ = add_key(keys)
        restarted()
        promote_key(keys, new)
        done = rotate(database.connect, Vault(read_key_file(keys)))
        assert (done.key, done.left, done.moved) == (new, 0, {"stores": STORES, "marketplace_credentials": STORES})
        restarted()
        remove_key(keys, old)
    restarted()
    stop.set()
    for reader in readers:
        reader.join(60)
    assert [reader.exitcode for reader in readers] == [0] * READERS
    assert failures.value == 0
    assert min(cycles) >= 2 * ROTATIONS
    with database.connect() as connection:
        found = survey(connection, Vault(read_key_file(keys)))
    assert (len(found.sealed), found.unreadable) == (1, {})


def test_the_readers_would_notice(database: Database, tmp_path: Path) -> None:
    """A process that still has only the old key, since step one was left out, fails."""
    keys = tmp_path / "keys"
    add_key(keys)
    stale = Vault(read_key_file(keys))
    with database.connect() as connection:
        store = stores.add_store(connection, "shop", source="shopify", source_settings={"domain": "shop"})
        stores.save_credentials(connection, stale, store, {"access_token": Secret("x")})
    promote_key(keys, add_key(keys)[0])
    rotate(database.connect, Vault(read_key_file(keys)))
    with database.connect() as connection:
        assert "not among the keys" in survey(connection, stale).unreadable["store shop"]
