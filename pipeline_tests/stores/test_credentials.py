"""Credentials in their rows: sealed for that row alone, errors noted on it alone, and moved to another key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pipeline.model.credentials import CredentialNames
from pipeline.model.errors import UsageError
from pipeline.model.listing import Site
from pipeline.model.secret import Secret
from pipeline.platform.database import Database
from pipeline.platform.vault.envelope import Vault
from pipeline.platform.vault.keys import KeyFormatError, Keyring, LazyKeys
from pipeline.stores import connections, stores
from pipeline.stores.credentials import BATCH, CredentialError, rotate, save, survey
from pipeline.stores.stores import Store
from pipeline_tests.points import dies_at

US = Site("amazon-us", "amazon", "ATVPDKIKX0DER", "US", "USD", "en-US", "na", {})
NAMES = CredentialNames((("refresh_token",),))
KEYS = {name: bytes(range(number, number + 32)) for number, name in enumerate(("k1", "k2"))}


def vault(*names: str) -> Vault:
    return Vault(Keyring({name: KEYS[name] for name in names or ("k1",)}))


def no_keys() -> Keyring:
    raise KeyFormatError("no key was given")


def shop(connection: psycopg.Connection, key: str = "demo") -> Store:
    return stores.add_store(connection, key, source="shopify", source_settings={"domain": key})


@pytest.fixture
def sealed(connection: psycopg.Connection) -> tuple[Store, connections.Connection]:
    """A store and a connection of it, both with credentials."""
    store = shop(connection)
    stores.save_credentials(connection, vault(), store, {"access_token": Secret("CANARY-shopify")})
    found = connections.connect(connection, "demo", US)
    connections.save_credentials(connection, vault(), found, NAMES, {"refresh_token": Secret("CANARY-amazon")})
    connection.commit()
    return stores.get_store(connection, "demo"), connections.get_connection(connection, "demo", "amazon-us")


Both = tuple[Store, connections.Connection]


def test_credentials_are_kept_sealed(connection: psycopg.Connection, sealed: Both) -> None:
    store, found = sealed
    assert (store.sealed_by, found.sealed_by) == ("k1", "k1")
    assert stores.open_credentials(connection, vault("k2", "k1"), store)["access_token"].reveal() == "CANARY-shopify"
    assert connections.open_credentials(connection, vault(), found)["refresh_token"].reveal() == "CANARY-amazon"
    stored = connection.execute("SELECT t::text FROM stores t UNION ALL SELECT t::text FROM marketplace_credentials t").fetchall()
    assert len(stored) == 2 and "CANARY" not in str(stored)
    assert "CANARY" not in repr(sealed)


def test_each_save_is_sealed_anew(connection: psycopg.Connection, sealed: Both) -> None:
    read = "SELECT credentials FROM stores"
    before = connection.execute(read).fetchone()
    stores.save_credentials(connection, vault(), sealed[0], {"access_token": Secret("CANARY-shopify")})
    after = connection.execute(read).fetchone()
    assert before is not None and after is not None
    assert before[0]["dek"] != after[0]["dek"] and before[0]["ct"] != after[0]["ct"]


def test_what_a_source_or_marketplace_does_not_take_is_not_stored(connection: psycopg.Connection, sealed: Both) -> None:
    store, found = sealed
    with pytest.raises(UsageError, match="takes access_token, or client_id and client_secret"):
        stores.save_credentials(connection, vault(), store, {})
    with pytest.raises(UsageError, match="the credentials of amazon are not complete"):
        connections.save_credentials(connection, vault(), found, CredentialNames((("a", "b"),)), {"a": Secret("x")})
    assert stores.open_credentials(connection, vault(), store)["access_token"].reveal() == "CANARY-shopify"


def test_credentials_can_be_forgotten(connection: psycopg.Connection, sealed: Both) -> None:
    connections.save_credentials(connection, Vault(LazyKeys(no_keys, no_keys)), sealed[1], NAMES, {})
    found = connections.get_connection(connection, "demo", "amazon-us")
    assert found.sealed_by is None
    assert connections.open_credentials(connection, Vault(LazyKeys(no_keys, no_keys)), found) == {}


def test_without_credentials_no_key_is_needed(connection: psycopg.Connection, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("x")
    keyless = Vault(LazyKeys(no_keys, no_keys))
    file_store = stores.add_store(connection, "file", source="shopify-file", source_settings={"path": str(catalog)})
    assert stores.open_credentials(connection, keyless, file_store) == {}
    with pytest.raises(CredentialError, match="store demo has no credentials; enter them with: pipeline store set demo"):
        stores.open_credentials(connection, keyless, shop(connection))


def states(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT key, status, last_error FROM stores UNION ALL SELECT site, status, last_error FROM marketplace_credentials"
        " ORDER BY 1"
    ).fetchall()


def test_a_failure_is_noted_on_that_row_alone_and_survives_the_error(database: Database, sealed: Both) -> None:
    store, found = sealed
    wrong = Vault(Keyring({"k1": KEYS["k2"]}))
    said = r"demo on amazon-us: credential cannot be decrypted \(kid k1\); give the key"
    with pytest.raises(CredentialError, match=said) as error, database.connect() as connection:
        connections.open_credentials(connection, wrong, found)
    assert "pipeline connection set demo amazon-us --credentials ask (or FILE, or - for stdin)" in str(error.value)
    assert error.value.__cause__ is None and error.value.__context__ is None
    with database.connect() as connection:
        assert states(connection) == [
            ("amazon-us", "error", "credential cannot be decrypted (kid k1)"), ("demo", "active", None),
        ]  # fmt: skip
    said = "store demo: credential is sealed with the key k1, which is not among"
    with pytest.raises(CredentialError, match=said), database.connect() as connection:
        stores.open_credentials(connection, vault("k2"), store)
    with database.connect() as connection:
        assert [state[1] for state in states(connection)] == ["error", "error"]
        stores.open_credentials(connection, vault(), store)
        connections.open_credentials(connection, vault(), found)
        assert states(connection) == [("amazon-us", "active", None), ("demo", "active", None)]


def test_other_errors_and_pauses_stay_as_they_are(connection: psycopg.Connection, sealed: Both) -> None:
    found = sealed[1]
    connections.record_sync(connection, found.id, error="the feed was refused")
    connections.open_credentials(connection, vault(), found)
    assert states(connection)[0] == ("amazon-us", "error", "the feed was refused")
    connections.set_status(connection, "demo", "amazon-us", "inactive")
    with pytest.raises(CredentialError):
        connections.open_credentials(connection, vault("k2"), found)
    assert states(connection)[0][1] == "inactive"


def test_new_credentials_clear_the_error(connection: psycopg.Connection, sealed: Both) -> None:
    with pytest.raises(CredentialError):
        stores.open_credentials(connection, vault("k2"), sealed[0])
    stores.save_credentials(connection, vault("k2"), sealed[0], {"access_token": Secret("new")})
    assert states(connection)[1] == ("demo", "active", None)


@pytest.mark.parametrize("damage", ['{"v":1,"kid":"k1","dek":"","ct":""}', '{"v":1,"kid":null,"dek":1,"ct":[]}'])
def test_a_damaged_row_is_an_error_of_that_row(connection: psycopg.Connection, sealed: Both, damage: str) -> None:
    connection.execute("UPDATE stores SET credentials = %s", [damage])
    with pytest.raises(CredentialError, match="not the vault's"):
        stores.open_credentials(connection, vault(), sealed[0])
    assert survey(connection, vault()).unreadable == {"store demo": "credential is stored in a form that is not the vault's"}
    done = rotate(once(connection), vault("k2", "k1"))
    assert (list(done.unreadable), done.left) == (["store demo"], 1)


def test_an_envelope_of_another_row_does_not_open(connection: psycopg.Connection, sealed: Both) -> None:
    """Neither of another store, nor of a connection of the same store."""
    other = shop(connection, "other")
    connection.execute("UPDATE stores SET credentials = (SELECT credentials FROM stores WHERE key = 'demo')")
    with pytest.raises(CredentialError, match="cannot be decrypted"):
        stores.open_credentials(connection, vault(), other)
    connection.execute("UPDATE stores SET credentials = (SELECT credentials FROM marketplace_credentials)")
    with pytest.raises(CredentialError, match="cannot be decrypted"):
        stores.open_credentials(connection, vault(), sealed[0])


def test_a_rename_keeps_credentials_readable(connection: psycopg.Connection, sealed: Both) -> None:
    connection.execute("UPDATE stores SET key = 'renamed'")
    stores.update_store(connection, "renamed", name="New", source_settings={"domain": "moved"})
    assert stores.open_credentials(connection, vault(), stores.get_store(connection, "renamed"))


@pytest.mark.parametrize("credentials", [{"access_token": "CANARY"}, {"v": 1, "kid": "k", "dek": "x"}, [1], "CANARY"])
def test_only_a_sealed_envelope_fits_into_a_store(connection: psycopg.Connection, credentials: object) -> None:
    shop(connection)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE stores SET credentials = %s", [json.dumps(credentials)])


def once(connection: psycopg.Connection) -> object:
    """The test's own connection, as `rotate` asks for one."""

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        yield connection

    return connect


