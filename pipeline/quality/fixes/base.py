"""What fixes are made of: the registry, and how a fix of text reaches the few values that need it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.quality import FixClass
from pipeline.quality.context import Context
from pipeline.quality.masks.base import Mask, arrow, column, is_list

#: `function(frame, field, context, **params)` -> the columns it changes.
FixFunction: TypeAlias = Callable[..., "dict[str, pd.Series[Any]]"]


@dataclass(frozen=True)
class Fix:
    """`signature` is the function whose keyword-only arguments are the parameters."""

    id: str
    fix_class: FixClass
    summary: str
    function: FixFunction
    signature: Callable[..., Any]


FIXES: dict[str, Fix] = {}


def fix(id: str, fix_class: FixClass) -> Callable[[FixFunction], FixFunction]:
    """Register a fix of a frame."""

    def register(function: FixFunction) -> FixFunction:
        FIXES[id] = Fix(id, fix_class, _summary(function), function, function)
        return function

    return register


def text_fix(id: str, fix_class: FixClass) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a fix of text: `function(texts, context, **params)` takes and gives a string array, null stays null.

    Giving the same object back says that nothing changed. A list column is fixed item by item.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def apply(frame: pd.DataFrame, field: str, context: Context, **params: Any) -> dict[str, pd.Series[Any]]:
            values = arrow(frame[field])
            if values.null_count == len(values):
                return {}
            fixed = on_items(values, lambda items: function(items, context, **params))
            return {} if fixed is values else {field: column(fixed, frame[field])}

        FIXES[id] = Fix(id, fix_class, _summary(function), apply, function)
        return function

    return register


def on_items(values: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of a string array, or of all items of an array of lists; the same object where it gives its own back."""
    if not is_list(values):
        return function(values)
    items = pc.list_flatten(values)
    fixed = function(items)
    if fixed is items:
        return values
    return pa.ListArray.from_arrays(_offsets(values), fixed, type=values.type, mask=pc.is_null(values))


def _offsets(values: Any) -> Any:
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])


def _summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().split("\n")[0]


def rewrite(texts: Any, suspects: Mask, function: Callable[[str], str | None]) -> Any:
    """`function` over the suspect values, each distinct one once; the same object when none changed."""
    if not suspects.any():
        return texts
    known: dict[str, str | None] = {}
    before = texts.filter(pa.array(suspects)).to_pylist()
    for text in before:
        if text is not None and text not in known:
            known[text] = function(text)
    after = [None if text is None else known[text] for text in before]
    if after == before:
        return texts
    return pc.replace_with_mask(texts, pa.array(suspects), pa.array(after, texts.type))
