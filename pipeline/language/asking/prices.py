"""What a model's tokens cost, from `prices.yaml` and the operator's own file. Money is whole micro-USD, rounded up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.model.errors import UsageError


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `prompt` includes `cached` and `cache_write`; `estimated` where the server did not say."""

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    estimated: bool = False


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, which is micro-USD a token."""

    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal
    batch: Decimal = Decimal(1)  # of the price, in a batch

    def in_batch(self) -> Price:
        """What the same tokens cost in a batch."""
        part = self.batch
        return Price(self.input * part, self.cached * part, self.cache_write * part, self.output * part)

    def cost(self, usage: Usage) -> int:
        plain = max(0, usage.prompt - usage.cached - usage.cache_write)
        exact = (
            plain * self.input
            + usage.cached * self.cached
            + usage.cache_write * self.cache_write
            + usage.completion * self.output
        )
        return int(exact.to_integral_value(ROUND_CEILING))

    def most(self, prompt: int, completion: int) -> int:
        """The worst case of a call with at most so many tokens."""
        dearest = max(self.input, self.cached, self.cache_write)
        return int((prompt * dearest + completion * self.output).to_integral_value(ROUND_CEILING))


FREE = Price(Decimal(0), Decimal(0), Decimal(0), Decimal(0))


def price_of(model: str, day: date, own_file: Path | None = None) -> Price | None:
    """The price of a model on a day; None when nobody knows it. Raises UsageError for an own file that cannot be used."""
    models = dict(_shipped()["models"])
    if own_file is not None and own_file.is_file():
        models |= _read(own_file).get("models") or {}
    try:
        rows = [row for row in models.get(model, ()) if row["from"] <= day]
        newest = max(rows, key=lambda row: row["from"], default=None)
        return None if newest is None else _price(newest)
    except (KeyError, TypeError, ValueError, InvalidOperation):
        raise UsageError(
            f"the price of {model} in {own_file} cannot be read; it must look like: "
            f"models: {{{model}: [{{from: 2026-01-01, input: 0.10, cached: 0.01, cache_write: 0.125, output: 0.50}}]}}"
        ) from None


def default_budgets() -> dict[str, int]:
    """run, store_month and month in micro-USD."""
    return {name.removesuffix("_usd"): int(Decimal(str(usd)) * 1_000_000) for name, usd in _shipped()["budgets"].items()}


def _price(row: Mapping[str, Any]) -> Price:
    values = {name: Decimal(str(row[name])) for name in ("input", "cached", "cache_write", "output")}
    values["batch"] = Decimal(str(row.get("batch", 1)))
    if not all(value.is_finite() and value >= 0 for value in values.values()):
        raise ValueError("a price is negative")
    return Price(**values)


@cache
def _shipped() -> dict[str, Any]:
    return _read(Path(__file__).with_name("prices.yaml"))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} must have the key `models`")
    return found
