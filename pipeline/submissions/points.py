"""Named places between an effect and its record. A no-op; tests kill the process there (trust the names: they are the tests')."""

from __future__ import annotations

from collections.abc import Callable

#: Set by tests only.
hook: Callable[[str], None] | None = None


def point(name: str) -> None:
    if hook is not None:
        hook(name)
