"""Reading the data files that stand beside the code of a marketplace: sites, limits, names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.model.listing import Site

_SITE_COLUMNS = ("marketplace_id", "country", "currency", "language", "region")


def read_yaml(path: Path) -> Any:
    """The content of one of our own YAML files."""
    import yaml

    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def read_sites(folder: Path, marketplace: str) -> dict[str, Site]:
    """`sites.yaml`: site key -> its columns; keys beyond those of `Site` become `extra`."""
    sites = {}
    for key, row in read_yaml(folder / "sites.yaml").items():
        values: Mapping[str, Any] = row
        extra = {name: value for name, value in values.items() if name not in _SITE_COLUMNS}
        sites[key] = Site(key=key, marketplace=marketplace, extra=extra, **{name: values[name] for name in _SITE_COLUMNS})
    return sites
