"""What to do next about one listing, as one sentence: the end of what `explain` tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.listings.cell import Cell
from pipeline.submissions.status import drifted, fault, hint

Row = dict[str, Any]


def next_step(cell: Cell, found: Row, sku: str) -> str:
    """`found` is what `explain` has about the listing on one marketplace."""
    store, site = cell.store.key, cell.site.key
    listing, plan = found["listing"], found["plan"] or {}
    refused = next((one for one in found["on_its_way"] if one["status"] == "rejected"), None)
    if cell.connection.paused:
        return f"{store} on {site} is paused; resume it with: pipeline connection resume {store} {site}"
    waiting = any(one["status"] == "pending" for one in found["on_its_way"])
    if found["state"] is not None and found["state"]["uncertain"] and not waiting:
        return f"nobody knows what {site} holds of it; all of it is said again by: pipeline export {store} {site}"
    if refused is not None:
        worst = next((one["field"] for one in found["answers"] if one["field"]), None)
        said = hint(store, site, sku, "rejected", worst, refused["reason"], refused["repair"], refused["submission_id"])
        return said or ""
    if listing is None:
        return (
            f"{site} does not list it: it is not active or not in the assortment of the connection, or nothing was exported yet; "
            f"pipeline export {store} {site}"
        )
    if listing["status"] == "blocked":
        hints = " ".join(dict.fromkeys(row["hint"] for row in found["rules"] if row["severity"] in ("critical", "error")))
        return f"it is blocked: {listing['reason']} {hints} Then: {_again(found['rules'], store, site)}"
    if waiting:
        return _waits(found["sent"], found["held_submission"])
    if plan.get("status") == "waiting_approval":
        return f"its plan waits for approval: pipeline export {store} {site} --approve {plan['export_id']}"
    if "hold" in (plan.get("changes") or ()):
        return f"it is held: {plan['reason']}"
    if found["state"] is None or plan.get("status") in ("planned", "dry_run"):
        return f"pipeline export {store} {site}"
    if any(one["state"] == "open" for one in found["drift"]):
        return drifted(store, site)
    if (worst := next((one for one in found["answers"] if one["severity"] == "error"), None)) is not None:
        return fault(store, site, sku, worst["field"], worst["code"], worst["text"])
    if found["texts_left"]:
        return str(found["texts_left"][0])
    return "nothing to do"


def _waits(sent: Iterable[Row], held: Row | None) -> str:
    """What a listing on its way waits for. `held` is an older submission of the connection that waits for somebody."""
    waiting = next((one for one in sent if one["outcome"] == "waiting"), None)
    if waiting is not None and waiting["state"] == "held":
        held = waiting
    if held is not None and waiting is not None and held["submission"] <= waiting["submission"]:
        return f"it waits for your decision about submission {held['submission']}: {held['reason']}"
    why = f" (submission {waiting['submission']}: {waiting['reason']})" if waiting is not None and waiting["reason"] else ""
    return f"it is on its way{why}; the verdict is read by itself, or now with: pipeline submissions poll"


def _again(rules: Iterable[Row], store: str, site: str) -> str:
    """What makes a blocked listing anew: what is decided on the connection needs no import."""
    fields = {row["field"] for row in rules if row["severity"] in ("critical", "error")}
    return f"pipeline export {store} {site}" if fields and fields <= {"category"} else f"pipeline import {store}"
