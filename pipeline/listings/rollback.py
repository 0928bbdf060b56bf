"""Going back to what an earlier export left behind: which values that were, and the pins that bring them back.

The state after an export is what the exports after it found: each plan keeps, for all that it changed, the values before it.
Content and pictures come from the listings that plans keep beside their messages, found by their hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from pipeline.listings.diff import STATE, VALUES
from pipeline.listings.lane import Lane
from pipeline.listings.pins import KINDS, PINS, SAME, fingerprint
from pipeline.listings.plan_files import Plan, load_plan, plan_folder
from pipeline.model.errors import PipelineError, UsageError
from pipeline.platform.tables import Table

_NOT_STOCK = [value for value in VALUES if value != "quantity"]
_FAMILY = ("role", "parent_sku")
_COLUMNS = ["sku", *_FAMILY, "status", *_NOT_STOCK]


@dataclass(frozen=True)
class Rollback:
    """`pins` (schema PINS) bring values back; `left_out` says of how many values why they stay as they are."""

    pins: pa.Table
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[str, int]:
        """Pins by kind."""
        return dict(Counter(self.pins["kind"].to_pylist()))


def committed_plans(
    connection: psycopg.Connection[Any], lane: Lane, root: Path | UPath, export_id: str
) -> tuple[list[Plan], list[Plan]]:
    """The plans that were committed up to an export, newest first, and those after it, oldest first.

    Plans whose folders are gone are left out of the first; raises PipelineError when one of the second is gone, or the export is
    not a committed one (UsageError)."""
    rows = connection.execute(
        b"SELECT export_id FROM exports WHERE store_id = %s AND site = %s AND transport = %s AND status = 'committed'"
        b" ORDER BY committed_at, base_version",
        lane.key,
    ).fetchall()
    ids = [str(row[0]) for row in rows]
    if export_id not in ids:
        known = ", ".join(ids[-3:]) or "none"
        raise UsageError(
            f"{lane.store} has no export {export_id} on {lane.site} that was carried out; the newest ones: {known}; "
            f"see: pipeline changes list {lane.store} {lane.site}"
        )
    place = ids.index(export_id)
    folders = [plan_folder(root, lane.store, lane.site, found) for found in ids]
    after = [load_plan(folder) for folder in folders[place + 1 :]]
    for plan in after:
        if not (plan.folder / "changes.parquet").exists():
            raise PipelineError(
                f"export {plan.export_id} does not say what was before it, so nothing before it can be gone back to; "
                f"go back to it or to a later one: pipeline changes list {lane.store} {lane.site}"
            )
    before = [folder for folder in folders[place::-1] if (folder / "listings.parquet").exists()]
    return [load_plan(folder) for folder in before], after


def kept_plans(connection: psycopg.Connection[Any], lane: Lane, root: Path | UPath) -> list[Plan]:
    """The committed plans that keep what they described, newest first."""
    rows = connection.execute(
        b"SELECT export_id FROM exports WHERE store_id = %s AND site = %s AND transport = %s AND status = 'committed'"
        b" ORDER BY committed_at DESC, base_version DESC",
        lane.key,
    ).fetchall()
    folders = [plan_folder(root, lane.store, lane.site, str(row[0])) for row in rows]
    return [load_plan(folder) for folder in folders if (folder / "listings.parquet").exists()]


def state_then(after: Sequence[Plan], now: pa.Table) -> tuple[pa.Table, set[str]]:
    """What every SKU that was live was before any of the plans `after` (oldest first): columns sku, role, parent_sku and VALUES
    but the stock; and the SKUs that were not live. `now` has the schema diff.STATE."""
    seen: set[str] = set()
    created: set[str] = set()
    found: list[pa.Table] = []
    for plan in after:
        sent = plan.effects.arrow(["sku", "sent"])
        said = set(sent.filter(pc.not_equal(sent["sent"], ""))["sku"].to_pylist())
        rows = plan.changes.arrow(["sku", "live", *(f"{value}_before" for value in (*_FAMILY, *_NOT_STOCK))])
        rows = rows.filter(pc.is_in(rows["sku"], value_set=pa.array(sorted(said - seen), pa.string())))
        live = rows.filter(rows["live"])
        created |= set(rows["sku"].to_pylist()) - set(live["sku"].to_pylist())
        found.append(live.drop_columns(["live"]).rename_columns(["sku", *_FAMILY, *_NOT_STOCK]))
        seen |= said
    rest = now.filter(pc.invert(pc.is_in(now["sku"], value_set=pa.array(sorted(seen), pa.string()))))
    schema = pa.schema([STATE.field(name) for name in ("sku", *_FAMILY, *_NOT_STOCK)])
    return pa.concat_tables([table.cast(schema) for table in (*found, rest.select(schema.names))]), created


def roll_back(
    listings: Table,
    now: pa.Table,
    before: Sequence[Plan],
    after: Sequence[Plan],
    *,
    export_id: str,
    family_is_one_listing: bool,
    kinds: Collection[str] = (),
    skus: Collection[str] = (),
) -> Rollback:
    """The pins that bring the listings back to an export; no `kinds` or `skus`: all.

    `before` are the committed plans up to it, newest first, `after` those since; `now` is the state (schema diff.STATE).
    Prices, content and pictures of SKUs that are live, and were then. Stock never: older stock must not overwrite newer."""
    then, created = state_then(after, now)
    rows = listings.arrow(_COLUMNS)
    left_out: Counter[str] = Counter()
    left_out["listed since then: they stay"] = len(created & set(now["sku"].to_pylist()) & (set(skus) or created))
    if skus:
        then = then.filter(pc.is_in(then["sku"], value_set=pa.array(sorted(skus), pa.string())))
    position = pc.index_in(then["sku"].combine_chunks(), value_set=rows["sku"].combine_chunks())
    left_out["no longer in the catalog or the assortment: they are not listed again"] = position.null_count
    then, here = then.filter(position.is_valid()), rows.take(position.drop_null())
    live = pc.is_in(then["sku"], value_set=now["sku"].combine_chunks())
    left_out["not live now: the next export lists them as they are"] = len(then) - (pc.sum(live).as_py() or 0)
    ready = pc.and_(live, pc.equal(here["status"], "ready"))
    left_out["blocked now: a blocked listing stays as the marketplace has it"] = (
        (pc.sum(live).as_py() or 0) - (pc.sum(ready).as_py() or 0)
    )  # fmt: skip
    then, here = then.filter(ready), here.filter(ready)
    stayed = pc.and_(*(pc.equal(*(rows[name].combine_chunks().fill_null("") for rows in (then, here))) for name in _FAMILY))
    pins = [PINS.empty_table()]
    for kind in [kind for kind in KINDS if not kinds or kind in kinds]:
        differs = pc.not_equal(fingerprint(then, kind), fingerprint(here, kind))
        if kind == "price":
            differs = pc.and_(differs, then["price"].combine_chunks().is_valid())
        elif kind == "content":
            left_out["content of another family than then"] += pc.sum(pc.and_(differs, pc.invert(stayed))).as_py() or 0
            differs = pc.and_(differs, stayed)
        if kind != "price" and family_is_one_listing:
            alone = pc.equal(here["role"].combine_chunks(), "single")
            text = f"{kind} of families, which are one listing here: correct them at the source"
            left_out[text] += pc.sum(pc.and_(differs, pc.invert(alone))).as_py() or 0
            differs = pc.and_(differs, alone)
        target, source = then.filter(differs), fingerprint(here.filter(differs), kind)
        values = _price(target) if kind == "price" else _described(target, kind, (*before, *after))
        known = [value is not None for value in values]
        left_out[f"{kind} of that time is not kept any more"] += known.count(False)
        if any(known):
            chosen = pa.array(known, pa.bool_())
            count = known.count(True)
            said = pa.array([orjson.dumps(value).decode() for value in values if value is not None], pa.string())
            columns = [target["sku"].combine_chunks().filter(chosen), pa.repeat(kind, count), source.filter(chosen), said]
            pins.append(pa.table([*columns, pa.repeat(export_id, count)], schema=PINS))
    return Rollback(pa.concat_tables(pins), +left_out)


def _price(target: pa.Table) -> list[dict[str, Any] | None]:
    return [dict(row) for row in target.select(list(KINDS["price"])).to_pylist()]


def _described(target: pa.Table, kind: str, plans: Iterable[Plan]) -> list[dict[str, Any] | None]:
    """The columns of the kind of each SKU when it had the target's hash, from the first plan that has them."""
    (column,) = SAME[kind]
    wanted = {(row["sku"], row[column]) for row in target.select(["sku", column]).to_pylist() if row[column]}
    found = find_rows(plans, column, wanted)
    keys = zip(target["sku"].to_pylist(), target[column].to_pylist(), strict=True)
    return [{name: found[key][name] for name in KINDS[kind]} if key in found else None for key in keys]


def find_rows(plans: Iterable[Plan], column: str, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Listings (as dicts) by (SKU, hash in `column`), from the first of the plans that keeps each."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for plan in plans:
        missing = wanted - found.keys()
        if not missing:
            break
        if not (plan.folder / "listings.parquet").exists():
            continue
        skus = pa.array(sorted({sku for sku, _ in missing}), pa.string())
        for index in range(plan.listings.batches):
            keys = plan.listings.arrow_batch(index, ["sku", column])
            if not pc.any(pc.is_in(keys["sku"], value_set=skus)).as_py():
                continue
            batch = plan.listings.arrow_batch(index)
            for row in batch.filter(pc.is_in(batch["sku"], value_set=skus)).to_pylist():
                if (row["sku"], row[column]) in missing:
                    found.setdefault((row["sku"], row[column]), row)
    return found
