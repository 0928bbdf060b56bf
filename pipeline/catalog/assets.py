"""Assets of the catalog stage: the exact copy of what the source said, and the normalized tables made from it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
import pyarrow as pa

from pipeline.catalog.endings import ending_of
from pipeline.catalog.importer import ImportResult
from pipeline.catalog.imports import (
    Import,
    fail_import,
    finish_import,
    note_interruption,
    note_raw,
    products_of_last_passed,
    require_import,
    save_state,
    widen_import,
)
from pipeline.catalog.inbox import as_requested
from pipeline.catalog.normalize import BASE_TABLES, normalize, shrink_problem
from pipeline.catalog.opening import AUTO, Opened, open_import
from pipeline.catalog.requests import REQUEST_TAG, mark_import
from pipeline.catalog.schema import ATTRIBUTES, RAW_FILES, SCHEMAS, STRUCTURE
from pipeline.catalog.source import FetchJob, FetchState, RawFile, RawImport, Source
from pipeline.catalog.sources import source_of
from pipeline.model.errors import PipelineError
from pipeline.partitions import stores
from pipeline.platform import metadata as meta
from pipeline.platform.checks import check_spec
from pipeline.platform.io_manager import stored_table
from pipeline.platform.progress import reporter, stop_if_canceled
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.platform.tables import Table, stage, to_frame
from pipeline.stores.stores import Store, get_store, open_credentials

GROUP = "catalog"
OWNERS = ["team:catalog"]
#: Run tag that says which part of the catalog a job imports.
KIND_TAG = "pipeline/import"
#: Run tag that says how much of it: `auto` (only what changed, where that is possible), `full`, or the time since when.
SINCE_TAG = "pipeline/since"
#: Run tag by which an operator accepts a catalog that lost many products.
ACCEPT_SHRINK = "pipeline/accept_shrink"
LOCK_WAIT_SECONDS = 60.0
NOT_SHRUNK = check_spec(
    "not_shrunk",
    "products",
    stores,
    "The catalog has not lost many products at once. An import that has is kept aside; the tables stay as they were.",
)
_DESCRIPTIONS = {
    "products": "One row a product, normalized; the same columns whatever the source.",
    "variants": "One row a sellable variant, with prices in minor units.",
    "inventory": "Stock of each variant and location; unknown stock is null, not 0.",
    "collections": "Collections and the products in them.",
    "rejected_rows": "Source rows that could not become a row, each with line and reason. Nothing is dropped silently.",
}
_STRUCTURE_DESCRIPTIONS = {
    "attributes": "Attributes of a PIM with their types, options and roles: what typed attributes of products mean.",
    "families": "Families of a PIM: which attributes their products have, which are required, which make variants.",
}


@dg.asset(
    partitions_def=stores,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"shopify", "akeneo", "file"},
    description="The exact copy of what the source said, kept for replay; a new import begins here.",
)
def raw_products(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.Output[Any]:
    run = context.run
    with expected_failures():
        store, source = _open(context, workspace)
        stored = {name: table.metadata.get("import_id") for name, table in _stored(workspace, store).items()}
        kind, since = run.tags.get(KIND_TAG, "all"), run.tags.get(SINCE_TAG, AUTO)
        with workspace.connect() as connection:
            opened = open_import(connection, store, source, kind, since, run_id=run.run_id, stored=stored)  # type: ignore[arg-type]
            if REQUEST_TAG in run.tags:
                mark_import(connection, int(run.tags[REQUEST_TAG]), opened.import_id)
        state = FetchState(opened.state, lambda values: _save_state(workspace, opened.import_id, values))
        folder = workspace.settings.data_dir / "raw" / store.key / opened.import_id
        base = None if opened.base_import_id is None else folder.with_name(opened.base_import_id)
        job = FetchJob(opened.kind, opened.since, opened.reconcile, state, reporter(context, "raw_products"), base)
        with _ended_by_errors(workspace, opened.import_id, store):
            raw = source.fetch(folder, job)
        with workspace.connect() as connection:
            note_raw(connection, opened.import_id, raw)
        files = pd.DataFrame(
            [(file.name, str(file.path.relative_to(workspace.settings.data_dir)), file.sha256, file.bytes) for file in raw.files],
            columns=RAW_FILES.names,
        )
        table = stage(workspace.scratch("raw_products"), "raw_products", files, RAW_FILES, {"import_id": opened.import_id})
    for note in raw.notes:
        context.log.warning(note)
    return dg.Output(
        table, metadata={**_raw_metadata(opened, raw), "source": store.source, "bytes": raw.bytes, "files": meta.table(files)}
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
    check_specs=[NOT_SHRUNK],
)
def catalog(
    context: dg.AssetExecutionContext, workspace: Workspace, raw_products: Table
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    selected = context.op_execution_context.selected_output_names
    with expected_failures():
        store, source, found, raw = _open_raw(context, workspace, raw_products)
        import_id = found.id
        with workspace.connect() as connection:
            before = None if ACCEPT_SHRINK in context.run.tags else products_of_last_passed(connection, store.id)
        wanted = [name for name in SCHEMAS if name in selected and name in source.tables(raw)]
        if not wanted:
            raise PipelineError(f"import {import_id} has read {found.kind} only; read the rest with: pipeline import {store.key}")
        with _ended_by_errors(workspace, import_id, store):
            result, raw = normalize(
                source, raw, workspace.scratch("catalog"), found=found, currency=store.currency,
                stored=_stored(workspace, store), progress=reporter(context, wanted[0]),
            )  # fmt: skip
    problem = shrink_problem(before, result.counts["products"]) if "products" in wanted else None
    if NOT_SHRUNK.key in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(passed=problem is None, check_name=NOT_SHRUNK.name, asset_key="products", description=problem)
    if problem is not None:  # kept aside: the tables before stay as they are
        with expected_failures(), workspace.connect() as connection:
            fail_import(connection, import_id, problem)
            connection.commit()
            raise PipelineError(problem)
    metadata = _metadata(result)
    for name in wanted:
        yield dg.Output(result.tables[name], name, metadata={"import_id": import_id, **metadata.get(name, {})})
    # The ledger comes last: an import that dies before is not over, and the next one may go on with it.
    with expected_failures(), workspace.connect() as connection:
        if found.status == "running":
            note_raw(connection, import_id, raw)
            finish_import(connection, import_id, raw, _location(workspace, raw), result.counts)
        elif "products" in selected:  # a replay of a finished import changes nothing else
            widen_import(connection, import_id, result.counts)


@dg.multi_asset(
    name="describe_catalog",
    partitions_def=stores,
    group_name=GROUP,
    can_subset=True,
    ins={"raw_products": dg.AssetIn()},
    outs={
        name: dg.AssetOut(description=text, owners=OWNERS, kinds={"akeneo", "parquet"}, is_required=False)
        for name, text in _STRUCTURE_DESCRIPTIONS.items()
    },
)
def structure(context: dg.AssetExecutionContext, workspace: Workspace, raw_products: Table) -> Iterator[dg.Output[Any]]:
    selected = context.op_execution_context.selected_output_names
    with expected_failures():
        store, source, found, raw = _open_raw(context, workspace, raw_products)
        import_id = found.id
        alone = found.kind in STRUCTURE and found.status == "running"
        with _ended_by_errors(workspace, import_id, store):
            tables = source.structure(raw)
        folder = workspace.scratch("structure")
        staged = {
            name: stage(folder, name, to_frame(tables[name]), STRUCTURE[name], {"import_id": import_id})
            for name in STRUCTURE
            if name in selected and name in tables
        }
    for name in sorted(selected - staged.keys()):
        context.log.info(f"import {import_id} of {store.key} has no {name} (source {store.source}): skipped")
    for name, table in staged.items():
        yield dg.Output(table, name, metadata={"import_id": import_id, **_structure_metadata(tables[name])})
    if alone:
        with expected_failures(), workspace.connect() as connection:
            counts = {name: table.rows for name, table in staged.items()}
            finish_import(connection, import_id, raw, _location(workspace, raw), counts)


def _structure_metadata(table: pa.Table) -> dict[str, Any]:
    """Attributes by type and the roles that they play; of families, how many there are is enough."""
    if table.schema.names != ATTRIBUTES.names:
        return {}
    rows = table.select(["role", "code", "type", "label"]).to_pylist()
    return {
        "by_type": meta.counts(Counter(row["type"] for row in rows), "type"),
        "roles": meta.table(sorted((row for row in rows if row["role"]), key=lambda row: str(row["role"]))),
    }


def _open(context: dg.AssetExecutionContext, workspace: Workspace) -> tuple[Store, Source]:
    """The store of this run and its source, with the store's catalog locked until the run ends."""
    with workspace.connect() as connection:
        store = get_store(connection, context.partition_key)
        if REQUEST_TAG in context.run.tags:
            store = as_requested(connection, workspace.settings.data_dir, store, context.run.tags[REQUEST_TAG])
    workspace.hold(
        f"the catalog of {store.key}",
        holder=f"run {context.run.run_id}",
        wait_seconds=LOCK_WAIT_SECONDS,
        waiting=lambda: stop_if_canceled(context),
        busy="is being imported",
    )
    with workspace.connect() as connection:
        credentials = open_credentials(connection, workspace.vault, store)
    return store, source_of(store, credentials)