def many(connection: psycopg.Connection, count: int) -> None:
    for number in range(count):
        store = shop(connection, f"shop-{number:03}")
        stores.save_credentials(connection, vault(), store, {"access_token": Secret(f"CANARY-{number}")})
    connection.commit()


def test_rotation_moves_every_row_and_says_to_which_key(database: Database, sealed: Both) -> None:
    with database.connect() as connection:
        many(connection, 2 * BATCH)
        before = dict(connection.execute("SELECT key, credentials FROM stores").fetchall())
    done = rotate(database.connect, vault("k2", "k1"))
    assert (done.key, done.moved, done.unreadable, done.left) == (
        "k2", {"stores": 2 * BATCH + 1, "marketplace_credentials": 1}, {}, 0,
    )  # fmt: skip
    with database.connect() as connection:
        assert survey(connection, vault("k2")).sealed == {"k2": {"stores": 2 * BATCH + 1, "marketplace_credentials": 1}}
        after = dict(connection.execute("SELECT key, credentials FROM stores").fetchall())
        assert all(after[key]["ct"] == old["ct"] and after[key]["dek"] != old["dek"] for key, old in before.items())
        found = stores.open_credentials(connection, vault("k2"), stores.get_store(connection, "shop-007"))
        assert found["access_token"].reveal() == "CANARY-7"
    again = rotate(database.connect, vault("k2", "k1"))
    assert (again.moved, again.left) == ({"stores": 0, "marketplace_credentials": 0}, 0)


