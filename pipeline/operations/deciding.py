"""What a person decides about listings of the account and about submissions, launched in the UI; as on the command line."""

from typing import Literal

import dagster as dg
from pydantic import Field

from pipeline.platform.resources import Workspace, expected_failures


class Decision(dg.Config):
    """About one connection; SKUs are ours."""

    store: str
    marketplace: str = Field(description="The site, for example amazon-us.")
    who: str = Field(description="Your name; kept with the decision.")
    why: str = Field(default="", description="Kept with the decision.")
    map: dict[str, str] = Field(default={}, description="Our SKU: the account's SKU that it is sold as.")
    sell_anyway: list[str] = Field(default=[], description="SKUs to create although the account sells their GTIN already.")
    forget: list[str] = Field(default=[], description="SKUs of which a decision is taken back.")
    drift: Literal["ours", "theirs", "none"] = Field(default="none", description="Say ours again, or leave theirs.")
    drift_skus: list[str] = Field(default=[], description="The SKUs that this is about; empty: all with an open drift.")


@dg.op(description="Record the decisions; they count from the next export on.")
def decide(context: dg.OpExecutionContext, config: Decision, workspace: Workspace) -> None:
    from pipeline.listings.cell import find_cell
    from pipeline.model.errors import UsageError
    from pipeline.stores.actions import Person
    from pipeline.submissions.account import decisions
    from pipeline.submissions.live import Office

    with expected_failures():
        office = Office(workspace.database, workspace.vault, workspace.settings.storage())
        with workspace.connect() as connection:
            cell = find_cell(connection, config.store, config.marketplace)
            if cell is None:
                raise UsageError(f"{config.store} is not connected to {config.marketplace}")
            by = Person(config.who, config.why, context.run.run_id)
            if config.map:
                with office.listings(cell) as service:
                    decisions.map_skus(connection, cell, service, config.map, by)
            decisions.sell_anyway(connection, cell, config.sell_anyway, by)
            decisions.forget(connection, cell, config.forget, by)
            about = []
            if config.drift != "none":
                about = decisions.decide_drift(connection, cell, config.drift, config.drift_skus, by)
    context.add_output_metadata({"decided": len(config.map) + len(config.sell_anyway) + len(config.forget) + len(about)})


@dg.job(
    description="Decide about listings that the account has under another SKU, or that drifted.",
    executor_def=dg.in_process_executor,
)
def decide_listings() -> None:
    decide()


class SubmissionDecision(dg.Config):
    """About one submission."""

    submission: int = Field(description="Its number; see the table of listing_status or `pipeline submissions list`.")
    action: Literal["resend", "adopt", "cancel"] = Field(description="Send it again, say which feed it is, or stop it.")
    feed_id: str = Field(default="", description="To adopt: the marketplace's id of the feed.")
    who: str = Field(description="Your name; kept in the audit.")
    why: str = Field(description="Why; kept in the audit.")


@dg.op(description="Decide about a submission that is held, waits, or was refused in part.")
def decide_about_submission(context: dg.OpExecutionContext, config: SubmissionDecision, workspace: Workspace) -> None:
    from pipeline.stores.actions import Person
    from pipeline.submissions.live import Office
    from pipeline.submissions.operators import decide as decide_

    with expected_failures():
        office = Office(workspace.database, workspace.vault, workspace.settings.storage())
        by = Person(config.who, config.why, context.run.run_id)
        done = decide_(office, config.submission, config.action, by, feed_id=config.feed_id)
    context.log.info(done)
    context.add_output_metadata({"done": done, "who": config.who, "why": config.why})


@dg.job(
    description="Send a submission again, say which feed it is, or stop it: where only a person can tell.",
    executor_def=dg.in_process_executor,
)
def decide_submission() -> None:
    decide_about_submission()
