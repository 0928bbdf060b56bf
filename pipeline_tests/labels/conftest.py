"""A store with label files and, in its environment, a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.platform.database import Database
from pipeline_tests.fakes.openai_server import FakeOpenAI, running
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.place import Place, drop_places, make_place

LABELS = """{
  "cart": {
    "title": "Your cart",
    "items": {
      "one": "{{ count }} item",
      "other": "{{ count }} items"
    },
    "checkout_html": "<b>Check out</b> at <a href=\\"{{ link }}\\">the till</a>",
    "again": "Your cart",
    "pack": "Pack of 5",
    "mark": "{{ shop_name }}"
  },
  "stock": "{count, plural, =0 {Sold out} one {# left in stock} other {# left in stock}}"
}
"""


@dataclass
class Shop:
    """A place with the store `shop`, its label files in `folder`, and the model that it asks."""

    place: Place
    folder: Path
    model: FakeOpenAI

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def add(self, name: str, content: str | bytes, locale: str = "en", *more: str) -> Any:
        return self.place.summary("labels", "import", "shop", self.file(name, content), "--locale", locale, *more)

    def translate(self, *arguments: str) -> Any:
        return self.place.summary("labels", "translate", "shop", *arguments)

    def texts(self, locale: str) -> dict[tuple[str, str | None], str | None]:
        return {(row["key"], row["form"]): row["text"] for row in self.rows(locale)}

    def rows(self, locale: str) -> list[dict[str, Any]]:
        return [row for row in self.place.table("translated_labels", "shop").arrow().to_pylist() if row["locale"] == locale]

    def written(self, name: str, locale: str) -> bytes:
        self.place.cli("labels", "export", "shop", "--locale", locale, "--out", str(self.folder / "out"), code=0)
        return (self.folder / "out" / locale / name).read_bytes()


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI()) as found:
        yield found


@pytest.fixture
def shop(
    server: Database, _dagster_template: str, model: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """A store without labels yet, and a model."""
    place = make_place(server, _dagster_template, tmp_path / "data")
    for name, value in model.environment().items():
        monkeypatch.setenv(name, value)
    catalog = catalogs.write(tmp_path / "shop.csv", catalogs.products(1))
    place.cli("store", "add", "shop", "--file", str(catalog), code=0)
    yield Shop(place, tmp_path, model)
    drop_places(server, tmp_path)