@pytest.mark.parametrize("nth", [1, BATCH + 5])
def test_a_rotation_that_is_killed_is_ended_by_the_next(database: Database, connection: psycopg.Connection, nth: int) -> None:
    """In the first batch nothing is moved yet, in the second the first is; every row opens at any time."""
    many(connection, BATCH + 10)
    dies_at("rotation_mid", lambda: rotate(database.connect, vault("k2", "k1")), nth)
    found = survey(connection, vault("k2", "k1"))
    assert found.unreadable == {}
    moved = {kid: counts["stores"] for kid, counts in found.sealed.items()}
    assert moved == ({"k1": BATCH + 10} if nth == 1 else {"k1": 10, "k2": BATCH})
    connection.rollback()
    done = rotate(database.connect, vault("k2", "k1"))
    assert (done.moved["stores"], done.left) == (moved["k1"], 0)
    assert survey(connection, vault("k2")).unreadable == {}


def test_one_unreadable_row_does_not_stop_the_others(database: Database, connection: psycopg.Connection, sealed: Both) -> None:
    many(connection, 3)
    connection.execute("UPDATE stores SET credentials = credentials || '{\"kid\": \"k9\"}' WHERE key = 'shop-001'")
    connection.commit()
    done = rotate(database.connect, vault("k2", "k1"))
    assert (done.moved["stores"], done.left) == (3, 1)
    assert done.unreadable == {"store shop-001": "credential is sealed with the key k9, which is not among the keys given"}


def test_a_row_that_is_being_saved_is_skipped_and_keeps_what_was_saved(
    database: Database, connection: psycopg.Connection, sealed: Both
) -> None:
    many(connection, 3)
    busy = stores.get_store(connection, "shop-001")
    save(connection, vault(), "stores", busy.id, {"access_token": Secret("newer")})  # not committed
    done = rotate(database.connect, vault("k2", "k1"))
    assert (done.moved["stores"], done.left) == (3, 1)
    connection.commit()
    assert rotate(database.connect, vault("k2", "k1")).moved["stores"] == 1
    assert stores.open_credentials(connection, vault("k2"), busy)["access_token"].reveal() == "newer"


def test_a_row_that_was_saved_while_it_was_rewrapped_keeps_what_was_saved(
    connection: psycopg.Connection, sealed: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compare-and-swap alone, since the row lock would not let a second session in."""
    moving, newer = (
        vault("k2", "k1"),
        vault().seal({"access_token": Secret("newer")}, store_id=sealed[0].id, marketplace="shopify", marketplace_id=""),
    )

    class Slow(Vault):
        def rewrap(self, envelope, **place):  # type: ignore[no-untyped-def]
            connection.execute("UPDATE stores SET credentials = %s", [Jsonb(newer)])
            return super().rewrap(envelope, **place)

    done = rotate(once(connection), Slow(moving._keys))
    assert done.moved["stores"] == 0
    assert stores.open_credentials(connection, vault(), sealed[0])["access_token"].reveal() == "newer"


def test_a_lost_key_is_not_replaced_without_a_word(connection: psycopg.Connection, sealed: Both) -> None:
    made = []

    def make() -> Keyring:
        made.append(1)
        return Keyring({"k2": KEYS["k2"]})

    lost = Vault(LazyKeys(no_keys, make))
    with pytest.raises(KeyFormatError, match="no key was given"):
        stores.save_credentials(connection, lost, sealed[0], {"access_token": Secret("new")})
    assert not made


def test_keys_that_cannot_be_used_are_noted_on_the_row(database: Database, sealed: Both) -> None:
    with database.connect() as connection, pytest.raises(KeyFormatError):
        stores.open_credentials(connection, Vault(LazyKeys(no_keys, no_keys)), sealed[0])
    with database.connect() as connection:
        store = stores.get_store(connection, "demo")
        assert (store.status, store.last_error) == ("error", "credential keys cannot be used: no key was given")
        stores.open_credentials(connection, vault(), store)
        assert stores.get_store(connection, "demo").status == "active"
