"""What listings are made from, beside the catalog itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from hashlib import blake2b

import orjson

from pipeline.listings.knowledge import NOTHING, Knowledge
from pipeline.listings.prices import Place, rate_doubts
from pipeline.marketplaces.base import Marketplace
from pipeline.model.listing import Account, Site
from pipeline.model.quality import RuleSet
from pipeline.quality.context import Context
from pipeline.quality.schema import FIXED_PRODUCTS, FIXED_VARIANTS
from pipeline.stores.export_settings import ExportSettings

#: Bump when this stage makes other rows from the same inputs.
VERSION = "3"
#: What listings are made from: the rows of the quality stage without what only other stages read.
PRODUCT_COLUMNS = [
    name for name in FIXED_PRODUCTS.names if name not in {"handle", "seo_title", "seo_description", "source_hash", "line"}
]
VARIANT_COLUMNS = [name for name in FIXED_VARIANTS.names if name not in {"position", "price_text", "requires_shipping", "line"}]


@dataclass(frozen=True)
class Recipe:
    """All that shapes the listings of a connection beside the catalog itself. Of `knowledge` only what a product needs is in its
    revision: what is learned of one category changes no other."""

    store: str  # key
    currency: str  # of the store's prices
    marketplace: Marketplace
    site: Site
    account: Account
    settings: ExportSettings
    ruleset: RuleSet
    today: date  # for the age of a currency rate
    knowledge: Knowledge = NOTHING
    live: bool = False  # exports are sent, and the marketplace can be asked
    mappings: Mapping[str, str] = field(default_factory=dict)  # our SKU -> the account's, under which it is listed

    @property
    def place(self) -> Place:
        return Place(self.site.key, self.site.currency, self.currency, self.today)

    @property
    def matching(self) -> bool:
        """Variants are looked for in the marketplace's catalog, and wait until they were."""
        return self.live and self.settings.match_existing_asins

    @cached_property
    def market(self) -> Marketplace:
        """The marketplace, knowing what its categories want."""
        return self.marketplace.informed(self.knowledge.definitions)

    @cached_property
    def context(self) -> Context:
        flags = frozenset({"gtin_exempt"} if self.settings.gtin_exempt else ())
        return Context(self.store, self.site.language, self.site.currency, flags)

    @cached_property
    def project_settings(self) -> Mapping[str, object]:
        return {**self.settings.model_dump(), **self.account.settings}

    @cached_property
    def fingerprint(self) -> bytes:
        """Changes when any product may come out differently."""
        facts = [
            VERSION, self.store, self.currency, self.marketplace.name, self.marketplace.version, asdict(self.site),
            asdict(self.account), self.settings.model_dump(mode="json"), self.ruleset.name, self.ruleset.version,
            *([dict(self.mappings)] if self.mappings else []), rate_doubts(self.settings, self.place),
        ]  # fmt: skip
        return blake2b(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS, default=str), digest_size=32).digest()
