"""What is to be done with each listing: its row as it is now against the last values that the marketplace acknowledged.

Whole columns at once; no loop over rows. The guards that hold some of it back are in `guards`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.listings.schema import PRICES, SALE
from pipeline.platform.tables import to_frame
from pipeline.stores.export_settings import OWNED, ExportSettings

VERSIONS = ("price_version", "quantity_version")
#: What a live SKU is, or will be once everything that is on its way is acknowledged: `listing_state` under what was sent since.
STATE = pa.schema(
    [
        ("sku", pa.string()),
        ("product_id", pa.string()),
        ("role", pa.string()),
        ("parent_sku", pa.string()),
        ("content_hash", pa.string()),
        ("images_hash", pa.string()),
        ("price", pa.int64()),
        ("list_price", pa.int64()),
        ("sale_price", pa.int64()),
        ("sale_start", pa.timestamp("us", "UTC")),
        ("sale_end", pa.timestamp("us", "UTC")),
        ("quantity", pa.int64()),
        ("left_at", pa.timestamp("us", "UTC")),
        ("uncertain", pa.bool_()),  # what the marketplace holds is unknown: all of it is to be said again
        ("stock_elsewhere", pa.bool_()),  # the marketplace keeps and ships it
        ("price_version", pa.string()),  # the import that price, and quantity, were said from
        ("quantity_version", pa.string()),
    ]
)
#: What a commit records of a SKU.
RECORD = [field for field in STATE if field.name not in ("left_at", "uncertain", "stock_elsewhere", *VERSIONS)]
#: Columns of the listings that a diff looks at.
COLUMNS = [*(field.name for field in RECORD), "status", "reason"]
VALUES = (*PRICES, "quantity", "content_hash", "images_hash")
#: What is sent, one boolean column each; the other words of model.listing.Change are verdicts.
SENT = ("create", "update", "price", "quantity", "images", "delete")
VERDICTS = ("hold", "blocked", "out_of_scope")


def diff(
    listings: pa.Table,
    state: pa.Table,
    *,
    product_ids: Collection[str],
    settings: ExportSettings,
    now: datetime,
    family_is_one_listing: bool,
    holds: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row a listing, in their order, then the live SKUs that are no longer among them, sorted.

    `listings` has COLUMNS, `state` the columns of STATE; empty `product_ids` mean all products. Columns of the result: sku,
    product_id, role, parent_sku, status (ready | blocked | left), reason; `live`; booleans `do_<kind>` for SENT and
    VERDICTS, `leave` (a SKU that left: note since when), `touch` (only the record changes), `moving` and
    `for_children` (an update would be for new children alone); `<value>_before`,
    `_after` for VALUES, where "after" is what holds once everything that is to be done was done.
    A sale that is over counts as none, here and there: the marketplace has ended it by itself. VERSIONS are those of the state.
    A live SKU whose family is another now is `moving` where a family is one listing: it ends there, and the next plan
    creates it here. `holds` gives by SKU why it is not created. Of a live SKU only what the settings own is said.
    """
    frame = _side_by_side(listings, state)
    _forget_sales_over(frame, now)
    inside = among(frame["product_id"], product_ids) if product_ids else pd.Series(True, index=frame.index)
    live, left = frame["live"], frame["status"].eq("left")
    ready = inside & frame["status"].eq("ready")
    parent, child = frame["role"].eq("parent"), frame["role"].eq("child")
    quantity, quantity_before = frame["quantity"], frame["quantity_before"]
    known = quantity.notna()
    since = frame.pop("left_at")

    do = {kind: pd.Series(False, index=frame.index) for kind in (*SENT, *VERDICTS)}
    reason = frame["reason"].where(frame["status"].eq("blocked") & inside)

    moved = frame["moved"] | ~frame["product_id"].eq(frame["product_id_before"]).fillna(False)
    moving = inside & live & ~left & frame["moved"] & family_is_one_listing

    # Not live yet: create, unless there is nothing to sell. One of which nobody knows what it is, is said as a whole too.
    owned = _owned(frame, settings, family_is_one_listing)
    unread = ready & live & frame["uncertain"] & ~moving & ~np.logical_and.reduce(list(owned.values()))
    do["create"] = ready & (~live | frame["uncertain"]) & ~moving & ~unread
    # Where a family is one listing, a new child comes with a message about all of it.
    standing = frame["sku"].where(live & parent & ~left & ~moving & ~owned["content"])
    joins = do["create"] & ~live & child & among(frame["parent_sku"], standing) & family_is_one_listing
    do["create"] &= ~joins
    held_back = do["create"] & ~live & (among(frame["sku"], holds or ()) | (child & among(frame["parent_sku"], holds or ())))
    do["create"] &= ~held_back
    no_stock = do["create"] & ~parent & ~known
    out_of_stock = do["create"] & ~live & ~parent & (quantity.eq(0).fillna(False) & (not settings.include_out_of_stock))
    do["create"] &= ~no_stock & ~out_of_stock
    staying = do["create"] | (live & ~left & ~moving)
    childless = do["create"] & parent & ~among(frame["sku"], frame.loc[staying & child, "parent_sku"])
    do["create"] &= ~childless
    for mask, text in (
        (no_stock, "Its stock is unknown: it is listed as soon as an import says how many there are (or with unknown_quantity)."),
        (out_of_stock, "Out of stock: it is listed as soon as it is in stock (or with include_out_of_stock)."),
        (childless, "None of its variants is in stock."),
        (
            joins,
            "It joins a listing whose message says prices and stock of all its variants, and those are not ours: add it by hand.",
        ),
        (unread, "What the marketplace holds of it is unknown, and not all of it is ours to say: the next export reads it back."),
    ):
        reason = reason.mask(mask, text)
        do["hold"] |= mask
    if held_back.any():
        reason = reason.mask(held_back, _why_held(frame, holds or {}))
        do["hold"] |= held_back

    # Live and ready: each kind by itself. Unknown stock keeps what was sent last.
    same = ready & live & ~moving & ~frame["uncertain"]
    joined = among(frame["sku"], frame.loc[do["create"] & child, "parent_sku"])
    changed = differs(frame, "content_hash")
    do["update"] = same & (changed | joined) & owned["content"]
    do["images"] = same & differs(frame, "images_hash") & owned["images"]
    do["price"] = same & frame["price"].notna() & _any(differs(frame, value) for value in PRICES) & owned["price"]
    do["quantity"] = same & known & differs(frame, "quantity") & owned["quantity"]

    # Blocked: a live one is held as it is, only its quantity may fall.
    do["hold"] |= inside & live & frame["status"].eq("blocked")
    do["blocked"] = inside & ~live & frame["status"].eq("blocked")
    do["quantity"] |= (
        inside & live & frame["status"].eq("blocked") & known & quantity.lt(quantity_before).fillna(False) & owned["quantity"]
    )

    # Gone: quantity 0 first, deleted after the grace period; a parent not before its children. To end a listing is to say what
    # it is and how many there are, so both must be ours.
    gone = inside & left
    leave = gone & since.isna()
    may_end = owned["content"] & owned["quantity"]
    frame["quantity"] = quantity.mask(gone & ~parent & owned["quantity"], 0)
    due = gone & (since <= now - timedelta(days=settings.delete_after_days)).fillna(False) & may_end
    do["quantity"] |= gone & ~due & ~parent & quantity_before.gt(0).fillna(False) & owned["quantity"]
    do["delete"] = (ready & moving & may_end) | due & ~(
        parent & among(frame["sku"], frame.loc[live & ~due & child, "parent_sku"])
    )
    foreign = (gone & ~parent | ready & moving) & ~may_end
    do["hold"] |= foreign
    do["out_of_scope"] = ~inside
    reason = reason.mask(
        gone & ~do["delete"] & ~foreign, "It left the assortment: quantity 0 now, deleted after the grace period."
    )
    reason = reason.mask(due & do["delete"], "It left the assortment and the grace period is over.")
    reason = reason.mask(ready & moving, "It belongs to another family now: it ends there, and the next export lists it anew.")
    reason = reason.mask(
        foreign, "It left the assortment, but its stock or its content is not ours to change: end it on the marketplace by hand."
    )
    reason = reason.mask(foreign & ready, "It belongs to another family now, but is not ours to end: end it by hand.")

    touch = inside & live & ~left & (since.notna() | (ready & moved)) & ~moving
    frame = frame.assign(
        reason=reason,
        leave=leave,
        touch=touch,
        moving=moving,
        for_children=~changed,
        **{f"do_{kind}": mask for kind, mask in do.items()},
    )
    return settle(frame)


