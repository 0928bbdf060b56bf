"""The export plan: the validated messages of everything that changed, decided before anything is sent.

The same listings, state and settings give the same plan, byte for byte: no clock and no chance is in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from upath import UPath

from pipeline.listings.diff import COLUMNS, SENT, VALUES, VERDICTS, diff, settle
from pipeline.listings.fence import hold_older
from pipeline.listings.guards import GUARDED, guard, removals
from pipeline.listings.messages import Messages
from pipeline.listings.plan_files import DETAILS, EFFECTS, EVERYTHING, Plan, Scope, plan_folder, publish
from pipeline.listings.refused import hold_refused
from pipeline.listings.schema import CHANGES, LISTINGS, PRICES
from pipeline.listings.urgent import URGENT, urgent
from pipeline.marketplaces.base import MESSAGES, Marketplace
from pipeline.model.errors import PipelineError
from pipeline.model.listing import Account, Site
from pipeline.platform.tables import BATCH_VARIANTS, StagedTable, Table, TableWriter, empty_frame, stage, to_arrow
from pipeline.stores.export_settings import ExportSettings

_TEXT = pd.StringDtype("pyarrow")
_WORDS = (*SENT, *VERDICTS)


@dataclass(frozen=True)
class PlanResult:
    """The plan, and the staged table CHANGES with one row a listing (and a live SKU that left)."""

    plan: Plan
    changes: StagedTable


def plan_changes(
    listings: Table,
    state: pa.Table,
    *,
    marketplace: Marketplace,
    site: Site,
    account: Account,
    settings: ExportSettings,
    base_version: int,
    now: datetime,
    folder: Path,
    root: Path | UPath,
    scope: Scope = EVERYTHING,
    approved: pd.DataFrame | None = None,
    removed_lately: int = 0,
    refused: pa.Table | None = None,
    holds: Mapping[str, str] | None = None,
    rejected: pa.Table | None = None,
    transport: str = "file",
) -> PlanResult:
    """Compare `listings` with `state` (schema diff.STATE), and write the plan below `root` (storage) through `folder` (scratch).

    `approved` (columns of guards.GUARDED) are held changes that were approved in the last 24 hours, `removed_lately` the
    removals of that time that were not; `refused` and `rejected` (schema refused.REFUSED) are what the marketplace and an
    operator refused, which is not said again; `holds` are SKUs that are not created, with the reason (`account.read_holds`).
    `now` only tells whose grace period is over. A message that the marketplace would
    refuse blocks a new listing, and holds that change of a live one.
    Raises PipelineError when the scope names a product that is neither listed nor live.
    """
    approved = empty_frame(GUARDED) if approved is None else approved
    import_id = listings.metadata.get("import_id", "")
    batches = [listings.arrow_batch(index, COLUMNS) for index in range(listings.batches)]
    starts = [0, *np.cumsum([len(batch) for batch in batches]).tolist()]
    rows = pa.concat_tables(batches or [LISTINGS.empty_table()])
    _check_scope(scope, rows, state, site)

    frame = diff(
        rows,
        state,
        product_ids=scope.product_ids,
        settings=settings,
        now=now,
        family_is_one_listing=marketplace.family_is_one_listing,
        holds=holds,
    )
    if refused is not None:
        hold_refused(frame, refused)
    if rejected is not None:
        hold_refused(frame, rejected, "An operator")
    hold_older(frame, import_id)
    guarded = guard(frame, approved, removed_lately)
    frame = settle(frame).assign(refused=False)

    said = _Digest()
    messages = Messages(marketplace, site, replace(account, generation=base_version), frame)
    with TableWriter(folder, "messages", MESSAGES, {}) as writer, TableWriter(folder, "described", LISTINGS, {}) as described:
        for index, (start, end) in enumerate(pairwise(starts)):
            if messages.changes(start, end):
                full = listings.arrow_batch(index)
                for found in messages.of_batch(full, start):
                    _write(writer, found, said)
                described.write(_described(full, frame.iloc[start:end]))
        _write(writer, messages.of_gone(), said)
    frame = settle(frame)

    at_once = urgent(frame, marketplace, settings, transport)
    parts = {"effects": (_effects(frame), EFFECTS), "guarded": (guarded, GUARDED), "urgent": (at_once, URGENT)}
    counts = {**_counts(frame), "messages": dict(sorted(messages.counts.items())), "removals": removals(frame, approved)}
    counts |= {"guarded": len(guarded), "urgent": len(at_once)}
    identity = [
        transport,
        asdict(site),
        asdict(account),
        base_version,
        scope.dry_run,
        sorted(scope.product_ids),
        counts,
        said.parts(),
    ]
    digest = blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS, default=dict), digest_size=6)
    for part in parts.values():
        digest.update(_csv(part))
    export_id = f"{base_version:06d}-{digest.hexdigest()}"
    plan = Plan(
        export_id=export_id,
        store=account.store,
        site=site.key,
        transport=transport,
        import_id=import_id,
        base_version=base_version,
        dry_run=scope.dry_run,
        requires_approval=settings.require_approval and writer.rows > 0,
        product_ids=tuple(sorted(scope.product_ids)),
        counts=counts,
        recipe=listings.metadata.get("version", ""),
        approvals=tuple(guarded["reason"].drop_duplicates().tolist()),
        folder=plan_folder(root, account.store, site.key, export_id),
    )
    parts["changes"] = (_details(frame), DETAILS)
    staged = {name: stage(folder, name, part, schema, {}).path for name, (part, schema) in parts.items()}
    publish(plan, {"messages": writer.staged.path, "listings": described.staged.path, **staged})
    return PlanResult(plan, _stage_changes(folder, frame, {"import_id": import_id, "export_id": export_id}))


def _check_scope(scope: Scope, rows: pa.Table, state: pa.Table, site: Site) -> None:
    known = pa.concat_arrays([column.combine_chunks() for column in (rows["product_id"], state["product_id"])])
    wanted = pa.array(sorted(scope.product_ids), pa.string())
    unknown = wanted.filter(pc.invert(pc.is_in(wanted, value_set=known))).to_pylist()
    if unknown:
        raise PipelineError(
            f"product {', '.join(unknown[:5])} is neither listed nor live on {site.key}; "
            "check the id, and that the product is active and in the connection's assortment"
        )


class _Digest:
    """Of messages, whatever pieces they come in: feed by feed and column by column."""

    def __init__(self) -> None:
        self._parts: defaultdict[tuple[str, str], blake2b] = defaultdict(lambda: blake2b(digest_size=16))

    def update(self, messages: pa.Table) -> None:
        for feed in pc.unique(messages["feed"]).to_pylist():
            of_feed = messages.filter(pc.equal(messages["feed"], feed))
            for name in ("sku", "operation", "payload"):
                values = of_feed[name].combine_chunks().cast(pa.binary())
                whole = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
                self._parts[feed, name].update(pc.binary_join(whole, b"")[0].as_buffer())
                self._parts[feed, f"{name} lengths"].update(pc.binary_length(values).to_numpy(zero_copy_only=False))

    def parts(self) -> list[tuple[str, str, str]]:
        return sorted((*key, part.hexdigest()) for key, part in self._parts.items())


def _write(writer: TableWriter, messages: pa.Table, digest: _Digest) -> None:
    if len(messages):
        writer.write(messages)
        digest.update(messages)


def _described(full: pa.Table, part: pd.DataFrame) -> pa.Table:
    """The products of which content or pictures are said; `part` are their rows of the frame."""
    said = part.loc[part["do_create"] | part["do_update"] | part["do_images"], "product_id"]
    return full.filter(pc.is_in(full["product_id"], value_set=pa.array(said.drop_duplicates(), pa.string())))


def _details(frame: pd.DataFrame) -> pd.DataFrame:
    """DETAILS of all that an operator may want to see before it happens."""
    codes = _codes(frame)
    shown = (codes != 0) & (codes != 1 << _WORDS.index("out_of_scope"))
    words = pd.arrays.ArrowExtensionArray(_words(codes[shown]))
    return pd.DataFrame(frame[shown].assign(changes=words)[DETAILS.names])


def _effects(frame: pd.DataFrame) -> pd.DataFrame:
    """What a commit records: new values of what is sent, who left, who is gone."""
    left = frame["status"].eq("left")
    sent = frame[[f"do_{kind}" for kind in ("create", "update", "price", "quantity", "images")]].any(axis=1)
    op = pd.Series(pd.NA, index=frame.index, dtype=_TEXT)
    op[(sent & ~left) | frame["touch"]] = "set"
    op[frame["leave"] | (left & frame["do_quantity"])] = "leave"
    op[frame["do_delete"]] = "delete"
    chosen = frame.assign(op=op, sent=_sent(frame))[op.notna()]
    after = {value: chosen[f"{value}_after"] for value in VALUES}
    return pd.DataFrame(chosen.assign(**after)[EFFECTS.names])


def _sent(frame: pd.DataFrame) -> pd.Series:
    codes = _codes(frame) & ((1 << len(SENT)) - 1)
    distinct, place = np.unique(codes, return_inverse=True)
    words = [",".join(word for bit, word in enumerate(SENT) if code >> bit & 1) for code in distinct.tolist()]
    return pd.Series(pd.array(words, dtype=_TEXT).take(place), index=frame.index)


def _counts(frame: pd.DataFrame) -> dict[str, Any]:
    """The counts of the summary; ready and blocked add up to listings, and one listing may have several changes."""
    listed = frame["status"].ne("left")
    blocked = listed & (frame["status"].eq("blocked") | frame["refused"])
    changes = {kind: int(frame[f"do_{kind}"].sum()) for kind in SENT}
    return {
        "listings": int(listed.sum()),
        "ready": int((listed & ~blocked).sum()),
        "blocked": int(blocked.sum()),
        "held": int(frame["do_hold"].sum()),
        "out_of_scope": int(frame["do_out_of_scope"].sum()),
        "changes": {**changes, "unchanged": int((_codes(frame) == 0).sum())},
    }


def _codes(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    flags = frame[[f"do_{kind}" for kind in _WORDS]].to_numpy("bool")
    codes: npt.NDArray[np.int64] = flags @ (1 << np.arange(len(_WORDS)))
    return codes


def _stage_changes(folder: Path, frame: pd.DataFrame, metadata: Mapping[str, str]) -> StagedTable:
    changes = _words(_codes(frame))
    with TableWriter(folder, "listing_changes", CHANGES, metadata) as writer:
        for start in range(0, len(frame), BATCH_VARIANTS):
            part = frame.iloc[start : start + BATCH_VARIANTS]
            named = {name: part[name] for name in ("sku", "product_id", "role", "reason", "price_before", "quantity_before")}
            after = {f"{name}_after": part[f"{name}_after"] for name in (*PRICES, "quantity")}
            hashes = {name: part[f"{name}_after"] for name in ("content_hash", "images_hash")}
            kinds = pd.arrays.ArrowExtensionArray(changes.slice(start, len(part)))
            writer.write(pd.DataFrame({**named, **after, **hashes}).assign(changes=kinds))
    return writer.staged


def _words(codes: npt.NDArray[np.int64]) -> pa.Array:
    """The words of each row's changes."""
    distinct, place = np.unique(codes, return_inverse=True)
    words = [[word for bit, word in enumerate(_WORDS) if code >> bit & 1] or ["unchanged"] for code in distinct.tolist()]
    return pa.array(words, CHANGES.field("changes").type).take(pa.array(place))


def _csv(part: tuple[pd.DataFrame, pa.Schema]) -> bytes:
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(to_arrow(*part), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
