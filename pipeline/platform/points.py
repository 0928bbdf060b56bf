"""Named places between an effect and its record, where a killed process leaves work half done. A no-op; tests die there."""

from __future__ import annotations

from collections.abc import Callable

#: Set by tests only.
hook: Callable[[str], None] | None = None


def point(name: str) -> None:
    if hook is not None:
        hook(name)
