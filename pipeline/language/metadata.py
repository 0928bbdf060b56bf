"""What operators see of a stage that may ask a model: the estimate before, the bill after. Same names wherever money is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.language.asking.ledger import Spending
    from pipeline.language.asking.models import Model
    from pipeline.language.translation.plan import Estimate


def estimate_metadata(estimate: Estimate, model: Model | None, credits: int) -> dict[str, Any]:
    """`credits`: what the answers would cost the store, see `charging.would_cost`."""
    return {
        "model": model.endpoint.model if model else "none",
        "transport": model.endpoint.transport if model else "none",
        "texts_to_ask_for": estimate.texts,
        "estimated_calls": estimate.calls,
        "estimated_usd": (estimate.usd_micro or 0) / 1e6,
        "reserved_usd": (estimate.most_usd_micro or 0) / 1e6,
        "estimated_credits": credits,
    }


def spent_metadata(spent: Spending) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "spent_usd": spent.usd_micro / 1e6,
        "unsettled_usd": spent.unsettled / 1e6,  # of it reserved for answers that are not there yet, or never came
    }
