"""What a merchant decides about one marketplace connection: prices, stock, categories, assortment, approval.

Every setting has a default; nonsense is refused with the name of the setting and what it may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.model.errors import UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_PRICE = 1_000_000_000
_MAX_VALUES = 10_000
_Values = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], Field(max_length=_MAX_VALUES)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]
_Text = Annotated[str, Field(min_length=1, max_length=255)]
_Metafield = Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^.\s]+\.\S+$")]
#: Attribute -> its value: a text, or lists and mappings of texts where the attribute has parts.
_Attributes = dict[_Name, Any]
#: What a connection may own of a live listing; what it does not own, somebody else keeps, such as a repricer.
Owned = Literal["content", "images", "price", "quantity"]
OWNED: tuple[Owned, ...] = get_args(Owned)
RuleField = Literal["product_type", "category", "vendor", "tag", "title", "collection"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CategoryRule(_Settings):
    """Products whose `field` matches `pattern` (any case, `*` and `?` as in file names) get `category`. First match wins."""

    field: RuleField
    pattern: str = Field(min_length=1, max_length=200)
    category: str = Field(min_length=1, max_length=100)
    attributes: _Attributes = Field(default={}, max_length=200)  # what these products have, in the marketplace's words


class Selection(_Settings):
    """Which products: any listed value of any field selects. Empty selects nothing."""

    product_ids: _Values = ()
    vendors: _Values = ()
    product_types: _Values = ()
    tags: _Values = ()
    collections: _Values = ()  # collection handles

    @property
    def empty(self) -> bool:
        return not any((self.product_ids, self.vendors, self.product_types, self.tags, self.collections))


class Assortment(_Settings):
    """What a connection sells: all active products (or only `include`), less `exclude`."""

    include: Selection = Selection()
    exclude: Selection = Selection()


class PriceBounds(_Settings):
    """The lowest and the highest price of one SKU, in the site's currency. Counts instead of its metafields."""

    floor: Decimal | None = Field(default=None, gt=0, le=_MAX_PRICE, decimal_places=3)
    ceiling: Decimal | None = Field(default=None, gt=0, le=_MAX_PRICE, decimal_places=3)

    @model_validator(mode="after")
    def _ordered(self) -> PriceBounds:
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        return self


