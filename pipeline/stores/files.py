"""Files of a store in the storage: which there are, and removing them. The rows are `stores.remove_store`'s.

A store's own folders are `<kind>/<store>/`; its tables are `tables/<asset>/<store>.parquet` and
`tables/<asset>/<site>/<store>.parquet`, as the IO manager writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.settings import Settings
from pipeline.stores.stores import is_store_key

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: What a store has folders of, and those whose next level are its sites.
FOLDERS = ("raw", "plans", "feeds", "reports")
SITE_FOLDERS = ("plans", "feeds")


def remove_files(settings: Settings, key: str, site: str | None = None) -> dict[str, int]:
    """Delete all files of the store, or only those of one connection. Returns their number by kind, only kinds that had some."""
    import fsspec

    for name in (key, site or key):
        if not is_store_key(name):
            raise ValueError(f"cannot be part of a path: {name!r}")
    filesystem, root = fsspec.core.url_to_fs(settings.storage_uri)
    removed = {}
    for kind in FOLDERS if site is None else SITE_FOLDERS:
        folder = "/".join([root, kind, key, *([site] if site else [])])
        if filesystem.exists(folder):
            removed[kind] = len(filesystem.find(folder))
            filesystem.rm(folder, recursive=True)
    found = [path for path in _tables(filesystem, f"{root}/tables") if _is_of(path.split("/"), key, site)]
    for path in found:
        filesystem.rm_file(path)
    removed["tables"] = len(found)
    return {kind: count for kind, count in removed.items() if count}


def _tables(filesystem: AbstractFileSystem, folder: str) -> list[str]:
    """All tables: below the folder are the asset, perhaps a site, then the store's file."""
    return list(filesystem.find(folder, maxdepth=3)) if filesystem.exists(folder) else []


def _is_of(path: list[str], key: str, site: str | None) -> bool:
    return path[-1] == f"{key}.parquet" and (site is None or path[-2] == site)
