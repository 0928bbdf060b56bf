"""`choose_match`: a person decides which item of a marketplace's catalog a GTIN is; the same as `pipeline matches choose`."""

import dagster as dg

from pipeline.platform.resources import Workspace, expected_failures


class Choice(dg.Config):
    """What is chosen, and by whom. `item`: the id of an item (ASIN), or none."""

    store: str
    marketplace: str
    gtin: str
    item: str
    who: str
    why: str = ""


@dg.op(description="Keep the item that a variant is sold on; the next export follows it.")
def decide_match(context: dg.OpExecutionContext, workspace: Workspace, config: Choice) -> None:
    from pipeline.listings.knowledge import choose_item
    from pipeline.stores.actions import Person
    from pipeline.stores.connections import get_connection

    with expected_failures(), workspace.connect() as connection:
        found = get_connection(connection, config.store, config.marketplace)
        sentence = choose_item(connection, found, config.gtin, config.item, Person(config.who, config.why, context.run.run_id))
    context.log.info(sentence)
    context.add_output_metadata({"done": sentence, "who": config.who, "why": config.why})


@dg.job(
    description="Decide which of several items with one GTIN a variant is sold on, or that it is an item of its own.",
    executor_def=dg.in_process_executor,
)
def choose_match() -> None:
    decide_match()
