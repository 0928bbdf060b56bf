"""`explain_listing`: the way of one SKU as a job, for operators who are in the UI."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipeline.platform import metadata as meta
from pipeline.platform.resources import Workspace, expected_failures


class Listing(dg.Config):
    """Which SKU. An empty marketplace means all that the store is connected to."""

    store: str
    sku: str
    marketplace: str = ""


@dg.op(description="Look up where every value of a SKU comes from, what was sent, and what the marketplace answered.")
def explain_sku(context: dg.OpExecutionContext, config: Listing, workspace: Workspace) -> None:
    from pipeline.operations.explain import explain

    with expected_failures(), workspace.connect() as connection:
        found = explain(connection, workspace.settings, config.store, config.sku, config.marketplace or None)
    values = [{name: meta_text(one[name]) for name in ("field", "from", "source", "fixed", "fixes")} for one in found["values"]]
    context.add_output_metadata(
        {
            "sku": found["sku"],
            "source": meta.table([{"what": name, "value": meta_text(value)} for name, value in found["source"].items()]),
            "values": meta.table(values),
            **{f"texts on {site}": meta.table(_texts(market)) for site, market in found["marketplaces"].items()},
            **{f"next on {site}": market["next"] for site, market in found["marketplaces"].items()},
            **{f"sent to {site}": meta.table(market.get("sent") or []) for site, market in found["marketplaces"].items()},
        }
    )


def _texts(market: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{name: meta_text(value) for name, value in step.items()} for step in market.get("texts") or ()]


def meta_text(value: object) -> str:
    return value if isinstance(value, str) else "" if value in (None, []) else json.dumps(value, default=str, ensure_ascii=False)


@dg.job(
    description="Explain one SKU: where its values come from, what was sent, what the marketplace answered, what to do next.",
    executor_def=dg.in_process_executor,
)
def explain_listing() -> None:
    explain_sku()
