"""Guards: changes so large that a mistake is likelier than a decision are held until a person approves them.

Whatever the cause: a broken import, a wrong setting, an emptied collection.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

#: Most deletions plus zero-outs within the window, and most large price moves in one plan: a share of the live SKUs, or a number.
SHARE, LEAST = 0.20, 20
WINDOW_HOURS = 24

#: What a plan holds until it is approved. `value` is the price (of a sale with dates: the sale's) or quantity that it is to
#: become, null for a deletion.
GUARDED = pa.schema([("sku", pa.string()), ("change", pa.string()), ("value", pa.int64()), ("reason", pa.string())])

_KEY = ["sku", "change", "value"]
_NO_VALUE = -1


def limit(live: int) -> int:
    """How many SKUs of `live` ones may go or change their price much without approval."""
    return max(int(live * SHARE), LEAST)


def guard(frame: pd.DataFrame, approved: pd.DataFrame, removed_lately: int) -> pd.DataFrame:
    """Hold back, in place, what needs approval in a frame of `diff.diff`; returns what was held (columns of GUARDED).

    `approved` (columns of GUARDED, reason ignored) are changes that a person let pass: exactly that SKU and value.
    `removed_lately` counts the removals of the last 24 hours that nobody approved.
    """
    sellable = frame["role"].ne("parent")
    most = limit(int((frame["live"] & sellable).sum()))
    held = [*_prices(frame, approved, most), *_removals(frame, approved, removed_lately, most)]
    return pd.concat(held, ignore_index=True) if held else pd.DataFrame(columns=GUARDED.names)


def _prices(frame: pd.DataFrame, approved: pd.DataFrame, most: int) -> list[pd.DataFrame]:
    after = _paid(frame, "after")
    far = _far(frame["price_before"], frame["price_after"]) | _far(_paid(frame, "before"), after)
    far &= frame["do_price"] & ~_passes(frame, "price", after, approved)
    count = int(far.sum())
    if count > most:
        text = f"{count} prices move by more than half (at most {most} may without approval): all price changes wait."
        held = frame["do_price"] & ~_passes(frame, "price", after, approved)
    elif count:
        text, held = "The price moves by more than half of the last one sent.", far
    else:
        return []
    return [_hold(frame, held, "price", after, text)]


def _paid(frame: pd.DataFrame, when: str) -> pd.Series:
    """The lowest price that a buyer pays: in a sale with dates, also one that is to come."""
    return frame[f"sale_price_{when}"].fillna(frame[f"price_{when}"])


def _far(before: pd.Series, after: pd.Series) -> pd.Series:
    return (after - before).abs().gt(before // 2).fillna(False)


def _removals(frame: pd.DataFrame, approved: pd.DataFrame, lately: int, most: int) -> list[pd.DataFrame]:
    zero, delete = _unapproved_removals(frame, approved)
    count = _count(frame, zero, delete)
    if not count or count + lately <= most:
        return []
    text = (
        f"{count + lately} live SKUs would go to quantity 0 or be deleted within {WINDOW_HOURS} hours; "
        f"{most} may without approval."
    )
    frame["leave"] &= ~(zero & frame["status"].eq("left"))
    return [
        _hold(frame, zero, "quantity", frame["quantity_after"], text),
        _hold(frame, delete, "delete", _nothing(frame), text),
    ]


def removals(frame: pd.DataFrame, approved: pd.DataFrame) -> int:
    """Deletions and zero-outs that a frame does without approval: they count towards the limit of the next 24 hours."""
    return _count(frame, *_unapproved_removals(frame, approved))


def _unapproved_removals(frame: pd.DataFrame, approved: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    zero = frame["do_quantity"] & frame["quantity_after"].eq(0).fillna(False) & frame["quantity_before"].gt(0).fillna(False)
    zero &= ~_passes(frame, "quantity", frame["quantity_after"], approved)
    return zero, frame["do_delete"] & ~_passes(frame, "delete", _nothing(frame), approved)


def _count(frame: pd.DataFrame, zero: pd.Series, delete: pd.Series) -> int:
    return int((zero | (delete & frame["role"].ne("parent"))).sum())


def _nothing(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(pd.NA, index=frame.index, dtype="Int64")


def _passes(frame: pd.DataFrame, change: str, value: pd.Series, approved: pd.DataFrame) -> pd.Series:
    wanted = approved[approved["change"] == change]
    if wanted.empty:
        return pd.Series(False, index=frame.index)
    keys = pd.MultiIndex.from_arrays([wanted["sku"].astype(object), wanted["value"].fillna(_NO_VALUE).astype("int64")])
    ours = pd.MultiIndex.from_arrays([frame["sku"].astype(object), value.fillna(_NO_VALUE).astype("int64")])
    return pd.Series(ours.isin(keys), index=frame.index)


def _hold(frame: pd.DataFrame, mask: pd.Series, change: str, value: pd.Series, text: str) -> pd.DataFrame:
    held = frame.loc[mask, ["sku"]].assign(change=change, value=value[mask], reason=text)
    frame[f"do_{change}"] &= ~mask
    frame["do_hold"] |= mask
    frame["reason"] = frame["reason"].mask(mask, f"Waits for approval: {text}")
    return held
