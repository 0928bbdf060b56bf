"""The table of `feed_submissions`: one row a feed file that was handed over."""

from __future__ import annotations

import pyarrow as pa

from pipeline.feeds.schema import FEED_FILES

SUBMISSIONS = pa.schema([("export_id", pa.string()), *FEED_FILES, ("transport", pa.string()), ("status", pa.string())])
