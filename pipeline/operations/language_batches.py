"""`poll_language_batches`: one run that looks after all batches of questions to a model, and ends; nobody waits for answers."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from pipeline.platform.resources import Workspace, expected_failures

#: A batch takes minutes to a day.
POLL_SECONDS = 60


@dg.op(description="Ask the model's server about every open batch; settle and keep the answers of those that ended.")
def collect_batches(context: dg.OpExecutionContext, workspace: Workspace) -> None:
    with expected_failures(), workspace.database.connect(autocommit=True) as connection:
        found = poll_batches(connection, workspace.settings.data_dir, context.log.warning)
    context.add_output_metadata({"batches": len(found), **{key[:8]: status for key, status in found.items()}})


@dg.job(
    description="Collect the answers of batches; the labels that they are for are translated after that.",
    executor_def=dg.in_process_executor,
)
def poll_language_batches() -> None:
    collect_batches()


def poll_batches(connection: psycopg.Connection[Any], data_dir: Path, told: Any) -> dict[str, str]:
    """As `batches.poll`, with the configured model. Raises UsageError when there are batches and no model."""
    from pipeline.language.batches import list_batches, poll
    from pipeline.language.run import configured_model
    from pipeline.model.errors import UsageError

    if not list_batches(connection, only_open=True, limit=1):
        return {}
    model = configured_model(data_dir)
    if model is None:
        raise UsageError("there are open batches and no model: set LLM_BASE_URL, LLM_API_KEY and LLM_MODEL as they were")
    return poll(connection, model.endpoint, model.price.in_batch(), told)


def is_due(connection: psycopg.Connection[Any]) -> bool:
    """Whether an open batch was not looked at for a while."""
    from pipeline.language.batches import list_batches

    now = datetime.now(timezone.utc)
    ages = [(now - (batch.polled_at or batch.created_at)).total_seconds() for batch in list_batches(connection, only_open=True)]
    return bool(ages) and max(ages) >= POLL_SECONDS
