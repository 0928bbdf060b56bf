"""Nothing older than what was said is ever said: prices and quantities have the version of what they were read from.

That is the id of their import, which sorts by when its reading began. A slow export may plan from an import that is older
than what another one has sent meanwhile.
"""

from __future__ import annotations

import pandas as pd

_TEXT = "What is known of it here is older (import {}) than what was sent: the next import says more."


def hold_older(frame: pd.DataFrame, source_version: str) -> None:
    """Hold back, in place, what a frame of `diff.diff` changes but was read before what the marketplace has, or is being told."""
    if not source_version:
        return
    older = {kind: (frame[f"{kind}_version"] > source_version).fillna(False) for kind in ("price", "quantity")}
    if not any(mask.any() for mask in older.values()):
        return
    either = older["price"] | older["quantity"]
    for kind, mask in {**older, "create": either, "delete": either}.items():
        held = frame[f"do_{kind}"] & mask
        frame[f"do_{kind}"] &= ~held
        frame["do_hold"] |= held
        frame["reason"] = frame["reason"].mask(held, _TEXT.format(source_version))
    frame["leave"] &= ~older["quantity"]
