"""`daily_credit_deduction`: the day's price of each store, and answers of models that nobody could pay for before."""

from datetime import date, datetime, timezone

import dagster as dg

from pipeline.platform import metadata as meta
from pipeline.platform.resources import Workspace


class DayOptions(dg.Config):
    """Which day is deducted; a day is deducted once."""

    day: str = ""  # YYYY-MM-DD; empty: today in UTC


@dg.op(description="Deduct once the day's credits of every store whose credits are on, and what it still owes for answers.")
def deduct_day(context: dg.OpExecutionContext, config: DayOptions, workspace: Workspace) -> None:
    from pipeline.language.asking.charging import pay_for_answers, unpaid_answers
    from pipeline.stores.credits import SERVICES, deduct, list_accounts, read_account

    day = date.fromisoformat(config.day) if config.day else datetime.now(timezone.utc).date()
    tasks = [service for service in SERVICES if service != "store_day"]
    rows = []
    with workspace.database.autocommit() as connection:
        for account in list_accounts(connection):
            if not account.active:
                continue
            answers = sum(pay_for_answers(connection, account.store_id, task, context.run.run_id) for task in tasks)
            work = f"store_day {day.isoformat()}"
            paid = deduct(connection, account.store_id, "store_day", 1, work, run_id=context.run.run_id)
            now = read_account(connection, account.store_id)
            owed = sum(unpaid_answers(connection, account.store_id, task) for task in tasks)
            rows.append(
                {
                    "store": account.store,
                    "day": paid.why or f"{paid.amount} credits",
                    "answers": answers,
                    "unpaid_answers": owed,
                    "balance": now.balance if now else 0,
                }
            )
    context.add_output_metadata({"date": day.isoformat(), "stores": meta.table(rows)})


@dg.job(description="Deduct the day's credits of every store whose credits are switched on.", executor_def=dg.in_process_executor)
def daily_credit_deduction() -> None:
    deduct_day()
