"""Amazon's Selling Partner API: tokens, rate limits, feeds. Only what the pipeline calls; no SDK (docs/decisions/0015)."""
