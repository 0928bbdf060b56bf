"""`decide_categories`: what `pipeline categories` does, for people who work in the UI."""

from typing import Literal

import dagster as dg
from pydantic import Field

from pipeline.platform.resources import Workspace, expected_failures


class CategoryDecision(dg.Config):
    """One decision about categories of a connection."""

    store: str = Field(description="Key of the store.")
    marketplace: str = Field(description="Site, for example amazon-us.")
    action: Literal["accept", "reject", "choose"] = Field(
        description="accept or reject what is suggested, or choose a category whatever is suggested"
    )
    product_ids: list[str] = Field(default=[], description="Of these products.")
    product_types: list[str] = Field(default=[], description="Of all products of these types.")
    taxonomy: list[str] = Field(default=[], description="choose only: for these categories (ids) of Shopify's taxonomy.")
    category: str = Field(default="", description="choose only: the marketplace's category.")
    minimum: float = Field(default=0.0, ge=0, le=1, description="accept only: what is at least so sure.")
    everything: bool = Field(default=False, description="accept and reject: all that is suggested.")
    who: str = Field(description="Your name; kept with the decision.")
    why: str = Field(default="", description="Why; kept with the decision.")


@dg.op(description="Record a decision about categories. It counts from the next time that listing_categories is materialized.")
def decide_about_categories(context: dg.OpExecutionContext, workspace: Workspace, config: CategoryDecision) -> None:
    from pipeline.listings.categories import review
    from pipeline.listings.categories.decisions import Scope
    from pipeline.stores.actions import Person

    with expected_failures(), workspace.connect() as connection:
        cell = review.connected_cell(connection, config.store, config.marketplace)
        person = Person(config.who, config.why, context.run.run_id)
        if config.action == "choose":
            keys: dict[Scope, list[str]] = {
                "product": config.product_ids, "product_type": config.product_types, "taxonomy": config.taxonomy,
            }  # fmt: skip
            count = sum(review.choose(connection, cell, config.category, scope, found, person) for scope, found in keys.items())
        else:
            which = review.Which(config.product_ids, config.product_types, config.everything, config.minimum)
            shelf = review.open_shelf(connection, workspace.settings, cell)
            if config.action == "accept":
                count = review.accept(connection, cell, shelf.rows("suggested", which), person)
            else:
                count = review.reject(connection, cell, shelf.rows(None, which), person, named=not config.everything)
    context.add_output_metadata({"decided": count, "who": config.who, "why": config.why})


@dg.job(
    description="Accept, reject or choose categories of a connection's products.",
    executor_def=dg.in_process_executor,
)
def decide_categories() -> None:
    decide_about_categories()
