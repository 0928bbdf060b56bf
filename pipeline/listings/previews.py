"""A dry run's second opinion: the marketplace validates what the plan would create or change, and stores nothing.

One listing a second: `preview_skus` bounds a run, and what was validated is kept, so the next dry run goes on with others. A
message that changed since is validated again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.json import Jsonb

from pipeline.listings.cell import Cell
from pipeline.listings.lookups import LONGEST_SECONDS
from pipeline.listings.plan_files import Plan
from pipeline.listings.services import listings_service, note_refusal
from pipeline.marketplaces.live import CredentialsRefused
from pipeline.platform.database import Database
from pipeline.platform.http import ApiError
from pipeline.platform.tables import empty_frame
from pipeline.platform.vault.envelope import Vault
from pipeline.quality.schema import ISSUES

#: The issues that were found, as `listing_issues` has them: `rule` is the marketplace's code, `value` its attribute.
PREVIEWED = ISSUES
_PARTS = ("productType", "requirements", "attributes", "patches")
_HINT = "The marketplace's own validation says so; correct it in the store, or say it in the connection's setting attributes."


@dataclass
class Previewed:
    """`counts`: listings that are valid, invalid, and not validated yet."""

    issues: pd.DataFrame
    counts: dict[str, int]
    problems: list[str] = field(default_factory=list)


def preview_plan(
    database: Database, vault: Callable[[], Vault], cell: Cell, plan: Plan, changes: pa.Table, *,
    progress: Callable[[int, int], None] = lambda done, total: None, clock: Callable[[], float] = time.monotonic,
) -> Previewed:  # fmt: skip
    """Validate at most `preview_skus` messages of the plan that were not yet, parents first as in the plan."""
    every = {sku: (message, _hash(message)) for sku, message in _messages(plan)}
    with database.transaction() as connection:
        known = _known(connection, cell)
    new = [sku for sku, (_, digest) in every.items() if known.get(sku, (b"",))[0] != digest]
    wanted, problems = new[: cell.connection.export_settings.preview_skus], []
    until = clock() + LONGEST_SECONDS
    try:
        with listings_service(database, vault, cell) as service:
            for number, sku in enumerate(wanted):
                if clock() > until:
                    break
                message, digest = every[sku]
                given = orjson.loads(message)
                said = service.preview(sku, {name: given[name] for name in _PARTS if name in given})
                issues = [
                    {
                        "code": one.code, "severity": one.severity, "text": one.text, "attribute": one.attribute,
                        "field": service.field_of(one.attribute) if one.attribute else None,
                    }
                    for one in said.issues
                ]  # fmt: skip
                with database.transaction() as connection:
                    _save(connection, cell, sku, digest, said.accepted, issues)
                progress(number + 1, len(wanted))
    except CredentialsRefused as refused:
        note_refusal(database, cell, refused)
        problems.append(str(refused))
    except ApiError as error:
        problems.append(str(error))
    with database.transaction() as connection:
        found = {
            sku: row for sku, row in _known(connection, cell).items() if sku in every and row[0] == every[sku][1]
        }  # fmt: skip
        counts = _counts(found, len(every))
        _note(connection, cell, plan, counts)
    products = dict(zip(changes["sku"].to_pylist(), changes["product_id"].to_pylist(), strict=True))
    return Previewed(_issues(found, products), counts, problems)


def _messages(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """(SKU, message) of everything that creates or changes content."""
    messages = plan.messages
    for index in range(messages.batches):
        batch = messages.arrow_batch(index)
        content = batch.filter(pc.and_(pc.equal(batch["feed"], "product"), pc.not_equal(batch["operation"], "DELETE")))
        yield from zip(content["sku"].to_pylist(), content["payload"].to_pylist(), strict=True)


def _hash(message: bytes) -> bytes:
    return blake2b(message, digest_size=16).digest()


def _known(connection: psycopg.Connection[Any], cell: Cell) -> dict[str, tuple[bytes, str, list[dict[str, Any]]]]:
    query = b"SELECT sku, message, status, issues FROM listing_previews WHERE store_id = %s AND site = %s"
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query, [cell.store.id, cell.site.key])}


def _save(
    connection: psycopg.Connection[Any], cell: Cell, sku: str, digest: bytes, valid: bool, issues: list[dict[str, Any]]
) -> None:  # fmt: skip
    connection.execute(
        b"INSERT INTO listing_previews (store_id, site, sku, message, status, issues) VALUES (%s, %s, %s, %s, %s, %s)"
        b" ON CONFLICT (store_id, site, sku) DO UPDATE SET message = excluded.message, status = excluded.status,"
        b" issues = excluded.issues, previewed_at = clock_timestamp()",
        [cell.store.id, cell.site.key, sku, digest, "valid" if valid else "invalid", Jsonb(issues)],
    )


def _counts(found: Mapping[str, tuple[bytes, str, list[dict[str, Any]]]], total: int) -> dict[str, int]:
    valid = sum(status == "valid" for _, status, _ in found.values())
    return {"valid": valid, "invalid": len(found) - valid, "not_validated": total - len(found)}


def _note(connection: psycopg.Connection[Any], cell: Cell, plan: Plan, counts: Mapping[str, int]) -> None:
    connection.execute(
        b"UPDATE exports SET counts = counts || %s WHERE store_id = %s AND site = %s AND transport = %s AND export_id = %s",
        [Jsonb({"previews": counts}), *cell.lane.key, plan.export_id],
    )


def _issues(
    found: Mapping[str, tuple[bytes, str, list[dict[str, Any]]]], products: Mapping[str, str]
) -> pd.DataFrame:  # fmt: skip
    rows = [
        {
            "product_id": products.get(sku), "variant_id": None, "sku": sku, "rule": issue["code"], "dimension": "compliance",
            "severity": issue["severity"], "field": issue["field"] or "attributes", "value": issue["attribute"],
            "message": issue["text"], "hint": _HINT, "points_lost": 0.0,
        }
        for sku, (_, _, issues) in found.items() for issue in issues
    ]  # fmt: skip
    frame = empty_frame(ISSUES)
    return pd.DataFrame(rows, columns=ISSUES.names).astype(frame.dtypes.to_dict()) if rows else frame
