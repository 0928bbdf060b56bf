"""Which prices and quantities of a plan are said one SKU at a time, at once, instead of in a feed that may take hours."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.marketplaces.base import Marketplace
from pipeline.marketplaces.live import LiveMarketplace
from pipeline.platform.tables import empty_frame
from pipeline.stores.export_settings import ExportSettings

#: One row a message, in the order in which they are said. `feed`: price | inventory.
URGENT = pa.schema([("sku", pa.string()), ("feed", pa.string())])


def urgent(frame: pd.DataFrame, marketplace: Marketplace, settings: ExportSettings, transport: str) -> pd.DataFrame:
    """URGENT rows of a settled frame of `diff.diff`: what sold out, always and first; the other new quantities and prices where
    at most `settings.urgent_skus` SKUs have any. None where nothing is sent, and of SKUs that only a feed can name."""
    if transport != "api" or not marketplace.sends or not settings.urgent_skus:
        return empty_frame(URGENT)
    changed = frame[frame["do_price"] | frame["do_quantity"]]
    if changed.empty:
        return empty_frame(URGENT)
    few = len(changed) <= settings.urgent_skus
    sayable = cast(LiveMarketplace, marketplace).sayable(pa.array(changed["sku"], pa.string()))
    changed = changed[np.asarray(sayable, dtype=bool)]
    sold_out = changed["do_quantity"] & changed["quantity_after"].eq(0).fillna(False)
    chosen = [(changed[sold_out], "inventory")]
    if few:
        chosen += [(changed[changed["do_quantity"] & ~sold_out], "inventory"), (changed[changed["do_price"]], "price")]
    return pd.concat([rows[["sku"]].assign(feed=feed) for rows, feed in chosen], ignore_index=True).astype(
        empty_frame(URGENT).dtypes.to_dict()
    )