@contextmanager
def _ended_by_errors(workspace: Workspace, import_id: str, store: Store) -> Iterator[None]:
    """The ledger says why an import ended, and `pipeline status` shows it. Errors become sentences, but for bugs, whose
    traceback the run shows. Canceling is no `Exception`: a canceled import is gone on with."""
    try:
        yield
    except Exception as error:
        ending = ending_of(error, store.key)
        with suppress(PipelineError, psycopg.Error), workspace.connect() as connection:  # it may be the database that failed
            (fail_import if ending.over else note_interruption)(connection, import_id, ending.reason)
        if ending.over:
            raise
        raise PipelineError(ending.reason) from error


def _save_state(workspace: Workspace, import_id: str, values: Mapping[str, Any]) -> None:
    with workspace.connect() as connection:
        save_state(connection, import_id, values)


def _open_raw(
    context: dg.AssetExecutionContext, workspace: Workspace, raw_products: Table
) -> tuple[Store, Source, Import, RawImport]:
    """The store of this run, its source, and the import that the raw copy is of."""
    store, source = _open(context, workspace)
    with workspace.connect() as connection:
        found = require_import(connection, store, raw_products.metadata["import_id"])
    files = [
        RawFile(row["name"], workspace.settings.data_dir / row["path"], row["sha256"], row["bytes"])
        for row in raw_products.arrow().to_pylist()
    ]
    return store, source, found, RawImport(tuple(files), found.watermark, found.incremental, found.reconciled)


