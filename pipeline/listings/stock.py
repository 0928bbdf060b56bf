"""Stock of a variant: what the source says over all locations, and what is sent after buffer, maximum and policies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stores.export_settings import ExportSettings

#: A count beyond this is nonsense; the cap keeps sums over locations within 64 bits.
_MOST = 10**12


def stock_of(variant_ids: pa.ChunkedArray, inventory: pa.Table) -> pd.DataFrame:
    """Stock by variant, in the order of `variant_ids`, from rows of catalog.schema.INVENTORY (any order, other variants ignored).

    `available` (Int64) sums what is known over locations, negative stock counting as 0 (reference Q01); null when no
    location knows it, which is not 0. `tracked` is false when any location does not track, `oversell` true when any allows it.
    """
    size = len(variant_ids)
    position = pc.index_in(inventory["variant_id"], value_set=variant_ids.combine_chunks())
    ours = inventory.filter(pc.is_valid(position))
    rows = position.drop_null().to_numpy().astype(np.int64)
    known = ours["available"].is_valid().to_numpy()
    amounts = np.clip(ours["available"].fill_null(0).to_numpy(), 0, _MOST)

    available = np.zeros(size, dtype=np.int64)
    np.add.at(available, rows[known], amounts[known])
    unknown = np.ones(size, dtype=bool)
    unknown[rows[known]] = False
    tracked = np.ones(size, dtype=bool)
    tracked[rows[~ours["tracked"].fill_null(True).to_numpy()]] = False
    oversell = np.zeros(size, dtype=bool)
    oversell[rows[ours["oversell"].fill_null(False).to_numpy()]] = True
    return pd.DataFrame({"available": pd.arrays.IntegerArray(available, unknown), "tracked": tracked, "oversell": oversell})


def quantity_to_send(stock: pd.DataFrame, settings: ExportSettings) -> pd.Series:
    """The quantity to send (Int64) for rows of `stock_of`.

    Tracked stock is lowered by the buffer; untracked stock is `untracked_quantity`; stock that may be oversold is at least
    that. The maximum comes last and holds for all. Unknown stock is `unknown_quantity`; without that setting it gives null:
    the plan then keeps what was sent last and never raises it, and does not create the listing.
    """
    sent = (stock["available"] - settings.stock_buffer).clip(lower=0)
    sent = sent.mask(stock["oversell"], sent.fillna(0).clip(lower=settings.untracked_quantity))
    sent = sent.mask(~stock["tracked"], settings.untracked_quantity)
    if settings.unknown_quantity is not None:
        sent = sent.fillna(settings.unknown_quantity)
    return sent if settings.stock_maximum is None else sent.clip(upper=settings.stock_maximum)
