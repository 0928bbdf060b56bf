"""Taking back what was mended by itself: for the command line, and as a job in the UI."""

from typing import Any

import dagster as dg
import psycopg

from pipeline.listings.cell import Cell, find_cell
from pipeline.model.errors import UsageError
from pipeline.platform.resources import Workspace, expected_failures


def cell_of(connection: psycopg.Connection[Any], store: str, site: str) -> Cell:
    """The cell; raises UsageError when the store is not connected to this site."""
    cell = find_cell(connection, store, site)
    if cell is None:
        raise UsageError(f"{store} is not connected to {site}; connect it with: pipeline connect {store} {site}")
    return cell


def withdraw(connection: psycopg.Connection[Any], store: str, site: str, sku: str, who: str, why: str) -> list[str]:
    """As `repairing.withdraw`."""
    from pipeline.submissions import repairing

    return repairing.withdraw(connection, cell_of(connection, store, site).lane, sku, who, why)


class Withdrawal(dg.Config):
    """Whose fixes are taken back, and on whose word."""

    store: str
    marketplace: str
    sku: str
    who: str
    why: str = ""


@dg.op(description="Take back what was done by itself about one SKU: its own values are sent by the next export.")
def withdraw_repairs(context: dg.OpExecutionContext, config: Withdrawal, workspace: Workspace) -> None:
    with expected_failures(), workspace.connect() as connection:
        fields = withdraw(connection, config.store, config.marketplace, config.sku, config.who, config.why)
    context.add_output_metadata({"fields": ", ".join(fields) or "none", "who": config.who, "why": config.why or "not said"})


@dg.job(description="Take back what was mended by itself of one refused SKU.", executor_def=dg.in_process_executor)
def withdraw_repair() -> None:
    withdraw_repairs()
