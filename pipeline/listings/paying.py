"""Who pays for what a model is asked in a run of a connection."""

from __future__ import annotations

from typing import Any

import psycopg

from pipeline.language.asking.ledger import Account, read_budgets
from pipeline.listings.cell import Cell

EXPORT_JOB = "export_listings"


def payer(connection: psycopg.Connection[Any], cell: Cell, run_id: str, job: str) -> Account:
    """The store, within its budgets. What an export asks in a batch makes it go on when that is answered."""
    site = cell.site.key if job == EXPORT_JOB else None
    return Account(cell.store.id, cell.store.key, run_id, read_budgets(connection, cell.store.id), site)
