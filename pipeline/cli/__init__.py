"""The `pipeline` command: one module a noun, each with `register(app)`. Heavy imports happen inside the commands."""

from __future__ import annotations


def main() -> None:
    """The console script."""
    from pipeline.cli.app import main as run

    run()
