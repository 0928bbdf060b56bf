"""Everything that is particular to one marketplace, one folder each, behind the protocol in `base.py`.

Here: finding marketplaces and sites by name. Nothing of a marketplace is loaded before the first call.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from pipeline.model.errors import PipelineError, UsageError
from pipeline.model.listing import Site

if TYPE_CHECKING:
    from pipeline.marketplaces.base import Marketplace

#: Third parties add a marketplace with an entry point of this group: an object (or a class without arguments).
ENTRY_POINT_GROUP = "pipeline.marketplaces"


@cache
def load_marketplaces() -> Mapping[str, Marketplace]:
    """Marketplaces by name: the built-in ones, then those of installed packages.

    Raises PipelineError for a plug-in that cannot be loaded or that takes the name or a site key of another.
    """
    from importlib.metadata import entry_points

    from pipeline.marketplaces.amazon.market import AmazonMarketplace
    from pipeline.marketplaces.ebay.market import EbayMarketplace

    found: dict[str, Marketplace] = {"amazon": AmazonMarketplace(), "ebay": EbayMarketplace()}
    keys = {key for market in found.values() for key in market.sites}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda item: item.name):
        try:
            loaded = point.load()
            market = cast("Marketplace", loaded() if isinstance(loaded, type) else loaded)
            name, sites = market.name, set(market.sites)
        except Exception as error:  # a broken plug-in may raise anything; the operator needs its name
            raise PipelineError(
                f"the marketplace plug-in {point.name} ({point.value}) cannot be loaded: {error}; fix or uninstall it"
            ) from error
        if name in found or sites & keys:
            raise PipelineError(
                f"the marketplace plug-in {point.name} ({point.value}) repeats a known name or site; uninstall it"
            )
        found[name] = market
        keys |= sites
    return found


def find_site(key: str) -> tuple[Marketplace, Site]:
    """The marketplace and site of a key such as `amazon-us`; raises UsageError that lists the known keys."""
    markets = load_marketplaces().values()
    for market in markets:
        if key in market.sites:
            return market, market.sites[key]
    known = ", ".join(site for market in markets for site in market.sites)
    raise UsageError(f"{key!r} is not a known marketplace; choose one of: {known}")
