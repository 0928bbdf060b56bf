"""Ten thousand labels in five languages, and ten thousand products translated and written better: a server that is not ours
(llmock) counts the calls, a process of its own shows what it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline_tests.fakes.openai_server import MODEL, FakeOpenAI, running, translated
from pipeline_tests.flows import catalogs
from pipeline_tests.flows.conftest import NewPlace
from pipeline_tests.flows.place import Place

COUNT = int(os.environ.get("LANGUAGE_VOLUME", "10000"))
LOCALES = ("de", "fr", "es", "it", "nl")
#: Most resident memory of a run, in MiB; measured 416 (labels), 480 (better texts) and 545 (their answers from batches).
MOST_MIB = 1_000


@dataclass
class Model:
    """What llmock was asked."""

    server: Any
    calls: int = 0

    def answer(self, structured: Any, settings: Any, model: str, prompt: str) -> str:
        """In place of llmock's examples of a schema: what a good model would say."""
        self.calls += 1
        asked = json.loads(prompt[prompt.index('{"from": ' if '{"from": ' in prompt else '{"marketplace": ') :])
        if "product" in asked:
            return json.dumps(better(asked["product"]))
        locale = asked["to"].rpartition("(")[2].rstrip(")")
        return json.dumps({"items": [{"id": item["id"], "text": translated(item, locale)} for item in asked["items"]]})


def better(product: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"Kiln Street {product['title']}",
        "description": product["description"],
        "bullets": ["Hand-thrown stoneware mug", "Holds 350 ml of coffee or tea"],
        "keywords": ["cup", "drinkware"],
        "reason": "The title names the brand.",
    }


