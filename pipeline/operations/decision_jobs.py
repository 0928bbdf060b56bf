"""The decisions of `decisions` as jobs that an operator launches in the UI: partition = the connection, who and why in the
launchpad. After those that change what is to be sent, the sensor `export_after_decision` requests the export.

Annotations are not postponed here: Dagster looks at those of ops.
"""

from collections.abc import Callable

import dagster as dg
from pydantic import Field

from pipeline.operations.decisions import Decided, Desk
from pipeline.partitions import store_and_site, store_marketplaces
from pipeline.platform.resources import Workspace, expected_failures
from pipeline.stores.actions import Person


class _Said(dg.Config):
    who: str = Field(description="Your name; kept in the audit.")
    why: str = Field(description="Why; kept in the audit and shown where it matters.")


class Simple(_Said):
    """Who, and why."""


class OfPlan(_Said):
    """A plan, or a part of it."""

    export_id: str = Field(default="", description="The plan; empty means the newest.")
    skus: list[str] = Field(default=[], description="Only of these SKUs; empty means all.")
    kinds: list[str] = Field(default=[], description="Only create, update, price, quantity, images or delete; empty means all.")


class Back(_Said):
    """Where to go back to."""

    to: str = Field(description="Go back to what the listings were after this export.")
    skus: list[str] = Field(default=[], description="Only these SKUs; empty means all.")
    kinds: list[str] = Field(default=[], description="Only price, content or images; empty means all three.")


class OfPins(_Said):
    """Pinned values."""

    skus: list[str] = Field(default=[], description="Only these SKUs; empty means all.")
    kinds: list[str] = Field(default=[], description="Only price, content or images; empty means all three.")


def _decide(context: dg.OpExecutionContext, workspace: Workspace, said: _Said, act: Callable[[Desk], Decided]) -> None:
    with expected_failures():
        store, site = store_and_site(context)
        person = Person(said.who, said.why, context.run.run_id)
        done = act(Desk(workspace.database, workspace.settings, store, site, person))
    context.log.info(done.sentence)
    context.add_output_metadata({"done": done.sentence, "who": said.who, "why": said.why, **done.details})


@dg.op(description="Let a plan, or what its guards hold, pass for 24 hours.")
def approve_plan(context: dg.OpExecutionContext, workspace: Workspace, config: OfPlan) -> None:
    _decide(context, workspace, config, lambda desk: desk.approve(config.export_id, skus=config.skus, kinds=config.kinds))


@dg.op(description="Do not do what a plan is going to do; the same is not planned again.")
def reject_plan(context: dg.OpExecutionContext, workspace: Workspace, config: OfPlan) -> None:
    _decide(context, workspace, config, lambda desk: desk.reject(config.export_id, skus=config.skus, kinds=config.kinds))


@dg.op(description="Pin prices, content and pictures to what they were after an export.")
def pin_to_export(context: dg.OpExecutionContext, workspace: Workspace, config: Back) -> None:
    _decide(context, workspace, config, lambda desk: desk.roll_back(config.to, skus=config.skus, kinds=config.kinds))


@dg.op(description="Let the source's values count again.")
def unpin(context: dg.OpExecutionContext, workspace: Workspace, config: OfPins) -> None:
    _decide(context, workspace, config, lambda desk: desk.unpin(skus=config.skus, kinds=config.kinds))


@dg.op(description="Export and send nothing any more; what has not gone out is withdrawn.")
def pause(context: dg.OpExecutionContext, workspace: Workspace, config: Simple) -> None:
    _decide(context, workspace, config, Desk.pause)


@dg.op(description="Export and send again.")
def resume(context: dg.OpExecutionContext, workspace: Workspace, config: Simple) -> None:
    _decide(context, workspace, config, Desk.resume)


def _job(name: str, op: dg.OpDefinition, description: str) -> dg.JobDefinition:
    @dg.job(name=name, description=description, partitions_def=store_marketplaces, executor_def=dg.in_process_executor)
    def job() -> None:
        op()

    return job


approve_changes = _job("approve_changes", approve_plan, "Approve a connection's plan, or some of what its guards hold.")
reject_changes = _job("reject_changes", reject_plan, "Reject a connection's plan, or some SKUs or kinds of it.")
roll_back = _job("roll_back", pin_to_export, "Go back to what a connection's listings were after an earlier export. Never stock.")
unpin_changes = _job("unpin_changes", unpin, "End a rollback: the source's values are sent again.")
pause_connection = _job("pause_connection", pause, "Pause a connection: nothing is exported or sent until it is resumed.")
resume_connection = _job("resume_connection", resume, "Resume a paused connection: the newest state is sent, once.")

DECISION_JOBS = [approve_changes, reject_changes, roll_back, unpin_changes, pause_connection, resume_connection]
#: After these, what is to be sent may be another.
EXPORT_AFTER = [approve_changes, reject_changes, roll_back, unpin_changes, resume_connection]
