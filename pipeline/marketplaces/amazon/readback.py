"""Listings as Amazon shows them, against what our messages say. Values are compared by their meaning: numbers as numbers,
texts without the spaces that Amazon trims, and whatever Amazon adds to a value is left out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import orjson

from pipeline.marketplaces.amazon.values import LOCATORS
from pipeline.marketplaces.live import Difference, Held, RemoteListing
from pipeline.model.listing import Site
from pipeline.model.money import exponent

#: What tells the values of one attribute apart.
_SELECTORS = ("marketplace_id", "language_tag", "audience", "currency", "fulfillment_channel_code")
#: Fulfilled by the merchant; AMAZON_NA and the like are Amazon's own stock.
_MERCHANT = "DEFAULT"
#: Amazon may show a picture under an address of its own: then nobody can tell from which it was made.
_PICTURE_HOSTS = ("media-amazon.com", "ssl-images-amazon.com", "images-amazon.com")
_MAX_PRICE = Decimal(10**12)


def held(listing: RemoteListing, site: Site) -> Held:
    """What a listing offers: price and list price in minor units, null where it has none."""
    content = listing.content
    offer = next(_of_site(content, "purchasable_offer", site, audience="ALL", currency=site.currency), {})
    price = _minor(_first(_first(offer.get("our_price")).get("schedule")).get("value_with_tax"), site)
    before = _minor(next(_of_site(content, "list_price", site, currency=site.currency), {}).get("value"), site)
    stock = {
        one.get("fulfillment_channel_code"): one.get("quantity") for one in _objects(content.get("fulfillment_availability"))
    }
    quantity = stock.get(_MERCHANT)
    return Held(
        price=price,
        list_price=before if price is not None and before is not None and before > price else None,
        quantity=quantity if isinstance(quantity, int) and quantity >= 0 else None,
        stock_elsewhere=bool(stock) and _MERCHANT not in stock,
        sale=_sale(_first(_first(offer.get("discounted_price")).get("schedule")), site),
        gtins=tuple(
            str(one["value"]) for one in _of_site(content, "externally_assigned_product_identifier", site) if "value" in one
        ),
    )


def difference(message: bytes, listing: RemoteListing) -> Difference:
    """Attributes in which a listing is not as a PATCH of ours says, and those of which nobody can tell."""
    differ: list[str] = []
    unknown: list[str] = []
    for patch in orjson.loads(message)["patches"]:
        name = patch["path"].removeprefix("/attributes/")
        values = list(_objects(listing.content.get(name)))
        if patch["op"] == "delete":
            same = not any(_selected(value, patch["value"][0]) for value in values)
        else:
            same = all(_present(value, values) for value in patch["value"]) and len(
                [one for one in values if _selected(one, patch["value"][0])]
            ) == len(patch["value"])
        if not same:
            (unknown if name in LOCATORS and any(map(_moved, values)) else differ).append(name)
    return Difference(tuple(differ), tuple(unknown))


def _sale(schedule: Mapping[str, Any], site: Site) -> tuple[int, datetime, datetime] | None:
    price, start, end = (
        _minor(schedule.get("value_with_tax"), site),
        _time(schedule.get("start_at")),
        _time(schedule.get("end_at")),
    )
    return None if price is None or start is None or end is None else (price, start, end)


def _time(value: Any) -> datetime | None:
    """An ISO 8601 time; one that names no zone is of UTC."""
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _present(ours: Mapping[str, Any], theirs: Sequence[Mapping[str, Any]]) -> bool:
    return any(_says(one, ours) for one in theirs if _selected(one, ours))


def _selected(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether both are for the same place, language, buyers ...; what theirs does not say fits any."""
    return all(theirs.get(name) in (None, ours[name]) for name in _SELECTORS if name in ours)


def _says(theirs: Any, ours: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(
            name in _SELECTORS or (name in theirs and _says(theirs[name], value)) for name, value in ours.items()
        )
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(theirs) == len(ours) and all(map(_says, theirs, ours))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return theirs is ours
    if isinstance(ours, (int, float)):
        return _number(theirs) == _number(ours)
    return isinstance(theirs, str) and _text(theirs) == _text(str(ours))


def _text(value: str) -> str:
    return " ".join(unicodedata.normalize("NFC", value).split())


def _moved(value: Mapping[str, Any]) -> bool:
    try:
        host = urlsplit(str(value.get("media_location"))).hostname or ""
    except ValueError:
        return False
    return host.endswith(_PICTURE_HOSTS)


def _of_site(content: Mapping[str, Any], name: str, site: Site, **selectors: str) -> Iterator[Mapping[str, Any]]:
    wanted = {"marketplace_id": site.marketplace_id, **selectors}
    return (value for value in _objects(content.get(name)) if _selected(value, wanted))


def _objects(found: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def _first(found: Any) -> Mapping[str, Any]:
    return next(_objects(found), {})


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _minor(value: Any, site: Site) -> int | None:
    number = _number(value)
    if number is None or not 0 <= number < _MAX_PRICE:
        return None
    minor = number.scaleb(exponent(site.currency))
    return int(minor) if minor == minor.to_integral_value() else None
