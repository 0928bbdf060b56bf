"""The checks of the rules: vectorized functions over frames, found by name in `CHECKS`."""

from pipeline.quality.masks import feeds, identifiers, lists, text, values
from pipeline.quality.masks.base import CHECKS, Degree, Mask

__all__ = ["CHECKS", "Degree", "Mask", "feeds", "identifiers", "lists", "text", "values"]
