"""The configured model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from pipeline.language.asking.asker import endpoint_price
from pipeline.language.asking.prices import Price
from pipeline.model.errors import UsageError
from pipeline.settings import TRANSPORTS, ModelEndpoint, model_endpoint

#: The operator's own prices, in the data directory.
PRICES_FILE = "prices.yaml"


@dataclass(frozen=True)
class Model:
    """The configured model and what its tokens cost."""

    endpoint: ModelEndpoint
    price: Price

    @property
    def asking_price(self) -> Price:
        """Of first questions, which may go in batches."""
        return self.price.in_batch() if self.endpoint.transport == "batch" else self.price


def configured_model(data_dir: Path, transport: str | None = None) -> Model | None:
    """The model of the environment; None without one. Raises UsageError when it or its price is unusable. `transport`: another
    one than the environment's."""
    endpoint = model_endpoint()
    if endpoint is None:
        return None
    if transport is not None and transport not in TRANSPORTS:
        raise UsageError(f"a model is asked by one of {', '.join(TRANSPORTS)}, not {transport!r}")
    endpoint = replace(endpoint, transport=transport or endpoint.transport)
    return Model(endpoint, endpoint_price(endpoint, datetime.now(timezone.utc).date(), data_dir / PRICES_FILE))