def _owned(frame: pd.DataFrame, settings: ExportSettings, family_is_one_listing: bool) -> dict[str, pd.Series]:
    """By kind, whether this connection may say it of a live SKU. Where a family is one listing, its content comes with the
    prices and quantities of all variants."""
    owned: dict[str, pd.Series] = {kind: pd.Series(kind in settings.owns, index=frame.index) for kind in OWNED}
    owned["quantity"] &= ~frame["stock_elsewhere"]
    if family_is_one_listing and not {"price", "quantity"} <= set(settings.owns):
        owned["content"] &= frame["role"].eq("single") & frame["role_before"].fillna("single").eq("single")
    return owned


def _why_held(frame: pd.DataFrame, holds: Mapping[str, str]) -> pd.Series:
    kind = frame["reason"].dtype
    own, of_parent = (frame[name].map(dict(holds)).astype(kind) for name in ("sku", "parent_sku"))
    return own.fillna("The parent listing of its family is held: " + of_parent)


def settle(frame: pd.DataFrame) -> pd.DataFrame:
    """Set `<value>_after` of every row from what is still to be done; call again after something was held back.

    A parent that is said again only for new children is left alone when none of them is created after all."""
    new = frame["do_create"]
    gains = among(frame["sku"], frame.loc[new & frame["role"].eq("child"), "parent_sku"])
    frame["do_update"] &= ~frame["for_children"] | gains
    for value, mask in (
        *((value, new | frame["do_price"]) for value in PRICES),
        ("quantity", new | frame["do_quantity"]),
        ("content_hash", new | frame["do_update"]),
        ("images_hash", new | frame["do_images"]),
    ):
        before = frame[f"{value}_before"]
        frame[f"{value}_after"] = frame[value].where(mask, before) if mask.any() else before
    return frame


