"""Imports and exports one after the other in this process, as the command line does them; the daemon does the same by sensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.operations.launch import CHAINED_BY, Outcome, run_job
from pipeline.partitions import cell as cell_key

if TYPE_CHECKING:
    import dagster as dg

IMPORT_JOB = {None: "import_all", "products": "import_products", "collections": "import_collections"}

#: Told before and after each run: (what, None) and (what, outcome).
Told = Callable[[str, "Outcome | None"], None]


def import_store(
    instance: dg.DagsterInstance, store: str, told: Told, *, only: str | None = None, chained: bool = False
) -> Outcome:
    """One import job. `chained`: the caller exports itself, so the daemon's sensor must not."""
    tags = {"store": store, **({CHAINED_BY: "command line"} if chained else {})}
    return _told(told, f"import {store}", lambda: run_job(instance, IMPORT_JOB[only], store, tags=tags))


def export_store(
    instance: dg.DagsterInstance, store: str, sites: Sequence[str], told: Told, *, options: Mapping[str, Any] | None = None
) -> list[Outcome]:
    """One export run a site, one after the other; a failed one does not stop the others."""
    return [
        _told(
            told,
            f"export {store} to {site}",
            lambda site=site: run_job(  # type: ignore[misc]
                instance, "export_listings", cell_key(store, site), tags={"store": store, "marketplace": site}, options=options
            ),
        )
        for site in sites
    ]


def _told(told: Told, what: str, work: Callable[[], Outcome]) -> Outcome:
    told(what, None)
    outcome = work()
    told(what, outcome)
    return outcome