def _location(workspace: Workspace, raw: RawImport) -> str:
    return str(raw.files[0].path.parent.relative_to(workspace.settings.data_dir))


def _stored(workspace: Workspace, store: Store) -> dict[str, Table]:
    """The store's present tables of this release; those that are missing or damaged are not among them."""
    found = {name: stored_table(workspace.settings, name, SCHEMAS[name], store.key) for name in BASE_TABLES}
    return {name: table for name, table in found.items() if table is not None}


def _raw_metadata(opened: Opened, raw: RawImport) -> dict[str, Any]:
    """What the import is, and what an operator should know of it."""
    found: dict[str, Any] = {"import_id": opened.import_id, "kind": opened.kind, "incremental": raw.incremental}
    if opened.since is not None:
        found["since"] = opened.since.isoformat()
    if raw.watermark is not None:
        found["watermark"] = raw.watermark.isoformat()
    if raw.notes:
        found["notes"] = meta.table([{"note": note} for note in raw.notes])
    return found


def _metadata(result: ImportResult) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        name: {"source_counts": meta.counts(result.source_counts)} for name in ("products", "inventory")
    }
    if "rejected_rows" in result.tables:
        rejected = result.tables["rejected_rows"].open()
        found["rejected_rows"] = {
            "by_reason": meta.counts(result.rejected_reasons, "reason"),
            "sample": meta.table(rejected.batch(0) if rejected.batches else pd.DataFrame()),
        }
    return found


ASSETS = [raw_products, catalog, structure]
