"""`poll_submissions`: one run for all connections of which something is due. It sends what is planned, asks for verdicts, and
ends; nobody waits for a marketplace."""

import dagster as dg

from pipeline.platform.resources import Workspace


@dg.op(description="Move on every submission that is due, connection after connection; one that fails does not stop the others.")
def work_submissions(context: dg.OpExecutionContext, workspace: Workspace) -> None:
    from pipeline.listings.cell import find_cell
    from pipeline.model.errors import PipelineError
    from pipeline.platform.locks import LockBusy, is_locked
    from pipeline.submissions.live import Office, due_cells

    with workspace.connect() as connection:
        due = due_cells(connection)
    office = Office(workspace.database, workspace.vault, workspace.settings.storage())
    reached: dict[str, str] = {}
    for store, site in due:
        try:
            with workspace.connect() as connection:
                cell = find_cell(connection, store, site)
                # An export at work may take the place of what has not gone out.
                exporting = cell is not None and is_locked(connection, cell.lock)
            if cell is None or cell.lane.transport != "api":
                continue
            with office.service(cell) as service:
                found = office.work(cell, service, holder=f"run {context.run.run_id}", sends=not exporting)
            reached[f"{store} on {site}"] = ", ".join(f"{count} {state}" for state, count in found.items()) or "waits"
        except LockBusy as busy:
            context.log.info(str(busy))
        except PipelineError as error:  # noted on the connection or the submission; `pipeline status` shows it
            reached[f"{store} on {site}"] = "failed"
            context.log.error(f"{store} on {site}: {error}")
    context.add_output_metadata({"connections": len(due), **reached})


@dg.job(
    description="Send what is planned, and ask the marketplaces what became of what was sent; all connections in one run.",
    executor_def=dg.in_process_executor,
)
def poll_submissions() -> None:
    work_submissions()
