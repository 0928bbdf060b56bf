"""Files of a store in the storage: which there are, and removing them. The rows are `stores.remove_store`'s.

A store's own folders are `<kind>/<store>/`; its tables are `tables/<asset>/<store>.parquet` and
`tables/<asset>/<site>/<store>.parquet`, as the IO manager writes them.
"""

from __future__ import annotations

from pipeline.settings import Settings
from pipeline.stores.stores import is_store_key

FOLDERS = ("raw", "plans", "feeds", "reports")


def remove_files(settings: Settings, key: str) -> dict[str, int]:
    """Delete all files of the store. Returns their number by kind, only kinds that had some."""
    import fsspec

    if not is_store_key(key):
        raise ValueError(f"not a store key: {key!r}")
    filesystem, root = fsspec.core.url_to_fs(settings.storage_uri)
    removed = {}
    for kind in FOLDERS:
        folder = f"{root}/{kind}/{key}"
        if filesystem.exists(folder):
            removed[kind] = len(filesystem.find(folder))
            filesystem.rm(folder, recursive=True)
    tables = f"{root}/tables"
    name = f"{key}.parquet"
    # Asset, then perhaps a site, then the store: deeper, or a folder of that name, is not this store's.
    found = [
        path for path in (filesystem.find(tables, maxdepth=3) if filesystem.exists(tables) else []) if path.split("/")[-1] == name
    ]
    for path in found:
        filesystem.rm_file(path)
    removed["tables"] = len(found)
    return {kind: count for kind, count in removed.items() if count}
