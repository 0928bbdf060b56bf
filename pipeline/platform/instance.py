"""Dagster's instance: one a data directory, made from the project's dagster.yaml."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.errors import PipelineError
from pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_IN_PROCESS = "in-process.yaml"
#: Capturing what a run prints takes four processes more each.
_NOT_CAPTURED = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
_HEADER = "# Made from the project's dagster.yaml at each start; change that file.\n"


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance of these settings, for runs in this process: what they print is seen where it runs.

    A context manager. Raises PipelineError when the database cannot be opened.

    The process's environment is made to say the same: Dagster makes the storage, and child processes, from that.
    """
    import dagster as dg

    os.environ.update(settings.environment())
    return dg.DagsterInstance.from_config(str(dagster_home(settings)), _IN_PROCESS)


def dagster_home(settings: Settings) -> Path:
    """`<data_dir>/dagster` with an up-to-date dagster.yaml: the DAGSTER_HOME of these settings."""
    source = settings.project_root / "dagster.yaml"
    try:
        configuration, in_process = _configurations(source.read_text(), str(settings.data_dir / "logs"))
    except FileNotFoundError:
        raise PipelineError(f"{source} is missing; run from a checkout of the project (pip install -e .)") from None
    home = settings.data_dir / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _replace(home / "dagster.yaml", configuration)
        _replace(home / _IN_PROCESS, in_process)
    except OSError as error:
        raise PipelineError(f"{home} cannot be written: {error.strerror}; set PIPELINE_DATA_DIR to a folder of yours") from None
    return home


@lru_cache(maxsize=1)
def _configurations(source: str, logs: str) -> tuple[str, str]:
    """What `dagster.yaml` and the file for runs in this process say."""
    import yaml

    configuration = yaml.safe_load(source)
    # The project's file names logs relative to the project, for a plain `dagster dev`.
    configuration["compute_logs"]["config"]["base_dir"] = logs
    variants = (configuration, {**configuration, "compute_logs": _NOT_CAPTURED})
    plain, in_process = (_HEADER + yaml.safe_dump(variant, sort_keys=False) for variant in variants)
    return plain, in_process


def _replace(path: Path, content: str) -> None:
    """Other processes may be reading the file, or writing it too."""
    if path.exists() and path.read_text() == content:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(content)
    temporary.replace(path)