class ExportSettings(_Settings):
    """`export_settings` of a connection."""

    price_adjustment_percent: Decimal = Field(default=Decimal(0), ge=-90, le=1000, decimal_places=6)
    rounding: Literal["none", ".99", ".95", "whole"] = "none"
    price_floor: Decimal | None = Field(default=None, gt=0, le=_MAX_PRICE, decimal_places=3)
    price_ceiling: Decimal | None = Field(default=None, gt=0, le=_MAX_PRICE, decimal_places=3)
    floor_margin_percent: Decimal | None = Field(default=None, ge=0, le=1000, decimal_places=6)  # floor = cost plus this
    currency_rate: Decimal | None = Field(default=None, gt=0, le=1_000_000, decimal_places=10)  # site's per unit of the store's
    currency_rate_date: date | None = None
    currency_rate_max_age_days: int = Field(default=30, ge=1, le=3650)  # prices wait after that, and warn from two thirds on
    price_market: _Text | None = None  # the store's market whose prices, in the site's currency, count instead of the rate
    #: Metafields, as `namespace.key`, of a variant or else its product.
    price_floor_metafield: _Metafield | None = None
    price_ceiling_metafield: _Metafield | None = None
    price_bounds: Annotated[Mapping[str, PriceBounds], Field(max_length=_MAX_VALUES)] = Field(default_factory=dict)  # by SKU
    sale_price_metafield: _Metafield | None = None
    sale_starts_metafield: _Metafield | None = None
    sale_ends_metafield: _Metafield | None = None
    #: So many SKUs with a new price or quantity are said one by one, at once; more go by feed, but those that sold out.
    urgent_skus: int = Field(default=50, ge=0, le=1000)
    stock_buffer: int = Field(default=0, ge=0, le=1_000_000)
    stock_maximum: int | None = Field(default=None, ge=1, le=1_000_000)
    untracked_quantity: int = Field(default=10, ge=0, le=1_000_000)  # sent for stock that is not tracked or may be oversold
    #: Sent where the source does not say how many there are; without it such stock keeps what was sent last.
    unknown_quantity: int | None = Field(default=None, ge=0, le=1_000_000)
    include_out_of_stock: bool = False
    use_ai_optimization: bool = False
    #: Suggested texts that are used without a person: `never`, or `own texts, score_gain >= N` points. Who sets it says that only
    #: the merchant's own people write the store's texts: what others hide in them for a model to read could go out unseen.
    accept_suggestions: str = "never"
    auto_translate: bool = False
    #: What a model translates is used only when people have taken it over: for texts that suppliers or reviewers write.
    review_translations: bool = False
    category_rules: tuple[CategoryRule, ...] = Field(default=(), max_length=_MAX_VALUES)
    default_category: str | None = Field(default=None, min_length=1, max_length=100)
    #: The marketplace's categories, in a file as listings/categories/taxonomy.py reads it; without it none is guessed from words.
    category_file: str | None = Field(default=None, min_length=1, max_length=1000)
    #: Guessed categories that are less sure than this are suggestions; 1 accepts none without a person.
    category_confidence: float = Field(default=0.9, ge=0, le=1)
    #: Values for the attributes that categories want and the catalog does not say: category (or `all`) -> attribute -> value.
    attributes: dict[_Name, _Attributes] = Field(default={}, max_length=_MAX_VALUES)
    accept_suggested_product_types: bool = False  # the marketplace's guess by the title, where no category rule decides
    definition_days: int = Field(default=1, ge=0, le=90)  # older definitions of categories are asked for again
    match_existing_asins: bool = False  # sell on items that the marketplace's catalog has already, found by their GTIN
    families: Literal["family", "single"] = "family"  # single: each variant is a listing by itself
    preview_skus: int = Field(default=25, ge=0, le=5000)  # most listings that a dry run has the marketplace itself validate
    gtin_exempt: bool = False
    assortment: Assortment = Assortment()
    require_approval: bool = False
    auto_fix_rejections: bool = True  # mend what the marketplace refused where that is safe, and send it again
    delete_after_days: int = Field(default=7, ge=0, le=365)  # grace of a listing that left the assortment, at quantity 0

    owns: tuple[Owned, ...] = OWNED  # the rest is said when a listing is created, and never again
    drift: Literal["ours", "theirs", "alert"] = "alert"  # when the marketplace holds something else than it acknowledged

    @field_validator("owns")
    @classmethod
    def _in_order(cls, value: tuple[Owned, ...]) -> tuple[Owned, ...]:
        return tuple(kind for kind in OWNED if kind in value)

    @field_validator("accept_suggestions")
    @classmethod
    def _never_or_a_gain(cls, value: str) -> str:
        if re.fullmatch(r"score_gain ?>= ?\d{1,3}(\.\d{1,2})?", value):
            raise ValueError(
                "nobody would look at what a model makes of the store's texts: if only your own people write them, no supplier "
                f"and no reviewer, say so as: own texts, {value}"
            )
        if not re.fullmatch(r"never|own texts, ?score_gain ?>= ?\d{1,3}(\.\d{1,2})?", value):
            raise ValueError(
                "must be never, or from how many points on suggestions are used by themselves, as: own texts, score_gain >= 3"
            )
        return value

    @field_validator("default_category", "category_file")
    @classmethod
    def _no_control_characters(cls, value: str | None) -> str | None:
        if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
            raise ValueError("must be plain text")
        return value

    @property
    def least_gain(self) -> float | None:
        """Points of score from which a suggested text is used without a person; None for never."""
        return None if self.accept_suggestions == "never" else float(self.accept_suggestions.rpartition("=")[2])

    @model_validator(mode="after")
    def _consistent(self) -> ExportSettings:
        if (self.currency_rate is None) != (self.currency_rate_date is None):
            raise ValueError("currency_rate and currency_rate_date (YYYY-MM-DD) belong together: set both or none")
        if self.price_floor is not None and self.price_ceiling is not None and self.price_floor > self.price_ceiling:
            raise ValueError("price_floor is above price_ceiling")
        if (self.sale_starts_metafield is None) != (self.sale_ends_metafield is None):
            raise ValueError("sale_starts_metafield and sale_ends_metafield belong together: set both or none")
        if self.sale_price_metafield is not None and self.sale_starts_metafield is None:
            raise ValueError("sale_price_metafield needs sale_starts_metafield and sale_ends_metafield")
        return self


def parse_export_settings(values: Mapping[str, Any]) -> ExportSettings:
    """Validated settings; raises UsageError with one sentence that names each wrong setting, but no value."""
    try:
        return ExportSettings.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError("; ".join(_sentence(item) for item in error.errors(include_input=False, include_url=False))) from None


#: Pydantic's words for what a merchant types as a list or a group of settings.
_WORDS = {
    "tuple_type": "must be a list, such as [a, b]",
    "model_type": "must be a group of settings, such as {name: value}",
    "model_attributes_type": "must be a group of settings, such as {name: value}",
}


def _sentence(item: ErrorDetails) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "settings"
    if item["type"] == "extra_forbidden":
        return f"{name} is not a setting; known settings: {', '.join(_known(item['loc'][:-1]))}"
    return f"{name}: {_WORDS.get(item['type']) or item['msg'].removeprefix('Value error, ')}"


def _known(path: tuple[int | str, ...]) -> list[str]:
    """Names of the settings in the group at `path`."""
    group: type[BaseModel] = ExportSettings
    for part in path:
        if part in group.model_fields:
            kind = group.model_fields[str(part)].annotation
            inner = [kind, *get_args(kind)]
            group = next((found for found in inner if isinstance(found, type) and issubclass(found, BaseModel)), group)
    return list(group.model_fields)
