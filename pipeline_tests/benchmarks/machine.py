"""Facts of the machine and of the software, recorded beside every result: numbers without them cannot be compared."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("dagster", "orjson", "pandas", "pandera", "pyarrow")


def machine_facts(root: Path) -> dict[str, Any]:
    """Processor, memory, load, versions and commit; None where the system does not say."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _proc_value(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory": _proc_value(Path("/proc/meminfo"), "MemTotal"),
        "load": list(os.getloadavg()),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(root),
    }


def _proc_value(path: Path, name: str) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _commit(root: Path) -> str | None:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
