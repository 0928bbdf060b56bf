"""The sample store of the demo: `demo.csv`, described in the README beside it, and the connections that the demo makes."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def demo_catalog() -> Path:
    """The product export of the sample store."""
    return _FOLDER / "demo.csv"


def demo_connections(*, own_catalog: bool) -> dict[str, list[str]]:
    """Marketplace site -> settings as `name=value`, for the sample store or for a catalog of the user's own."""
    import json

    import yaml

    text = (_FOLDER / "connections.yaml").read_text(encoding="utf-8")
    chosen = yaml.safe_load(text)["own_catalog" if own_catalog else "sample"]
    return {
        site: [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in settings.items()]
        for site, settings in chosen.items()
    }
