"""The folder of an export plan: what is sent, what a commit records, and what waits for approval. Written once, named by content.

plans/<store>/<site>/<export_id>/
    messages.parquet  marketplaces.base.MESSAGES, in the order in which they are packed
    effects.parquet   EFFECTS: what a commit writes to the state
    guarded.parquet   guards.GUARDED: changes that wait for approval
    changes.parquet   DETAILS: what is changed, held or blocked, with the values before and after
    listings.parquet  LISTINGS of the products whose content or pictures it says: what a rollback goes back to
    urgent.parquet    urgent.URGENT: which messages are said one by one, at once
    plan.json         `Plan`; written last, so a folder without it is no plan
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from upath import UPath

from pipeline.listings.diff import RECORD, STATE, VALUES
from pipeline.model.errors import PipelineError
from pipeline.platform.tables import Table

#: One row a SKU whose record changes. `op`: set (all columns), leave (quantity 0, note when), delete. `sent`: the kinds of
#: change that messages carry, with commas; empty when only the record changes.
EFFECTS = pa.schema([("op", pa.string()), ("sent", pa.string()), *RECORD])
#: One row a listing that is not just unchanged or out of scope. `<value>` is what the listing says, `_before` what the
#: marketplace has, `_after` what it has once the plan was carried out.
DETAILS = pa.schema(
    [
        *((name, pa.string()) for name in ("sku", "product_id", "role", "parent_sku", "role_before", "parent_sku_before")),
        ("live", pa.bool_()),
        ("changes", pa.list_(pa.string())),
        ("reason", pa.string()),
        *((f"{name}{when}", STATE.field(name).type) for name in VALUES for when in ("", "_before", "_after")),
    ]
)


@dataclass(frozen=True)
class Scope:
    """What one run may touch: these products (empty: all), and whether it only shows what it would do."""

    product_ids: frozenset[str] = frozenset()
    dry_run: bool = False


EVERYTHING = Scope()


@dataclass(frozen=True)
class Plan:
    """An export plan as its folder says. `approvals` are sentences on what waits for approval, empty when nothing does."""

    export_id: str
    store: str
    site: str
    transport: str
    import_id: str
    base_version: int
    dry_run: bool
    requires_approval: bool  # of the whole plan, by the connection's setting
    product_ids: tuple[str, ...]  # the scope; empty = all
    counts: Mapping[str, Any]
    recipe: str  # settings, rules and code that made the listings
    approvals: tuple[str, ...]
    folder: Path | UPath

    @property
    def messages(self) -> Table:
        return Table(self.folder / "messages.parquet")

    @property
    def effects(self) -> Table:
        return Table(self.folder / "effects.parquet")

    @property
    def guarded(self) -> Table:
        return Table(self.folder / "guarded.parquet")

    @property
    def changes(self) -> Table:
        return Table(self.folder / "changes.parquet")

    @property
    def listings(self) -> Table:
        return Table(self.folder / "listings.parquet")

    @property
    def urgent(self) -> Table:
        return Table(self.folder / "urgent.parquet")

    def to_json(self) -> bytes:
        values = {name: value for name, value in asdict(self).items() if name != "folder"}
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def plan_folder(root: Path | UPath, store: str, site: str, export_id: str) -> Path | UPath:
    """Where a plan lies below the storage root."""
    return root / "plans" / store / site / export_id


def load_plan(folder: Path | UPath) -> Plan:
    """The plan of a folder. Raises PipelineError for a folder without a (complete) plan."""
    try:
        values = orjson.loads((folder / "plan.json").read_bytes())
    except FileNotFoundError:
        raise PipelineError(f"there is no export plan {folder.name}; materialize listing_changes") from None
    except orjson.JSONDecodeError:
        raise PipelineError(f"the export plan {folder.name} is damaged; materialize listing_changes again") from None
    known = {field.name for field in fields(Plan)} - {"folder"}
    if set(values) != known:
        raise PipelineError(f"the export plan {folder.name} is of another release; materialize listing_changes again")
    values |= {"product_ids": tuple(values["product_ids"]), "approvals": tuple(values["approvals"])}
    return Plan(**values, folder=folder)


def publish(plan: Plan, files: Mapping[str, Path]) -> None:
    """Put the files of a plan into its folder, `plan.json` last. An id stands for its files: doing it again is harmless."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        _replace(plan.folder / f"{name}.parquet", source.read_bytes())
    _replace(plan.folder / "plan.json", plan.to_json())


def _replace(target: Path | UPath, content: bytes) -> None:
    """Object stores show a new object whole or not at all; a local file takes a rename for that."""
    if isinstance(target, UPath) and target.protocol not in ("", "file"):
        target.write_bytes(content)
        return
    local = Path(target.path) if isinstance(target, UPath) else target
    temporary = local.with_name(f".{local.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(local)
