"""What a marketplace or a person refused is not said again by itself: the listing waits until its data or their mind changes."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipeline.listings.diff import among
from pipeline.listings.schema import PRICES
from pipeline.platform.tables import to_frame

#: What was refused of a SKU, with the values that were sent.
REFUSED = pa.schema(
    [
        ("sku", pa.string()),
        ("change", pa.string()),  # create | update | price | quantity | images | delete
        ("content_hash", pa.string()),
        ("images_hash", pa.string()),
        ("price", pa.int64()),
        ("list_price", pa.int64()),
        ("sale_price", pa.int64()),
        ("sale_start", pa.timestamp("us", "UTC")),
        ("sale_end", pa.timestamp("us", "UTC")),
        ("quantity", pa.int64()),
        ("reason", pa.string()),
    ]
)
#: The values that make two changes the same. Stock moves all the time and is rarely why a new listing is refused.
_SAME = {
    "create": ("content_hash", "images_hash", *PRICES), "update": ("content_hash",),
    "price": PRICES, "quantity": ("quantity",), "images": ("images_hash",), "delete": (),
}  # fmt: skip


def hold_refused(frame: pd.DataFrame, refused: pa.Table, by: str = "The marketplace") -> None:
    """Hold back, in place, the changes of a frame of `diff.diff` that equal a refused one (schema REFUSED); and new children
    of a parent that waits so. `by`: who refused it."""
    if not len(refused):
        return
    rows = to_frame(refused)
    for change, values in _SAME.items():
        said = rows[rows["change"] == change].drop_duplicates(["sku", *values], keep="last").set_index("sku")
        doing = frame[f"do_{change}"] & among(frame["sku"], said.index.to_series())
        if not doing.any():
            continue
        # A SKU may have been refused with several values.
        now = frame.loc[doing, ["sku", *values]].reset_index(names="row")
        same = now.merge(said.reset_index()[["sku", *values, "reason"]], on=["sku", *values])
        held = frame.index.isin(same["row"])
        reasons = same.drop_duplicates("row").set_index("row")["reason"]
        # An operator's own word stands for itself.
        own = reasons.str.startswith("cancelled by ")
        told = ("Not sent: " + reasons).where(own, f"{by} refused exactly this: " + reasons)
        frame[f"do_{change}"] &= ~held
        frame["do_hold"] |= held
        frame.loc[held, "reason"] = told.reindex(frame.index[held]).to_numpy()
        if change == "create":
            _hold_children(frame, frame.loc[held & frame["role"].eq("parent") & ~frame["live"], "sku"], by)


def _hold_children(frame: pd.DataFrame, parents: pd.Series, by: str) -> None:
    children = frame["do_create"] & frame["role"].eq("child") & among(frame["parent_sku"], parents)
    frame.loc[children, "do_create"] = False
    frame.loc[children, "do_hold"] = True
    frame.loc[children, "reason"] = f"{by} refused the parent listing of its family."
