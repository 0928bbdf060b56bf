"""Removing a store or a connection with everything that belongs to it. Files go first and rows last, so that a removal that
was interrupted can be run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import show_facts

if TYPE_CHECKING:
    from pipeline.cli.session import Session


def remove_store(current: Session, key: str) -> dict[str, Any]:
    """Remove the store; returns the numbers of rows and files that went, and the partitions."""
    from pipeline.operations.partitions import unregister
    from pipeline.operations.runs import refuse_while_running
    from pipeline.stores import connections, stores
    from pipeline.stores.files import remove_files

    with current.connect() as connection:
        refuse_while_running(current.instance, connection, key)
        unregister(current.instance, store_keys=[key])
        files = remove_files(current.settings, key)
        sites = connections.list_sites(connection, key)
        rows = stores.remove_store(connection, key)
        orphans = sorted(set(sites) - set(connections.connected_sites(connection)))
    unregister(current.instance, sites=orphans)
    return {"rows": rows, "files": files, "partitions": [key, *orphans]}


def remove_connection(current: Session, key: str, site: str) -> dict[str, Any]:
    """Remove the connection; returns the numbers of rows and files that went, and the partitions."""
    from pipeline.operations.partitions import unregister
    from pipeline.operations.runs import refuse_while_running
    from pipeline.stores import connections
    from pipeline.stores.files import remove_files

    with current.connect() as connection:
        refuse_while_running(current.instance, connection, key)
        files = remove_files(current.settings, key, site)
        rows = connections.remove(connection, key, site)
        orphans = [] if site in connections.connected_sites(connection) else [site]
    unregister(current.instance, sites=orphans)
    return {"rows": rows, "files": files, "partitions": orphans}


def show_removed(removed: Mapping[str, Any]) -> None:
    """What went, in numbers."""
    counts = {name: ", ".join(f"{count:,} {what}" for what, count in removed[name].items()) for name in ("rows", "files")}
    show_facts({**counts, "partitions": ", ".join(removed["partitions"])})
