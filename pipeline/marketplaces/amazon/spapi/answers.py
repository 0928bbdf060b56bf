"""Reading answers of the Selling Partner API without trusting their shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.platform.http import Answer, ApiError


def object_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON object that an answer is. Raises ApiError for another."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise odd("a JSON object")
    return found


def text_of(found: Mapping[str, Any], name: str) -> str:
    """A text that the API promises."""
    value = found.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 8192 or not value.isprintable():
        raise odd(name)
    return value


def odd(what: str) -> ApiError:
    return ApiError("Amazon", f"Amazon gave an answer without {what}, which the API promises; try again later")
