"""`poll_language_batches`: one run that looks after all batches of questions to a model, and ends; nobody waits for answers.

What asked goes on when a batch was answered: labels are translated by a run that the sensor starts; for products an export of
those that the batch was about is requested, in the transaction in which the batch ends.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from pipeline.language.asking.batches import Batch
from pipeline.listings.lane import Lane
from pipeline.operations.launch import Outcome
from pipeline.platform import metadata as meta
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.submissions.requests import ExportRequest, request_export

#: A batch takes minutes to a day.
POLL_SECONDS = 60
#: One that could not be asked about is tried again after a quarter of its age, between these: a server that is gone makes
#: failed runs that are few, and hide nothing.
_AGAIN_SECONDS = (5 * 60, 60 * 60)
#: Of the requests for exports that go on.
REASON = "a batch of questions to the model was answered"
_ANSWERED = ("completed", "expired", "cancelled")


@dg.op(description="Ask the model's server about every open batch; settle and keep the answers of those that ended.")
def collect_batches(context: dg.OpExecutionContext, workspace: Workspace) -> None:
    from pipeline.language.asking.batches import NOT_ASKED, list_batches
    from pipeline.model.errors import PipelineError

    with expected_failures(), workspace.database.autocommit() as connection:
        found = poll_batches(connection, workspace.settings.data_dir, context.log.warning)
        failed = [one for one in list_batches(connection, only_open=True) if found.get(one.run_key) == NOT_ASKED]
        if failed and len(failed) == len(found):
            why = "; ".join(dict.fromkeys(one.problem or "" for one in failed))
            which = "the open batch" if len(failed) == 1 else f"none of {len(failed)} open batches"
            raise PipelineError(f"{which} could {'not ' if len(failed) == 1 else ''}be looked at: {why}")
    context.add_output_metadata(
        {
            "batches": len(found),
            "could_not_be_asked": meta.table([{"batch": one.batch_id or one.run_key[:8], "why": one.problem} for one in failed]),
            **{key[:8]: status for key, status in found.items()},
        }
    )


@dg.job(
    description="Collect the answers of batches; the labels and exports that they are for go on after that.",
    executor_def=dg.in_process_executor,
)
def poll_language_batches() -> None:
    collect_batches()


def poll_batches(connection: psycopg.Connection[Any], data_dir: Path, told: Any) -> dict[str, str]:
    """As `batches.poll`, with the configured model. Raises UsageError when there are batches and no model."""
    from pipeline.language.asking.batches import AS_IT_WAS, list_batches, not_asked, poll
    from pipeline.language.asking.models import configured_model
    from pipeline.model.errors import UsageError

    batches = list_batches(connection, only_open=True)
    if not batches:
        return {}
    model = configured_model(data_dir)
    if model is None:
        why = f"no model is configured: {AS_IT_WAS}"
        for batch in batches:
            not_asked(connection, batch, why)
        raise UsageError(f"there are open batches and {why}")
    return poll(connection, model.endpoint, model.price.in_batch(), told, go_on)


def go_on(connection: psycopg.Connection[Any], batch: Batch) -> None:
    """Request an export of the products that an answered batch was asked about, where an export asked; for translations also on
    the store's other sites in that language, whose texts wait for the same answers."""
    from pipeline.language.asking.batches import products_of

    products = products_of(connection, batch.run_key)
    for site in _sites(connection, batch):
        request_export(connection, Lane(batch.store_id, "", site), products, REASON)


def _sites(connection: psycopg.Connection[Any], batch: Batch) -> list[str]:
    from pipeline.listings.localized.build import TASK as TRANSLATION
    from pipeline.marketplaces import find_site
    from pipeline.stores.connections import list_connections

    if batch.site is None:
        return []
    if batch.task != TRANSLATION:
        return [batch.site]
    language = find_site(batch.site)[1].language
    others = [
        one.site
        for one in list_connections(connection)
        if one.store_id == batch.store_id and one.site != batch.site and one.export_settings.auto_translate
    ]
    return [batch.site, *(site for site in others if find_site(site)[1].language == language)]


def after_batches(run_keys: Sequence[str]) -> dict[str, Any]:
    """Config of `translated_labels` after these batches ended: their answers are used, and only what they left goes into the next
    batch. What budgets, credits or people left out before stays as it is."""
    return {"transport": "batch", "batches": list(run_keys)}


