"""The same catalog from another emulator of Akeneo, which we did not write: akeneo-mock-server gives the same tables.

It needs Python 3.12 and Postgres, so it runs in an environment of its own: `AKENEO_MOCK_URL` names a running, empty one, or a
`python3.12` (or newer) on the path has the packages akeneo_mock_server and uvicorn.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import orjson
import pandas as pd
import pytest

from pipeline.catalog.source import FetchJob
from pipeline.platform.database import Database
from pipeline_tests.catalog.akeneo.helpers import comparable, imported, source, tables
from pipeline_tests.catalog.akeneo.sample import SHIRT, fill, uid, value
from pipeline_tests.conftest import new_database
from pipeline_tests.fakes.akeneo import FakeAkeneo, Record

_COLLECTION = {"Content-Type": "application/vnd.akeneo.collection+json"}
_START_SECONDS = 60


@pytest.fixture(scope="module")
def mock(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty mock server."""
    given = os.environ.get("AKENEO_MOCK_URL")
    if given:
        yield given.rstrip("/")
        return
    python = next(
        (path for path in map(shutil.which, ("python3.14", "python3.13", "python3.12")) if path and _has_mock(path)), None
    )
    if python is None:
        pytest.skip("no python3.12 or newer with akeneo_mock_server and uvicorn on the path, and no AKENEO_MOCK_URL")
    database = new_database(server)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = (
        "import uvicorn; from akeneo_mock_server.database import init_db; init_db(); "
        f"uvicorn.run('akeneo_mock_server.app:app', host='127.0.0.1', port={port}, log_level='warning')"
    )
    log = tmp_path_factory.mktemp("mock") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, "-c", program], env={**os.environ, "AKENEO_DATABASE_URL": database.url}, stdout=out, stderr=out
        )
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _has_mock(python: str) -> bool:
    found = subprocess.run([python, "-c", "import akeneo_mock_server, uvicorn"], capture_output=True, check=False)
    return found.returncode == 0


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(_START_SECONDS * 10):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        pause.wait(0.1)
    raise AssertionError(log.read_text())


def write(url: str, path: str, records: Iterable[Record]) -> None:
    """A collection PATCH, whose answer has a line for each record."""
    body = b"\n".join(orjson.dumps(record) for record in records)
    answer = httpx.patch(f"{url}/api/rest/v1/{path}", content=body, headers=_COLLECTION, timeout=30)
    assert answer.status_code == 200, (path, answer.text)
    for line in answer.text.splitlines():
        assert orjson.loads(line)["status_code"] in (201, 204), (path, line)


def put(url: str, fake: FakeAkeneo) -> None:
    """What the loopback PIM holds, into the mock."""
    own = ("uuid", "enabled", "family", "categories", "groups", "parent", "values", "updated")
    httpx.post(f"{url}/_admin/clear", timeout=30).raise_for_status()
    write(url, "categories", fake.categories.values())
    write(url, "attribute-groups", [{"code": "other"}])
    write(url, "attributes", fake.attributes.values())
    for code, options in fake.options.items():
        write(url, f"attributes/{code}/options", options.values())
    write(url, "channels", fake.channels.values())
    write(url, "families", fake.families.values())
    for code, variants in fake.variants.items():
        write(url, f"families/{code}/variants", variants.values())
    models = sorted(fake.models.values(), key=lambda model: model["parent"] is not None)
    write(
        url,
        "product-models",
        ({key: one for key, one in model.items() if key not in ("created", "associations")} for model in models),
    )
    products = [{key: product[key] for key in own} for product in fake.products.values()]
    # Writing a new product, the mock wants its identifier beside the values.
    write(url, "products-uuid", ({**one, "identifier": one["values"]["sku"][0]["data"]} for one in products))


@dataclass(frozen=True)
class There:
    url: str


def test_the_same_tables_from_both(mock: str, tmp_path: Path) -> None:
    with FakeAkeneo() as fake:
        put(mock, fill(fake))
        ours = imported(fake, tmp_path / "ours")
        there = There(mock)
        theirs = tables(source(there).fetch(tmp_path / "theirs", FetchJob()), there)
    for frame, same in zip(comparable(theirs), comparable(ours), strict=True):
        pd.testing.assert_frame_equal(frame, same)
    assert len(theirs.rejected) == 0


def test_changes_of_the_mock(mock: str, tmp_path: Path) -> None:
    with FakeAkeneo() as fake:
        put(mock, fill(fake))
    there = There(mock)
    first = source(there).fetch(tmp_path / "0", FetchJob())
    assert first.watermark is not None
    now = {"updated": datetime.now(timezone.utc).isoformat(timespec="seconds")}  # the mock leaves it to us
    write(mock, "product-models", [{"code": SHIRT, "values": {"name": [value("Changed", "en_US")]}, **now}])
    write(mock, "products-uuid", [{"uuid": uid("mug"), "identifier": "MUG-1", "enabled": False, **now}])
    job = FetchJob(since=first.watermark - timedelta(hours=1), base_folder=tmp_path / "0", reconcile=True)
    changed = source(there).fetch(tmp_path / "1", job)
    whole = source(there).fetch(tmp_path / "2", FetchJob())
    found = tables(changed, there)
    assert (found.product(SHIRT)["title"], found.product(uid("mug"))["status"]) == ("Changed", "draft")
    for frame, same in zip(comparable(found), comparable(tables(whole, there)), strict=True):
        pd.testing.assert_frame_equal(frame, same)
