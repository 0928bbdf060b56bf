"""Assets of the catalog stage: the exact copy of what the source said, and the normalized tables made from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.catalog.importer import ImportResult, import_catalog
from pipeline.catalog.imports import begin_import, fail_import, finish_import, get_import, widen_import
from pipeline.catalog.schema import RAW_FILES, SCHEMAS
from pipeline.catalog.source import RawFile, RawImport, Source
from pipeline.model.errors import PipelineError
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.progress import reporter
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage
from pipeline.stores.stores import Store, get_store

GROUP = "catalog"
OWNERS = ["team:catalog"]
#: Run tag that says which part of the catalog a job imports.
KIND_TAG = "pipeline/import"
_DESCRIPTIONS = {
    "products": "One row a product, normalized; the same columns whatever the source.",
    "variants": "One row a sellable variant, with prices in minor units.",
    "inventory": "Stock of each variant and location; unknown stock is null, not 0.",
    "collections": "Collections and the products in them.",
    "rejected_rows": "Source rows that could not become a row, each with line and reason. Nothing is dropped silently.",
}


def source_of(store: Store) -> Source:
    """The source that a store's settings name."""
    if store.source != "shopify-file":
        raise PipelineError(f"the source {store.source} of store {store.key} cannot be imported yet; use a shopify-file store")
    from pipeline.catalog.shopify_file import ShopifyFile

    collections = store.source_settings.get("collections_path")
    return ShopifyFile(Path(store.source_settings["path"]), Path(collections) if collections else None)


@dg.asset(
    partitions_def=stores,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"shopify", "file"},
    description="The exact copy of what the source said, kept for replay; a new import begins here.",
)
def raw_products(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.Output[Any]:
    with expected_failures():
        with workspace.connect() as connection:
            store = get_store(connection, context.partition_key)
            kind = context.run.tags.get(KIND_TAG, "all")
            import_id = begin_import(connection, store.id, kind, store.source)  # type: ignore[arg-type]
        folder = workspace.settings.data_dir / "raw" / store.key / import_id
        try:
            raw = source_of(store).fetch(folder)
        except PipelineError as error:
            with workspace.connect() as connection:
                fail_import(connection, import_id, str(error))
            raise
        files = pd.DataFrame(
            [(file.name, str(file.path.relative_to(workspace.settings.data_dir)), file.sha256, file.bytes) for file in raw.files],
            columns=RAW_FILES.names,
        )
        table = stage(workspace.scratch("raw_products"), "raw_products", files, RAW_FILES, {"import_id": import_id})
    return dg.Output(
        table, metadata={"import_id": import_id, "source": store.source, "bytes": raw.bytes, "files": meta.table(files)}
    )


@dg.multi_asset(
    name="normalize_catalog",
    partitions_def=stores,
    group_name=GROUP,
    can_subset=True,
    ins={"raw_products": dg.AssetIn()},
    outs={
        name: dg.AssetOut(description=text, owners=OWNERS, kinds={"parquet"}, is_required=False)
        for name, text in _DESCRIPTIONS.items()
    },
)
def catalog(context: dg.AssetExecutionContext, workspace: Workspace, raw_products: Table) -> Iterator[dg.Output[Any]]:
    selected = context.op_execution_context.selected_output_names
    with expected_failures():
        import_id = raw_products.metadata["import_id"]
        with workspace.connect() as connection:
            store = get_store(connection, context.partition_key)
        raw = RawImport(
            tuple(
                RawFile(row["name"], workspace.settings.data_dir / row["path"], row["sha256"], row["bytes"])
                for row in raw_products.arrow().to_pylist()
            )
        )
        try:
            result = import_catalog(
                source_of(store),
                raw,
                workspace.scratch("catalog"),
                import_id=import_id,
                currency=store.currency,
                progress=reporter(context, "products"),
            )
        except PipelineError as error:
            with workspace.connect() as connection:
                fail_import(connection, import_id, str(error))
            raise
        with workspace.connect() as connection:
            found = get_import(connection, import_id)
            if found is not None and found.status == "running":  # a replay of a finished import changes no ledger
                location = str(raw.files[0].path.parent.relative_to(workspace.settings.data_dir))
                finish_import(connection, import_id, raw, location, result.counts)
            elif "products" in selected:
                widen_import(connection, import_id, result.counts)
    metadata = _metadata(result)
    for name in SCHEMAS:
        if name in selected:
            yield dg.Output(result.tables[name], name, metadata={"import_id": import_id, **metadata.get(name, {})})


def _metadata(result: ImportResult) -> dict[str, dict[str, Any]]:
    rejected = result.tables["rejected_rows"].open()
    return {
        "products": {"source_counts": meta.counts(result.source_counts)},
        "rejected_rows": {
            "by_reason": meta.counts(result.rejected_reasons, "reason"),
            "sample": meta.table(rejected.batch(0) if rejected.batches else pd.DataFrame()),
        },
    }


ASSETS = [raw_products, catalog]
