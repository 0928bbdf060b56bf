"""`decide_suggestions`: what `pipeline suggestions accept|reject` does, for people who work in the UI."""

from typing import Literal

import dagster as dg
from pydantic import Field

from pipeline.platform.resources import Workspace, expected_failures


class SuggestionDecision(dg.Config):
    """One decision about suggested texts of a connection."""

    store: str = Field(description="Key of the store.")
    marketplace: str = Field(description="Site, for example amazon-us.")
    action: Literal["accept", "reject"] = Field(description="Use what is suggested, or keep the product's own texts.")
    product_ids: list[str] = Field(default=[], description="Of these products.")
    everything: bool = Field(default=False, description="Of all products; the filters below narrow it.")
    fields: list[str] = Field(default=[], description="Only title, description, bullets, keywords; empty means all.")
    min_gain: float = Field(default=0.0, description="Only what brings at least so many points of score.")
    seen: bool = Field(default=False, description="Accept everything: also texts that a person must see, since you saw them.")
    who: str = Field(description="Your name; kept with the decision.")
    why: str = Field(default="", description="Why; kept with the decision.")


@dg.op(
    description="Record a decision about suggested texts. It counts from the next time that optimized_products is materialized."
)
def decide_about_suggestions(context: dg.OpExecutionContext, workspace: Workspace, config: SuggestionDecision) -> None:
    from pipeline.listings.optimized import review
    from pipeline.model.errors import UsageError
    from pipeline.stores.actions import Person

    with expected_failures(), workspace.connect() as connection:
        if not (config.product_ids or config.everything):
            raise UsageError("say which: product_ids, or everything: true")
        cell = review.connected_cell(connection, config.store, config.marketplace)
        minimum = config.min_gain if config.action == "accept" or config.min_gain > 0 else None
        doubtful = config.seen or bool(config.product_ids) or config.action == "reject"
        which = review.Which(fields=config.fields, product_ids=config.product_ids, minimum=minimum, doubtful=doubtful)
        shelf = review.open_table(connection, workspace.settings, cell)
        act = review.accept if config.action == "accept" else review.reject
        count = act(connection, cell, shelf.rows(which), Person(config.who, config.why, context.run.run_id))
        shelf.note_waiting()
    context.add_output_metadata({"decided": count, "who": config.who, "why": config.why})


@dg.job(
    description="Accept or reject suggested texts of a connection's products.",
    executor_def=dg.in_process_executor,
)
def decide_suggestions() -> None:
    decide_about_suggestions()
