"""Sell a Shopify catalog on marketplaces: a Dagster pipeline. Read `definitions.py` first."""

__version__ = "0.1.0"