@dataclass(frozen=True)
class Polled:
    """What a look at the batches found (`batches`: those that were open or had answers that nobody had used; of one that was not
    `asked` about `problem` says why), and the runs that used answers (`follow_ups`, with `marketplace` where it was an export),
    with what they asked again and what that costs."""

    batches: list[dict[str, Any]]
    follow_ups: list[dict[str, Any]]
    errors: list[str]


def polled(
    connection: psycopg.Connection[Any],
    seen: Collection[str],
    ended: Mapping[str, Collection[str]],
    followed: Mapping[str, Outcome],
    exported: Sequence[tuple[ExportRequest, Outcome]],
    outcomes: Sequence[Outcome],
) -> Polled:
    """`seen` are batches that were open, `ended` those of labels with answers by store, `followed` the run of each of these
    stores, `exported` the exports that went on."""
    from pipeline.language.asking.batches import list_batches
    from pipeline.language.asking.ledger import spending
    from pipeline.stores.stores import list_stores

    keys = {store.id: store.key for store in list_stores(connection)}
    used = {batch for store, batches in ended.items() if followed[store].success for batch in batches}
    went_on = {(request.store, request.site) for request, run in exported if run.success}
    about = [({"store": store, "batches": len(ended[store])}, run) for store, run in followed.items()]
    about += [({"store": one.store, "marketplace": one.site, "products": len(one.product_ids)}, run) for one, run in exported]
    follow_ups = []
    for what, run in about:
        spent = spending(connection, run_id=run.run_id)
        cost = {"requests": spent.calls, "usd": spent.usd_micro / 1e6, "unsettled_usd": spent.unsettled / 1e6}
        follow_ups.append({**what, "run": run.run_id, "success": run.success, **cost})
    batches = [
        {
            "batch": batch.batch_id or batch.run_key[:8], "store": keys.get(batch.store_id), "marketplace": batch.site,
            "task": batch.task, "requests": batch.requests, "status": batch.status, "problem": batch.problem,
            "ended": batch.ended_at is not None, "asked": batch.ended_at is not None or batch.problem is None,
            "used": batch.run_key in used or ((keys.get(batch.store_id), batch.site) in went_on and batch.status in _ANSWERED),
        }
        for batch in list_batches(connection)
        if batch.run_key in seen or batch.run_key in used
    ]  # fmt: skip
    told = any(not one["asked"] for one in batches)  # by the batches themselves
    errors = [one.error for one in outcomes if one.error and not (told and one.job == poll_language_batches.name)]
    return Polled(batches, follow_ups, errors)


def lines(found: Polled) -> list[str]:
    """The same for people."""
    from pipeline.labels.translation import TASK
    from pipeline.language.asking.ledger import dollars

    said = []
    for one in found.batches:
        text = f"{one['store']}: the batch of {one['requests']} requests ({one['task']})"
        if not one["asked"]:
            said.append(f"{text} could not be looked at: {one['problem']}")
            continue
        problem = f" ({one['problem']})" if one["problem"] else ""
        text += f" is {one['status']}{problem}"
        if one["ended"] and not one["used"]:
            export = f"export {one['store']} {one['marketplace'] or 'MARKETPLACE'}"
            again = f"labels translate {one['store']}" if one["task"] == TASK else export
            text += f"; what it answered is used, and what it left is asked again, by: pipeline {again}"
        said.append(text)
    for one in found.follow_ups:
        if one["success"]:
            cost, reserved = (dollars(round(one[name] * 1e6)) for name in ("usd", "unsettled_usd"))
            open_ = f", {reserved} of it reserved until they are answered" if one["unsettled_usd"] else ""
            if "marketplace" in one:
                used = f"{one['store']}: the export to {one['marketplace']} went on with {one['products']} products"
            else:
                used = f"{one['store']}: the answers of {one['batches']} batches are used"
            asked = f"{one['requests']} requests were made for what is left: {cost}{open_}"
            said.append(f"{used}; {asked if one['requests'] else 'nothing more is to be asked'}")
    return said


def is_due(connection: psycopg.Connection[Any]) -> bool:
    """Whether an open batch was not looked at for a while."""
    from pipeline.language.asking.batches import list_batches

    now = datetime.now(timezone.utc)
    return any(
        (now - (batch.polled_at or batch.created_at)).total_seconds() >= _pause(batch)
        for batch in list_batches(connection, only_open=True)
    )


def _pause(batch: Batch) -> float:
    """Seconds from one look at an open batch to the next."""
    if batch.problem is None or batch.polled_at is None:
        return POLL_SECONDS
    shortest, longest = _AGAIN_SECONDS
    return min(longest, max(shortest, (batch.polled_at - batch.created_at).total_seconds() / 4))