@pytest.fixture
def model(llmock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    from llmock import completion

    found = Model(llmock)
    monkeypatch.setattr(completion, "_structured_text", found.answer)
    for name, value in {"LLM_BASE_URL": llmock.base_url("openai"), "LLM_API_KEY": "sk-any", "LLM_MODEL": MODEL}.items():
        monkeypatch.setenv(name, value)
    yield found


def words(number: int) -> str:
    """A text of its own that differs in letters, since numbers are masked before a model is asked."""
    return "".join(chr(97 + number // 26**place % 26) for place in range(4)).capitalize()


@dataclass(frozen=True)
class Took:
    said: Any
    mib: float
    seconds: float  # of CPU


def measured(place: Place, *arguments: str) -> Took:
    """One command in a process of its own, its greatest memory and its time."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments, "--json"]
    out = place.settings.data_dir / "out.json"
    with out.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, env={**os.environ, **place.settings.environment()})
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, out.read_text()
    took = Took(json.loads(out.read_text()), usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)
    print(f"{' '.join(arguments)}: {took.mib:.0f} MiB, {took.seconds:.0f} s of CPU")
    return took


def progress(place: Place, asset: str) -> list[int]:
    """What was told while an asset was made, in per cent."""
    with place.instance() as instance:
        records = instance.fetch_observations(dg.AssetKey(asset), limit=1_000).records
    found = [record.asset_observation.metadata.get("progress") for record in records if record.asset_observation]
    return [int(value.value) for value in reversed(found) if value is not None]  # type: ignore[arg-type]


def metadata(place: Place, asset: str) -> Callable[[str], Any]:
    with place.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None and event.asset_materialization is not None
    said = event.asset_materialization.metadata
    return lambda name: said[name].value


def cost(place: Place) -> dict[str, Any]:
    (found,) = place.summary("stats", "shop")["language"]
    return dict(found)


@pytest.fixture
def batching(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """Our own server, whose batches end when the test says so (llmock's: language/test_llmock_batch.py)."""
    with running(FakeOpenAI(write=lambda asked: better(asked["product"]))) as found:
        for name, value in {**found.environment(), "LLM_TRANSPORT": "batch"}.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    return new_place()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_labels(place: Place, model: Model, tmp_path: Path) -> None:
    place.cli("store", "add", "shop", "--file", str(catalogs.write(tmp_path / "shop.csv", catalogs.products(1))), code=0)
    labels = tmp_path / "en.json"
    labels.write_text(json.dumps({"texts": {f"t{number}": f"Close {words(number)} now" for number in range(COUNT)}}))
    place.cli("labels", "import", "shop", str(labels), "--locale", "en", code=0)
    took = measured(place, "labels", "translate", "shop", "--to", ",".join(LOCALES))
    assert took.mib < MOST_MIB
    assert model.calls <= 34 * len(LOCALES) * COUNT / 1000
    rows = (
        place.table("translated_labels", "shop")
        .arrow(["locale", "state"])
        .group_by(["locale", "state"])
        .aggregate([([], "count_all")])
    )
    assert {(row["locale"], row["state"], row["count_all"]) for row in rows.to_pylist()} == {
        (locale, "translated", COUNT) for locale in LOCALES
    }
    told = progress(place, "translated_labels")
    assert len(told) >= 10 and told == sorted(told)
    said, bill = metadata(place, "translated_labels"), cost(place)
    assert said("calls") == model.calls == bill["calls"] and 0 < said("spent_usd") == pytest.approx(bill["usd_total"], abs=1e-5)
    calls = model.calls
    place.cli("labels", "translate", "shop", code=0)
    assert model.calls == calls


def mugs(place: Place, folder: Path, site: str, setting: str) -> None:
    """A store of as many mugs as are counted here, imported and connected."""
    changes = {
        number: {
            "Title": f"Stoneware Mug {words(number)}",
            "Body (HTML)": f"<p>A hand-thrown stoneware mug, {words(number)}, that holds 350 ml of coffee or tea.</p>",
        }
        for number in range(1, COUNT + 1)
    }
    file = catalogs.write(folder / "shop.csv", catalogs.products(COUNT, changes))
    place.cli("store", "add", "shop", "--file", str(file), "--currency", "USD" if site == "amazon-us" else "EUR", code=0)
    place.cli("connect", "shop", site, "--set", "default_category=PRODUCT", "--set", f"{setting}=true", code=0)
    place.cli("language", "budget", "shop", "--month", "500", "--run", "500", code=0)
    place.cli("language", "budget", "--month", "500", code=0)
    place.cli("import", "shop", code=0)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("site", "setting", "asset"),
    [("amazon-de", "auto_translate", "localized_products"), ("amazon-us", "use_ai_optimization", "optimized_products")],
)
def test_products(place: Place, model: Model, tmp_path: Path, site: str, setting: str, asset: str) -> None:
    mugs(place, tmp_path, site, setting)
    took = measured(place, "export", "shop", site)
    assert took.mib < MOST_MIB
    changes_made = took.said["marketplaces"][site]["changes"]
    assert changes_made["create"] == COUNT
    said, bill = metadata(place, asset), cost(place)
    assert said("calls") == model.calls == bill["calls"] and 0 < said("spent_usd") == pytest.approx(bill["usd_total"], abs=1e-5)
    texts = 2 * COUNT + 10 if setting == "auto_translate" else COUNT  # title and description, and a few options and tags
    assert model.calls <= texts and said("estimated_calls") >= model.calls
    told = progress(place, asset)
    assert told and told == sorted(told)
    states = place.table(asset, "shop", site).arrow(["state"])["state"].value_counts().to_pylist()
    assert states == [{"values": "translated" if setting == "auto_translate" else "suggested", "counts": COUNT}]
    calls = model.calls
    place.cli("export", "shop", site, code=0)
    assert model.calls == calls


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_better_texts_in_batches(place: Place, batching: FakeOpenAI, tmp_path: Path) -> None:
    """Handed in by one export; settled, judged and used by a look at the batches, each in a process of its own."""
    mugs(place, tmp_path, "amazon-us", "use_ai_optimization")
    handed_in = measured(place, "export", "shop", "amazon-us")
    done = handed_in.said["marketplaces"]["amazon-us"]
    assert (done["changes"]["create"], done["texts"]["optimization"]["in_batches"]) == (COUNT, COUNT)
    assert batching.requests == [] and sum(file.count(b"custom_id") for file in batching.batches.files.values()) == COUNT
    assert cost(place)["usd_total"] > 0  # reserved
    batching.batches.end()
    batching.clear()
    collected = measured(place, "language", "batches", "--poll")
    assert max(handed_in.mib, collected.mib) < MOST_MIB
    went_on = collected.said["follow_ups"]  # exports of 5,000 products at most
    assert sum(one["products"] for one in went_on) == COUNT and {one["requests"] for one in went_on} == {0}
    assert batching.requests == []
    states = place.table("optimized_products", "shop", "amazon-us").arrow(["state"])["state"].value_counts().to_pylist()
    assert states == [{"values": "suggested", "counts": COUNT}]
    bill = cost(place)
    assert bill["calls"] == COUNT and place.rows("SELECT count(*) FROM language_calls WHERE state = 'reserved'") == [(0,)]
    assert place.rows("SELECT count(*) FROM language_batch_requests") == [(0,)]
    place.cli("export", "shop", "amazon-us", code=0)
    assert batching.requests == [] and len(batching.batches.batches) == len(collected.said["polled"])
