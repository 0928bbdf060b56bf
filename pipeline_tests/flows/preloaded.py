"""What children of `place.start` are forked with: all that a command loads, which would cost each of them two seconds.

Loaded in the process that they are forked from, and only there.
"""

from __future__ import annotations

import gc
import pkgutil
from importlib import import_module

import pipeline
from pipeline.definitions import defs

#: Loaded within functions or by name, by us or by Dagster.
_LATE = (
    "alembic.command", "dagster_postgres", "dagster._core.execution.execute_in_process", "dagster._core.instance.factory",
    "ftfy", "httpcore", "httpx", "lxml.etree", "nh3", "pandera.pandas", "psycopg2", "sqlalchemy.dialects.postgresql",
    "pipeline_tests.flows.place",
)  # fmt: skip

for _name in (*(found.name for found in pkgutil.walk_packages(pipeline.__path__, "pipeline.")), *_LATE):
    if not _name.endswith("__main__"):
        import_module(_name)
for _job in ("import_all", "export_listings"):
    defs.resolve_job_def(_job)
# Pages that a look for garbage goes through are copied for each child.
gc.collect()
gc.freeze()
