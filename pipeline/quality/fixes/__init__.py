"""The fixes: functions over frames, found by id in `FIXES`. Each is pure and leaves what it does not understand."""

from pipeline.quality.fixes import channel, identifiers, markup, text, values
from pipeline.quality.fixes.base import FIXES, Fix

__all__ = ["FIXES", "Fix", "channel", "identifiers", "markup", "text", "values"]
