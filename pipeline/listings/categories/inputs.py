"""What the categories of a connection are made from beside the catalog: settings, decisions, file, suggestions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from pipeline.listings.categories.decisions import read_decisions
from pipeline.listings.categories.propose import Proposer, given_version
from pipeline.listings.categories.ranker import ranker_of
from pipeline.listings.categories.suggestions import read_suggestions
from pipeline.listings.categories.taxonomy import Taxonomy, read_taxonomy
from pipeline.listings.cell import Cell
from pipeline.model.errors import UsageError
from pipeline.stores.export_settings import ExportSettings


def category_file(settings: ExportSettings) -> Taxonomy | None:
    """The marketplace's categories where an operator named a file of them. Raises UsageError where it is not there, BadInputError
    when it cannot be used."""
    path = _category_path(settings)
    return read_taxonomy(path) if path is not None else None


def require_category_file(cell: Cell) -> None:
    """Before a run that will read it: raises UsageError for a file that is gone."""
    path = _category_path(cell.connection.export_settings)
    if path is not None and not path.is_file():
        another = f"pipeline connection set {cell.store.key} {cell.site.key} category_file=FILE"
        raise UsageError(f"the category file {path} is not there (any more); put it back, or name another: {another}")


def _category_path(settings: ExportSettings) -> Path | None:
    if settings.category_file is None:
        return None
    path = Path(settings.category_file)
    if not path.is_absolute():  # each command and the daemon would look for it somewhere else
        raise UsageError(f"the category file {path} is not named by its whole path; set the connection's category_file again")
    return path


def proposer_of(connection: psycopg.Connection[Any], cell: Cell, data_dir: Path) -> Proposer:
    """For one connection."""
    settings = cell.connection.export_settings
    return Proposer(
        store=cell.store.key,
        site=cell.site.key,
        settings=settings,
        decisions=read_decisions(connection, cell.store.id, cell.site.key),
        file=category_file(settings),
        suggested=read_suggestions(connection, cell.site.key),
        ranker=ranker_of(cell.store, data_dir),
    )


def given_now(connection: psycopg.Connection[Any], cell: Cell) -> str:
    """The version of what operators gave, to compare with that of a table of categories."""
    settings = cell.connection.export_settings
    return given_version(settings, read_decisions(connection, cell.store.id, cell.site.key), category_file(settings))
