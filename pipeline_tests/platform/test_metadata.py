"""What is stored of a materialization can be read by the UI."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd

from pipeline.platform import metadata as meta


def test_cells_without_a_value_are_empty() -> None:
    found = meta.table(pd.DataFrame({"number": [1.5, np.nan, np.inf], "text": pd.array(["a", pd.NA, None], "string")}))
    assert isinstance(found, dg.TableMetadataValue)
    assert [dict(record.data) for record in found.records] == [
        {"number": 1.5, "text": "a"}, {"number": "", "text": ""}, {"number": "", "text": ""},
    ]  # fmt: skip
