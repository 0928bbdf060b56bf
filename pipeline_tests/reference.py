"""Official schemas and real catalogs, where they are: tests that need them skip elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PROJECT = Path(__file__).parent.parent


def reference(*parts: str) -> Path:
    """A file or folder of the reference; skips the test where it is absent."""
    path = found_reference(*parts)
    if path is None:
        pytest.skip(f"no {'/'.join(parts)} in the reference (REFERENCE_DIR)")
    return path


def found_reference(*parts: str) -> Path | None:
    """The same, or None where it is absent."""
    root = Path(os.environ.get("REFERENCE_DIR") or _PROJECT.parent / "shared" / "reference")
    path = root.joinpath(*parts)
    return path if path.exists() else None