def _forget_sales_over(frame: pd.DataFrame, now: datetime) -> None:
    for suffix in ("", "_before"):
        over = (frame[f"sale_end{suffix}"] <= pd.Timestamp(now)).fillna(False).astype(bool)
        if over.any():
            for value in SALE:
                frame[f"{value}{suffix}"] = frame[f"{value}{suffix}"].mask(over)


def _any(masks: Iterable[pd.Series]) -> pd.Series:
    return reduce(operator.or_, masks)


def among(values: pd.Series, others: Collection[str] | pd.Series) -> pd.Series:
    """`isin` of text, within Arrow; null is in nothing."""
    wanted = others.dropna() if isinstance(others, pd.Series) else list(others)
    found = pc.is_in(pa.array(values, pa.string(), from_pandas=True), value_set=pa.array(wanted, pa.string()))
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index)


def _side_by_side(listings: pa.Table, state: pa.Table) -> pd.DataFrame:
    position = pc.index_in(listings["sku"], value_set=state["sku"].combine_chunks())
    before = state.take(position)
    gone = state.filter(pc.invert(pc.is_in(state["sku"], value_set=listings["sku"].combine_chunks()))).sort_by("sku")
    unsaid = {"status": pa.repeat("left", len(gone)), "reason": pa.nulls(len(gone), pa.string())}
    now = pa.concat_tables(
        [
            listings.select(COLUMNS),
            pa.table({name: unsaid.get(name, gone[name] if name in gone.column_names else None) for name in COLUMNS}),
        ]
    )
    before = pa.concat_tables([before, gone]).select([*STATE.names[1:]])
    frame = to_frame(now)
    old = to_frame(before)
    moved = [pc.not_equal(now[name].fill_null(""), before[name].fill_null("")) for name in ("role", "parent_sku")]
    frame["live"] = np.concatenate([position.is_valid().to_numpy(), np.ones(len(gone), dtype=bool)])
    frame["moved"] = np.logical_or.reduce([mask.to_numpy() for mask in moved])
    for name in ("product_id", "role", "parent_sku"):
        frame[f"{name}_before"] = old[name]
    frame["left_at"] = before["left_at"].to_pandas()
    for name in ("uncertain", "stock_elsewhere"):
        frame[name] = before[name].fill_null(False).to_numpy()
    for value in VALUES:
        frame[f"{value}_before"] = old[value]
    for version in VERSIONS:
        frame[version] = old[version]
    return frame


def differs(frame: pd.DataFrame, value: str) -> pd.Series:
    """Where a value is not what it was; null equals null."""
    new, old = frame[value], frame[f"{value}_before"]
    return (new.ne(old).fillna(False) | (new.isna() ^ old.isna())).astype(bool)
