"""Tables between assets, through real materializations."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from pipeline.model.errors import PipelineError
from pipeline.partitions import cell, store_marketplaces, stores
from pipeline.platform.io_manager import ParquetIOManager, parquet_io_manager
from pipeline.platform.tables import StagedTable, Table, empty_frame, stage
from pipeline.settings import Settings

SCHEMA = pa.schema([("sku", pa.string()), ("price", pa.int64()), ("tags", pa.list_(pa.string()))])
KEYS = {"stores": ["demo", "my-shop.example.com"], "marketplaces": ["amazon-us"]}


def frame(*skus: str) -> pd.DataFrame:
    rows = {"sku": list(skus), "price": [1] * len(skus), "tags": [["a"]] * len(skus)}
    return pa.table(rows, schema=SCHEMA).to_pandas(types_mapper=pd.ArrowDtype)


@pytest.fixture
def ephemeral() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        for name, keys in KEYS.items():
            instance.add_dynamic_partitions(name, keys)
        yield instance


@pytest.fixture
def base(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "tables")


@pytest.fixture
def world(tmp_path: Path) -> dict[str, Any]:
    """What the assets below made of their inputs."""
    return {"folder": tmp_path}


def build(world: dict[str, Any], annotation: type = Table, columns: list[str] | None = None) -> list[dg.AssetsDefinition]:
    metadata = {} if columns is None else {"columns": columns}

    @dg.asset(partitions_def=stores)
    def variants(context: dg.AssetExecutionContext) -> StagedTable:
        folder = world["folder"] / context.run.run_id
        folder.mkdir()
        return stage(folder, "variants", frame("A", "B"), SCHEMA, {"import_id": "i1"})

    def body(context: dg.AssetExecutionContext, variants: Any) -> StagedTable:
        world["loaded"] = variants
        folder = world["folder"] / f"{context.run.run_id}-listings"
        folder.mkdir()
        return stage(folder, "listings", frame("A"), SCHEMA, {"import_id": "i1"})

    body.__annotations__["variants"] = annotation
    listings = dg.asset(name="listings", partitions_def=store_marketplaces, ins={"variants": dg.AssetIn(metadata=metadata)})(body)
    return [variants, listings]


def run(
    assets: list[dg.AssetsDefinition], only: str, key: str, ephemeral: dg.DagsterInstance, base: UPath, raises: bool = True
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        assets,
        selection=[only],
        partition_key=key,
        instance=ephemeral,
        resources={"io_manager": ParquetIOManager(base)},
        raise_on_error=raises,
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data = event.step_failure_data
    assert data.error is not None
    causes = [data.error, *([data.error.cause] if data.error.cause else [])]
    return (data.user_failure_data.description if data.user_failure_data else None) or causes[-1].message


@pytest.mark.parametrize("store", KEYS["stores"])
def test_a_table_becomes_the_lazy_input_of_a_cell(world: dict, ephemeral: dg.DagsterInstance, base: UPath, store: str) -> None:
    assets = build(world, columns=["price"])
    first = run(assets, "variants", store, ephemeral, base)
    run(assets, "listings", cell(store, "amazon-us"), ephemeral, base)
    assert (Path(base) / "variants" / f"{store}.parquet").exists()
    assert (Path(base) / "listings" / "amazon-us" / f"{store}.parquet").exists()
    loaded = world["loaded"]
    assert isinstance(loaded, Table)
    assert loaded.columns == ("price",)
    assert list(loaded.read().columns) == ["price"]
    assert loaded.metadata == {"import_id": "i1"}
    (event,) = first.asset_materializations_for_node("variants")
    assert event.metadata["dagster/row_count"].value == 2


def test_a_frame_input_is_read_with_the_projects_types(world: dict, ephemeral: dg.DagsterInstance, base: UPath) -> None:
    assets = build(world, pd.DataFrame, ["sku", "price"])
    run(assets, "variants", "demo", ephemeral, base)
    run(assets, "listings", cell("demo", "amazon-us"), ephemeral, base)
    loaded = world["loaded"]
    assert isinstance(loaded, pd.DataFrame)
    assert loaded["sku"].tolist() == ["A", "B"]
    pd.testing.assert_series_equal(loaded.dtypes, empty_frame(SCHEMA)[["sku", "price"]].dtypes)


@pytest.mark.parametrize("uri", ["memory://tables-{}", "file://{}"])
def test_other_filesystems(world: dict, ephemeral: dg.DagsterInstance, tmp_path: Path, uri: str) -> None:
    base = UPath(uri.format(tmp_path))
    assets = build(world)
    run(assets, "variants", "demo", ephemeral, base)
    run(assets, "listings", cell("demo", "amazon-us"), ephemeral, base)
    assert world["loaded"].read()["sku"].tolist() == ["A", "B"]
    assert (base / "listings" / "amazon-us" / "demo.parquet").exists()
    assert not list(tmp_path.glob("*/variants.parquet"))  # nothing stays in the scratch folder


def test_another_disk_than_the_scratch_folders(
    world: dict, ephemeral: dg.DagsterInstance, base: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.parent != Path(target).parent:
            raise OSError(18, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    run(build(world), "variants", "demo", ephemeral, base)
    folder = Path(base) / "variants"
    assert [path.name for path in folder.iterdir()] == ["demo.parquet"]
    assert Table(folder / "demo.parquet").rows == 2


def test_a_missing_frame_says_what_to_materialize(world: dict, ephemeral: dg.DagsterInstance, base: UPath) -> None:
    result = run(build(world, pd.DataFrame), "listings", cell("demo", "amazon-us"), ephemeral, base, raises=False)
    assert not result.success
    assert failure(result) == "materialize variants of demo first"


def test_a_missing_table_says_it_to_who_reads_it(world: dict, ephemeral: dg.DagsterInstance, base: UPath) -> None:
    assert run(build(world), "listings", cell("demo", "amazon-us"), ephemeral, base).success
    with pytest.raises(PipelineError, match=r"^materialize variants of demo first$"):
        world["loaded"].read()


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def drop_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop(["price"]), path)


@pytest.mark.parametrize(("harm", "words"), [(damage, "is damaged"), (drop_column, "without the columns price")])
def test_an_unusable_table_says_what_to_materialize(
    world: dict, ephemeral: dg.DagsterInstance, base: UPath, harm: Callable[[Path], None], words: str
) -> None:
    assets = build(world, columns=["sku", "price"])
    run(assets, "variants", "demo", ephemeral, base)
    harm(Path(base) / "variants" / "demo.parquet")
    result = run(assets, "listings", cell("demo", "amazon-us"), ephemeral, base, raises=False)
    message = failure(result)
    assert message.startswith("materialize variants of demo again")
    assert words in message


def test_a_reader_keeps_the_table_that_it_opened(world: dict, ephemeral: dg.DagsterInstance, base: UPath) -> None:
    assets = build(world)
    run(assets, "variants", "demo", ephemeral, base)
    run(assets, "listings", cell("demo", "amazon-us"), ephemeral, base)
    staged = stage(world["folder"], "newer", frame("C"), SCHEMA, {})
    staged.path.replace(Path(base) / "variants" / "demo.parquet")
    assert world["loaded"].read()["sku"].tolist() == ["A", "B"]


def test_only_staged_tables_are_stored(ephemeral: dg.DagsterInstance, base: UPath) -> None:
    @dg.asset(partitions_def=stores)
    def wrong() -> Any:
        return pd.DataFrame()

    result = run([wrong], "wrong", "demo", ephemeral, base, raises=False)
    assert "must return a StagedTable" in failure(result)
    assert not (Path(base) / "wrong" / "demo.parquet").exists()


@pytest.mark.parametrize("key", ["../demo", "a/../../b", "..", "/etc"])
def test_hostile_partition_keys_never_leave_the_folder(world: dict, ephemeral: dg.DagsterInstance, base: UPath, key: str) -> None:
    ephemeral.add_dynamic_partitions("stores", [key])
    result = run(build(world), "variants", key, ephemeral, base, raises=False)
    assert not result.success
    assert not list(Path(base).parent.glob("**/*b.parquet"))


def test_the_resource_follows_the_settings(world: dict, ephemeral: dg.DagsterInstance, settings: Settings) -> None:
    dg.materialize(
        build(world),
        selection=["variants"],
        partition_key="demo",
        instance=ephemeral,
        resources={"io_manager": parquet_io_manager},
    )
    assert (settings.data_dir / "tables" / "variants" / "demo.parquet").exists()
