"""The search for secrets finds what is planted, in every form and place, and nothing else."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.platform.database import Database
from pipeline_tests.canary import Canaries, recorded_logs

FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "url": lambda text: quote(text, safe="").encode(),
    "form": lambda text: quote_plus(text).encode(),
    "json": lambda text: json.dumps({"token": text}).encode(),
    "json in json": lambda text: json.dumps(json.dumps({"token": text})).encode(),
    "repr": lambda text: repr({"token": text}).encode(),
    "pickle": lambda text: pickle.dumps([{"token": text}]),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "basic": lambda text: base64.b64encode(f"client:{text}".encode()),
    "basic, other alignment": lambda text: base64.b64encode(f"clients:{text}".encode()),
    "basic, third alignment": lambda text: base64.b64encode(f"client1s:{text}".encode()),
    "base64url": lambda text: base64.urlsafe_b64encode(f"ÿÿ{text}ÿÿ".encode()),
    "first half of the end": lambda text: text[:-3].encode(),
}


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.json", content)
    return buffer.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue().to_pybytes())


def parquet(column: list[str], metadata: str = "") -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"x": column}).replace_schema_metadata({"note": metadata})
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


PACKINGS: dict[str, Callable[[str], bytes]] = {
    "gzip": lambda text: gzip.compress(b"x" * 10_000 + text.encode()),
    "zstd": lambda text: zstd(b"x" * 10_000 + text.encode()),
    "zip": lambda text: zipped(b"x" * 10_000 + text.encode()),
    "gzip in zip in gzip": lambda text: gzip.compress(zipped(gzip.compress(text.encode()))),
    "gzip that was cut": lambda text: gzip.compress(text.encode() + os.urandom(50_000))[:20_000],
    "parquet": lambda text: parquet(["a", text, "b"]),
    "parquet, many times": lambda text: parquet([text] * 1000),
    "parquet's metadata": lambda text: parquet(["a"], text),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_found(name: str) -> None:
    for _ in range(20):
        canaries = Canaries()
        canaries.plant("other")
        hits = canaries.find(b"\xff before " + FORMS[name](canaries.plant("token")) + b" after \x00", "here")
        assert {(hit.kind, hit.where) for hit in hits} == {("token", "here")}


@pytest.mark.parametrize("name", PACKINGS)
def test_every_packing_is_opened(tmp_path: Path, name: str) -> None:
    canaries = Canaries()
    content = PACKINGS[name](canaries.plant("token"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(content)
    (tmp_path / "clean").write_bytes(PACKINGS[name]("nothing to see"))
    assert {hit.kind for hit in canaries.in_files(tmp_path)} == {"token"}
    assert all("deep/er/file" in hit.where for hit in canaries.in_files(tmp_path))
    assert any(" > " in hit.where for hit in canaries.in_files(tmp_path))  # found inside, not by its loose ends
    assert canaries.in_files(tmp_path, allowed=[tmp_path / "deep" / "er" / "file"]) == []


def test_names_of_files_are_searched(tmp_path: Path) -> None:
    canaries = Canaries()
    (tmp_path / canaries.plant("token").split("/")[0]).mkdir()
    assert len(canaries.in_files(tmp_path)) == 1


def test_bytes_are_found(tmp_path: Path) -> None:
    canaries, key = Canaries(), os.urandom(32)
    canaries.plant_bytes("master key", key)
    for content in (
        key,
        base64.b64encode(key),
        base64.urlsafe_b64encode(key),
        key.hex().encode(),
        b"k1:" + base64.b64encode(key),
    ):
        assert canaries.find(content, "here"), content
    assert canaries.find(os.urandom(32), "here") == []


def test_every_column_is_searched(database: Database) -> None:
    canaries = Canaries()
    token = canaries.plant("token")
    raw = token.encode()
    assert canaries.in_database(database) == []
    with database.connect(autocommit=True) as connection:
        connection.execute(
            'CREATE SCHEMA other; CREATE TABLE other."odd ""name" (t text, j jsonb, b bytea, a text[], z bytea, n int, h bytea)'
        )
        connection.execute(
            'INSERT INTO other."odd ""name" VALUES (%s, %s, %s, %s, %s, 1, %s)',
            [
                token,
                json.dumps({"deep": [token]}),
                raw,
                [token],
                gzip.compress(raw),
                raw.hex().encode(),
            ],
        )
        connection.execute(
            "INSERT INTO stores (key, name, source, currency, language) VALUES ('a', %s, 'shopify', 'USD', 'en')", [token]
        )
    found = {hit.where.split(" > ")[0] for hit in canaries.in_database(database)}
    assert found == {*(f'other.odd "name.{column}' for column in "tjbazh"), "pipeline.stores.name"}


def test_statements_with_the_secret_in_their_text_are_found(database: Database) -> None:
    canaries = Canaries()
    with database.connect(autocommit=True) as connection:
        connection.execute(f"SELECT 1 -- {canaries.plant('token').replace('%', '')}".encode())
        assert [hit.where for hit in canaries.in_database(database)] == ["pg_catalog.pg_stat_activity.query"]


def test_arguments_of_a_process_are_searched() -> None:
    canaries = Canaries()
    token = canaries.plant("token")
    assert canaries.in_processes() == []
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        assert [hit.where for hit in canaries.in_processes()] == [f"arguments of process {child.pid}"]
        child.stdin.close()


def test_logs_are_searched_with_their_exceptions() -> None:
    canaries = Canaries()
    token = canaries.plant("token")
    with recorded_logs() as lines:
        logging.getLogger("a.client").info("GET https://example.com/?key=%s", token)
        try:
            raise ValueError(token)
        except ValueError:
            logging.getLogger("deep.inside").exception("failed")
        logging.getLogger("x").debug(token)
    assert [bool(canaries.find(line, "log")) for line in lines] == [True, True]
