"""The table behind each feed asset: which files were written, relative to the storage root; `via`: feed, or items where their
messages are said one by one."""

from __future__ import annotations

import pyarrow as pa

FEED_FILES = pa.schema(
    [("kind", pa.string()), ("path", pa.string()), ("messages", pa.int64()), ("bytes", pa.int64()), ("via", pa.string())]
)
