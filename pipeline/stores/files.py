"""Files of a store in the storage: which there are, and removing them. The rows are `stores.remove_store`'s.

A store's own folders are `<kind>/<store>/`; its tables are `tables/<asset>/<store>.parquet` and
`tables/<asset>/<site>/<store>.parquet`, as the IO manager writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.errors import PipelineError
from pipeline.settings import Settings
from pipeline.stores.stores import is_store_key

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: What a store has folders of, and those whose next level are its sites.
FOLDERS = ("raw", "plans", "feeds", "reports", "labels", "inbox", "inbox/.taken", "inbox/.failed")
SITE_FOLDERS = ("plans", "feeds")


def remove_files(settings: Settings, key: str, site: str | None = None) -> dict[str, int]:
    """Delete all files of the store, or only those of one connection. Returns their number by kind, only kinds that had some.

    Raises PipelineError when the storage refuses; running it again goes on."""
    import fsspec

    for name in (key, site or key):
        if not is_store_key(name):
            raise ValueError(f"cannot be part of a path: {name!r}")
    removed: dict[str, int] = {}
    for uri in sorted({settings.storage_uri, str(settings.data_dir)}):  # raw copies are always in the data directory
        filesystem, root = fsspec.core.url_to_fs(uri)
        try:
            for kind, count in _remove_below(filesystem, root, key, site).items():
                removed[kind] = removed.get(kind, 0) + count
        except OSError as error:
            reason = error.strerror or str(error)
            raise PipelineError(f"files of {key} below {uri} cannot be removed: {reason}; mend that and run it again") from None
    return {kind: count for kind, count in removed.items() if count}


def _remove_below(filesystem: AbstractFileSystem, root: str, key: str, site: str | None) -> dict[str, int]:
    removed = {}
    for kind in FOLDERS if site is None else SITE_FOLDERS:
        folder = "/".join([root, kind, key, *([site] if site else [])])
        if filesystem.exists(folder):
            removed[kind] = len(filesystem.find(folder))
            filesystem.rm(folder, recursive=True)
    tables = f"{root}/tables"
    # Below it are the asset, perhaps a site, then the store's file.
    found = [path.split("/") for path in filesystem.find(tables, maxdepth=3)] if filesystem.exists(tables) else []
    mine = ["/".join(path) for path in found if path[-1] == f"{key}.parquet" and (site is None or path[-2] == site)]
    for path in mine:
        filesystem.rm_file(path)
    return {**removed, "tables": len(mine)}
